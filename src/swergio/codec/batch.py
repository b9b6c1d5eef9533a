"""Batches: messages that share a destination, type and phase, as they travel.

A batch's payload is opaque to the hub::

    u32 size of columns | u32 size of block | columns | block | zero bytes to 64 | array | zero bytes to 64 | ...

*Columns* is one msgpack array: type, time, phase, flags, roots, parents, metas, lengths, arrays. What all messages
share stands there once; roots, parents and metas are None, or a list with an item for each message. *Block* is one
msgpack array of the bodies, which were packed at `send`: one ``unpackb`` decodes them all (33 ns a message of 128
bytes, against 450 and more for an array per message), and `lengths` (u32 each) finds one body alone when another is
corrupt. *Arrays* has an item for each message, if any has arrays: the sizes of its raw array segments, in the order in
which its body refers to them.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from types import NoneType
from typing import Any

import msgpack

from swergio.codec.bodies import unpack_block, unpack_body
from swergio.codec.frames import ALIGNMENT, Buffer, unpack
from swergio.errors import CorruptBody, MissingExtra, ProtocolError, UnsupportedBody
from swergio.messages import Kind, Phase

MAX_MESSAGES = 512
MESSAGE_COST = 64  # bytes of bookkeeping that a message is charged for, so that empty ones fill queues too

COLUMNS = 9

_SIZES = struct.Struct("<II")
_KIND = 0b111
_KINDS: tuple[Kind, ...] = tuple(Kind)  # by number; asking the class itself takes 0.7 µs, and this 0.03
_WANTS_FEEDBACK = 0b1000


def flags_of(kind: Kind, wants_feedback: bool = False) -> int:
    """
    Return the flags column of a batch.
    """
    return kind | (_WANTS_FEEDBACK if wants_feedback else 0)


def pack_meta(meta: Mapping[str, Any]) -> bytes:
    """
    Return what is said about a message as msgpack, as it is now.

    Raises:
        UnsupportedBody: it cannot travel.
    """
    try:
        packed: bytes = msgpack.packb(dict(meta))
        unpack(packed, dict)  # one that cannot be read would cost its receivers the whole batch
    except Exception as exc:  # msgpack and a strange Mapping raise what they like
        raise UnsupportedBody("meta", str(exc) or type(exc).__name__) from exc
    return packed


class OpenBatch:
    """
    Messages with one destination and shape, collected until they are sent.

    Attributes:
        bodies: Packed, to be appended to.
        free: For how many in all there is room without asking. Whoever appends without asking may do so after `close`.
        count: How many bodies belong to it; final when it is closed.
    """

    __slots__ = (
        "arrays", "bodies", "cost", "count", "flags", "free", "key", "metas", "parents", "phase", "roots", "segments",
        "time", "type",
    )  # fmt: skip

    def __init__(
        self, key: tuple[Any, ...], type: str, phase: Phase | None, flags: int, time: float, free: int = 0
    ) -> None:
        self.key = key
        self.type = type
        self.phase = phase
        self.flags = flags
        self.time = time
        self.free = free
        self.count = MAX_MESSAGES
        self.cost = 0
        self.bodies: list[bytes] = []
        self.segments: list[Buffer] = []
        self.arrays: list[Sequence[int]] = []
        self.roots: list[str | None] | None = None
        self.parents: list[str | None] | None = None
        self.metas: list[bytes | None] | None = None

    def link(self, root: str | None, parent: str | None, meta: bytes | None) -> None:
        """
        Say what the next message belongs to; needed only when one of the three is not None.

        ``meta`` is packed, see `pack_meta`.
        """
        before = len(self.bodies)
        self.roots = _extended(self.roots, before, root)
        self.parents = _extended(self.parents, before, parent)
        self.metas = _extended(self.metas, before, meta)

    def attach(self, segments: Sequence[Buffer]) -> None:
        """
        Add the raw arrays of the next message.
        """
        before = len(self.bodies)
        self.segments += segments
        self.arrays.extend([()] * (before - len(self.arrays)))
        self.arrays.append([len(segment) for segment in segments])

    def close(self) -> int:
        """
        Take no more; return for how many it was free.
        """
        free, self.free = self.free, 0
        self.count = min(len(self.bodies), MAX_MESSAGES)
        return free

    def late(self) -> list[bytes]:
        """
        Take back the bodies that were appended when it was closed, or full.
        """
        late: list[bytes] = []
        while len(self.bodies) > self.count:  # one by one: more may be appended meanwhile
            late.append(self.bodies.pop(self.count))
        return late

    def encode(self) -> list[Buffer]:
        """
        Return the buffers of the payload; for one that is closed.
        """
        shared = (self.type, self.time, self.phase, self.flags)
        return assemble(
            shared, self.roots, self.parents, self.metas, self.bodies[: self.count], self.arrays, self.segments
        )


def assemble(
    shared: Sequence[Any],
    roots: list[str | None] | None,
    parents: list[str | None] | None,
    metas: list[bytes | None] | None,
    bodies: Sequence[Buffer],
    arrays: Sequence[Sequence[int]],
    segments: Sequence[Buffer],
) -> list[Buffer]:
    """
    Return the buffers of a payload: type, time, phase and flags are ``shared``, the other columns may be too short.
    """
    count = len(bodies)
    lengths = struct.pack(f"<{count}I", *map(len, bodies))
    sizes = [*arrays, *[()] * (count - len(arrays))] if arrays else ()
    front = (*shared, _padded(roots, count), _padded(parents, count))
    if metas is None:
        columns = msgpack.packb((*front, None, lengths, sizes))
    else:
        packed = _array_head(count) + b"".join(meta or b"\xc0" for meta in _padded(metas, count) or ())
        columns = b"\x99" + msgpack.packb(front)[1:] + packed + msgpack.packb((lengths, sizes))[1:]
    block = b"".join((_array_head(count), *bodies))
    payload: list[Buffer] = [_SIZES.pack(len(columns), len(block)) + columns + block]
    size = len(payload[0])
    for segment in segments:
        pad = -size % ALIGNMENT
        payload += (bytes(pad), segment) if pad else (segment,)
        size += pad + len(segment)
    return payload


def _padded(column: list[Any] | None, count: int) -> list[Any] | None:
    return column if column is None else column + [None] * (count - len(column))


def encode_one(type: str, body: bytes, segments: Sequence[Buffer] = (), meta: Mapping[str, Any] | None = None) -> bytes:
    """
    Return the payload of a batch of one message that begins no pass and answers nothing.
    """
    batch = OpenBatch((), type, None, flags_of(Kind.MESSAGE), time.time())
    if segments:
        batch.attach(segments)
    if meta is not None:
        batch.link(None, None, pack_meta(meta))
    batch.bodies.append(body)
    batch.close()
    return b"".join(batch.encode())


def _extended(column: list[Any] | None, before: int, value: Any) -> list[Any] | None:
    if column is None:
        return None if value is None else [None] * before + [value]
    column.extend([None] * (before - len(column)))
    column.append(value)
    return column


def _array_head(count: int) -> bytes:
    if count < 16:
        return bytes((0x90 | count,))
    return b"\xdc" + count.to_bytes(2, "big")


class Batch:
    """
    The payload of a received batch; bodies are decoded when the first of them is asked for.

    Raises:
        ProtocolError: the payload does not hold ``count`` messages of one batch.
    """

    __slots__ = (
        "_bodies", "_bounds", "_corrupt", "_count", "_lengths", "_payload", "_places", "_sizes",
        "flags", "metas", "parents", "phase", "roots", "time", "type",
    )  # fmt: skip

    flags: int

    def __init__(self, payload: memoryview, count: int) -> None:
        try:
            self._sizes = _SIZES.unpack_from(payload)
        except struct.error as exc:
            raise ProtocolError("a batch of less than 8 bytes") from exc
        columns_size, block_size = self._sizes
        if 8 + columns_size + block_size > len(payload):
            raise ProtocolError("a batch whose parts are larger than the whole")
        columns = unpack(payload[8 : 8 + columns_size], list)
        self._payload = payload
        self._count = count
        self._bodies: list[Any] | None = None
        self._bounds: list[int] = []  # where bodies begin and end, once that was asked for
        self._corrupt = False
        self._check(columns)

    def _check(self, columns: list[Any]) -> None:
        if len(columns) < COLUMNS:
            raise ProtocolError(f"a batch of {len(columns)} columns, {COLUMNS} expected")
        del columns[COLUMNS:]  # they came with a later release
        self.type, time, phase, self.flags, self.roots, self.parents, self.metas, lengths, arrays = columns
        # A number without a fraction is an integer in JavaScript.
        ok = isinstance(self.type, str) and type(time) in (float, int) and type(self.flags) is int
        ok = ok and (self.flags & _KIND) <= Kind.FAILED_FEEDBACK and phase in (None, 1, 2)
        ok = ok and isinstance(lengths, bytes) and len(lengths) == 4 * self._count and isinstance(arrays, list)
        for column, kind in ((self.roots, str), (self.parents, str), (self.metas, dict)):
            if column is not None:
                ok = ok and self._is_column(column, kind)
        if not ok:
            raise ProtocolError("a batch with a column of the wrong type or length")
        self.time = float(time)
        self.phase = None if phase is None else Phase(phase)
        self._lengths = lengths
        self._places = self._place(arrays)

    def _is_column(self, column: Any, kind: type) -> bool:
        return (
            isinstance(column, list) and len(column) == self._count and {kind, NoneType}.issuperset(map(type, column))
        )

    def _place(self, arrays: list[Any]) -> list[list[tuple[int, int]]]:
        if arrays and len(arrays) != self._count:
            raise ProtocolError(f"the arrays of {len(arrays)} messages in a batch of {self._count}")
        at = 8 + sum(self._sizes)
        places: list[list[tuple[int, int]]] = []
        for sizes in arrays:
            if not isinstance(sizes, list) or any(type(size) is not int or size < 0 for size in sizes):
                raise ProtocolError(f"arrays of {sizes!r} bytes")
            places.append([])
            for size in sizes:
                at += -at % ALIGNMENT
                places[-1].append((at, at + size))
                at += size
        if at != len(self._payload):
            raise ProtocolError(f"a batch of {len(self._payload)} bytes whose parts make {at}")
        return places

    @property
    def kind(self) -> Kind:
        """
        How its messages take part in a conversation.
        """
        return _KINDS[self.flags & _KIND]

    @property
    def wants_feedback(self) -> bool:
        """
        Whether the sender waits for feedback on them.
        """
        return bool(self.flags & _WANTS_FEEDBACK)

    def bodies(self) -> list[Any] | None:
        """
        Return the decoded bodies; None if one of them cannot be decoded, so that each is to be asked for (`body`).
        """
        if self._bodies is None:
            self._bodies = self._decode()
        return None if self._corrupt else self._bodies

    def body(self, index: int, message: str) -> Any:
        """
        Return the decoded body at ``index``; ``message`` is named in the error.

        Raises:
            CorruptBody: that body cannot be decoded. The others of the batch can.
            MissingExtra: it holds arrays and NumPy is not installed.
        """
        if self._bodies is None:
            self._bodies = self._decode()
        body = self._bodies[index]
        if isinstance(body, _Corrupt):
            if isinstance(body.error, MissingExtra):
                raise body.error
            raise CorruptBody(message, str(body.error))
        return body

    def take(self, start: int, stop: int) -> list[Buffer]:
        """
        Return the payload of a batch of the messages ``start`` up to ``stop``, without looking into their bodies.
        """
        part = slice(start, stop)
        metas = None if self.metas is None else [None if m is None else msgpack.packb(m) for m in self.metas[part]]
        return assemble(
            (self.type, self.time, self.phase, self.flags),
            None if self.roots is None else self.roots[part],
            None if self.parents is None else self.parents[part],
            metas,
            self._apart(start, stop),
            [[end - begin for begin, end in places] for places in self._places[part]],
            [self._payload[begin:end] for places in self._places[part] for begin, end in places],
        )

    @property
    def aligned(self) -> bool:
        """
        Whether it holds arrays, so that its frame must begin a packet.
        """
        return any(self._places)

    def _decode(self) -> list[Any]:
        start = 8 + self._sizes[0]
        block = self._payload[start : start + self._sizes[1]]
        segments = [self._payload[begin:end] for places in self._places for begin, end in places]
        try:
            bodies = unpack_block(block, segments)
            if len(bodies) == self._count:
                return bodies
        except ValueError:
            pass
        self._corrupt = True
        return [self._decode_one(body, index) for index, body in enumerate(self._apart(0, self._count))]

    def _decode_one(self, body: memoryview, index: int) -> Any:
        try:
            return unpack_body(body, self._own(index))
        except ValueError as exc:
            return _Corrupt(exc)

    def _apart(self, start: int, stop: int) -> list[memoryview]:
        if not self._bounds:
            at = 8 + self._sizes[0] + len(_array_head(self._count))
            self._bounds = [*accumulate(struct.unpack(f"<{self._count}I", self._lengths), initial=at)]
        return [self._payload[begin:end] for begin, end in pairwise(self._bounds[start : stop + 1])]

    def _own(self, index: int) -> list[memoryview]:
        return [self._payload[start:end] for start, end in self._places[index]] if self._places else []


class _Corrupt:
    __slots__ = ("error",)

    def __init__(self, error: ValueError) -> None:
        self.error = error
