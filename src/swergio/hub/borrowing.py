"""The component's side of shared memory; `swergio.hub.lending` has the theory.

Everything here is of one link: `Borrower.forget` ends it.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from swergio.codec.frames import Buffer, Frame, Op, check, encode, fields
from swergio.errors import ProtocolError
from swergio.hub import arena as memory
from swergio.hub.arena import BLOCK, MEMORY, Arena, Place, Reference
from swergio.hub.regions import KEPT, OwnArena
from swergio.hub.views import Buffers

log = logging.getLogger("swergio.link")

RESERVE_ABOVE = 256 * 1024  # a batch of its own, if it is as large; what is smaller shares one, and is copied twice
LEND_ABOVE = 64 * 1024  # there it saves an eighth to a third of the CPU time of all three; at 1 MiB, half or more
_SECRET = 16


class Borrower:
    """
    What a component sees of the memory of its hub.

    Args:
        enabled: It wants to see any.
        above: Bytes of a batch from which on it does not travel.
    """

    def __init__(self, enabled: bool, above: int = LEND_ABOVE) -> None:
        self._enabled = enabled and memory.AVAILABLE
        self._above = above
        self._reserve_above = max(above, RESERVE_ABOVE)
        self._place: Place | None = None
        self._secret = b""
        self._asked = False
        self._own: OwnArena | None = None
        self._arenas: dict[int, Arena] = {}
        self._buffers = Buffers(KEPT * BLOCK)

    def forget(self) -> None:
        """
        The link is gone, and with it whatever was seen over it.
        """
        self._place = self._own = None
        for arena in self._arenas.values():
            with suppress(BufferError):  # the outbox has views of it; it is unmapped with the last of them
                arena.close()
        self._arenas.clear()
        self._asked = False

    @property
    def features(self) -> dict[str, Any]:
        """
        What HELLO says.
        """
        return {MEMORY: True} if self._enabled else {}

    def offered(self, features: dict[Any, Any]) -> list[Buffer]:
        """
        Take the features of WELCOME; return the frame that proves that the memory can be seen here, if it can.

        Raises:
            ProtocolError: they are malformed.
        """
        if MEMORY not in features or not self._enabled:
            return []
        (where,) = check([features[MEMORY]], (list,), "WELCOME with memory")
        process, descriptor, name = check(where, (int, int, str), "WELCOME with memory")
        place = Place(process, descriptor, name)
        try:
            found = place.open(0, descriptor)
            try:
                self._secret = os.pread(found, _SECRET, 0)
            finally:
                os.close(found)
        except OSError as exc:
            log.debug("the hub shares memory, which cannot be seen from here: %s", exc)
            return []
        self._place = place
        return self._say(wanted=False)

    def wanted(self, size: int) -> list[Buffer]:
        """
        Return the frame that asks for an arena, if a batch of ``size`` is the first that should lie in one.
        """
        if self._asked or self._place is None or size < self._above:
            return []
        self._asked = True
        return self._say(wanted=True)

    def _say(self, *, wanted: bool) -> list[Buffer]:
        return encode(Op.SHARE, self._secret, wanted)

    def reserve(self, size: int) -> memoryview | None:
        """
        Return memory of ``size`` bytes that the hub sees, for the arrays of one message. On any thread.

        None if there is none just now, or the message is so small that it will share a batch.
        """
        own = self._own
        return None if own is None or size < self._reserve_above else own.reserve(size)

    def put(self, buffers: Sequence[Buffer], size: int) -> bytes | None:
        """
        Put a batch where the hub sees it, and return the reference to it; None if it must travel.
        """
        if self._own is None or size < self._above:
            return None
        reference = self._own.put(buffers, size)
        return None if reference is None else reference.pack()

    def arena(self, frame: Frame) -> None:
        """
        Take an ARENA frame.

        Raises:
            ProtocolError: the arena cannot be seen. From here on, none is.
        """
        number, descriptor, size, own = fields(frame, int, (int, type(None)), int, bool)
        if descriptor is None:
            gone = self._arenas.pop(number, None)
            if gone is not None:
                gone.close()
            return
        try:
            arena = self._open(number, descriptor, size, own=own)
        except (OSError, ValueError) as exc:
            self._enabled = False
            raise ProtocolError(f"going on without shared memory, since {exc}") from exc
        self._arenas[number] = arena
        if isinstance(arena, OwnArena):
            self._own = arena

    def _open(self, number: int, descriptor: int, size: int, *, own: bool) -> Arena:
        if self._place is None:
            raise ProtocolError("ARENA for a component that sees no memory")
        found = self._place.open(number, descriptor, writable=own)
        try:
            return OwnArena(number, found, size) if own else Arena(number, found, size, writable=False)
        finally:
            os.close(found)

    def returned(self, frame: Frame) -> None:
        """
        Take a RETURN frame.

        Raises:
            ProtocolError: it is malformed.
        """
        (number,) = fields(frame, int)
        if self._own is None or self._own.number != number or len(frame.payload) % 4:
            raise ProtocolError(f"RETURN of arena {number}, which is not this component's")
        for block, *_ in struct.iter_unpack("<I", frame.payload):
            self._own.returned(block)

    def read(self, payload: memoryview) -> memoryview:
        """
        Return a copy of the batch that a reference leads to.

        Raises:
            ProtocolError: it is not there, or not any more.
        """
        reference = Reference.unpack(payload)
        arena = self._arenas.get(reference.arena)
        if arena is None:
            raise ProtocolError(f"a reference to arena {reference.arena}, which is not known")
        if reference.size > arena.size:
            raise ProtocolError(f"a reference to {reference.size} bytes in an arena of {arena.size}")
        copy = self._buffers.take(reference.size)
        arena.read(reference, copy)
        return copy
