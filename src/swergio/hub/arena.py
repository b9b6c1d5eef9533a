"""Memory that processes of one host share, for large batches; see `swergio.hub.lending` for who may do what with it.

An *arena* is a piece of anonymous memory (``memfd_create``) in blocks of 64 KiB. It has no name in any file system:
whoever is killed, it is gone with the last process that has it mapped. Its size is sealed, so that nobody can cut off
what another one reads. Block 0 holds a *stamp* of 8 bytes for each block. A sender puts a batch into blocks in a row,
having put a stamp that it never used before on each of them first; the batch may begin anywhere in the first of them. A
reader looks at the stamps after it has copied the batch out: if they are still those that it was told, nobody began to
write there meanwhile.

Only Linux has such memory; elsewhere ``AVAILABLE`` is false, and nothing of this is used.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Self

from swergio.codec.frames import ALIGNMENT, MAX_NUMBER, Buffer
from swergio.errors import ProtocolError

try:
    import fcntl

    AVAILABLE = hasattr(os, "memfd_create") and hasattr(fcntl, "F_ADD_SEALS")
except ImportError:
    AVAILABLE = False

MEMORY = "memory"  # the feature of HELLO and WELCOME
BLOCK = 64 * 1024
LINES = BLOCK // ALIGNMENT
MAX_SIZE = BLOCK // 8 * BLOCK  # the stamps of more would not fit into block 0

_REFERENCE = struct.Struct("<IIQQ")
_STAMP = struct.Struct("<Q")


class Reference(NamedTuple):
    """
    Where a batch lies: ``line`` counts lines of 64 bytes from the beginning of the arena, ``size`` bytes.
    """

    arena: int
    line: int
    size: int
    stamp: int

    @property
    def start(self) -> int:
        """
        The place of its first byte.
        """
        return self.line * ALIGNMENT

    @property
    def block(self) -> int:
        """
        The first of its blocks.
        """
        return self.line // LINES

    @property
    def blocks(self) -> int:
        """
        How many blocks it takes.
        """
        return -(-(self.start + self.size) // BLOCK) - self.block

    def lies_within(self, size: int) -> bool:
        """
        Whether it can be that of a batch in an arena of ``size`` bytes.
        """
        return self.size > 0 and self.start >= BLOCK and self.start + self.size <= size

    def pack(self) -> bytes:
        """
        Return it as a payload.
        """
        return _REFERENCE.pack(*self)

    @classmethod
    def unpack(cls, payload: Buffer) -> Self:
        """
        Return what a peer sent.

        Raises:
            ProtocolError: it is no reference.
        """
        if len(payload) != _REFERENCE.size:
            raise ProtocolError(f"a reference of {len(payload)} bytes, {_REFERENCE.size} expected")
        return cls(*_REFERENCE.unpack(payload))


class Arena:
    """
    The memory behind ``descriptor``, mapped. The descriptor stays the caller's.

    Raises:
        OSError: it cannot be mapped.
    """

    def __init__(self, number: int, descriptor: int, size: int, *, writable: bool) -> None:
        self.number = number
        self.size = size
        access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self.memory = mmap.mmap(descriptor, size, mmap.MAP_SHARED, access)

    def stamp(self, block: int, blocks: int, stamp: int) -> None:
        """
        Put a stamp on blocks in a row: what was there is gone.
        """
        self.memory[block * 8 : (block + blocks) * 8] = _STAMP.pack(stamp) * blocks

    def write(self, start: int, buffers: Iterable[Buffer]) -> None:
        """
        Put buffers one behind the other.
        """
        with memoryview(self.memory) as view:
            for buffer in buffers:
                view[start : start + len(buffer)] = buffer
                start += len(buffer)

    def read(self, reference: Reference, into: memoryview) -> None:
        """
        Copy a batch.

        Raises:
            ProtocolError: it is not there, or not any more.
        """
        block, start, size = reference.block, reference.start, reference.size
        if not reference.lies_within(self.size):
            raise ProtocolError(f"a reference to {size} bytes at {start}, outside arena {self.number}")
        with memoryview(self.memory) as view:
            into[:] = view[start : start + size]
        stamps = self.memory[block * 8 : (block + reference.blocks) * 8]
        if stamps != _STAMP.pack(reference.stamp) * reference.blocks:
            raise ProtocolError(f"what was at block {block} of arena {self.number} is gone")

    def give_back(self, first: int) -> None:
        """
        Give the memory from block ``first`` to the end back to the system; it reads as zeros then.
        """
        self.memory.madvise(mmap.MADV_REMOVE, first * BLOCK, self.size - first * BLOCK)

    def close(self) -> None:
        """
        Unmap it.

        Raises:
            BufferError: somebody still looks at a part of it.
        """
        self.memory.close()


def create(name: str, size: int) -> int:
    """
    Return the descriptor of new memory of ``size`` bytes, which stays of this size.

    Raises:
        OSError: there is none.
    """
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def find(process: int, descriptor: int, name: str, *, writable: bool = False) -> int:
    """
    Return a descriptor of the memory ``name`` that a process of this host and user has at ``descriptor``.

    Nothing else is opened, whatever is there: a number may mean another process here (containers), or another file
    by now, and opening a device or a pipe has effects.

    Raises:
        OSError: it cannot be had.
    """
    path, expected = f"/proc/{process}/fd/{descriptor}", f"/memfd:{name} (deleted)"
    if str(Path(path).readlink()) != expected:
        raise FileNotFoundError(f"{path} is not {name}")
    found = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK)
    if str(Path(f"/proc/self/fd/{found}").readlink()) != expected:
        os.close(found)
        raise FileNotFoundError(f"{path} is not {name} any more")
    return found


class Place(NamedTuple):
    """
    Where a hub has its memory: the descriptor of each arena is told apart. ``name`` begins all their names.
    """

    process: int
    descriptor: int
    name: str

    def open(self, number: int, descriptor: int, *, writable: bool = False) -> int:
        """
        Return a descriptor of an arena, see `find`.
        """
        if not 0 <= descriptor <= MAX_NUMBER:
            raise FileNotFoundError(f"no descriptor {descriptor}")
        return find(self.process, descriptor, f"{self.name}-{number}", writable=writable)
