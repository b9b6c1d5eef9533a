"""Entries of a log as they travel: what is appended, what is published, and what is read.

An entry is one frame of `swergio.codec.frames`: a batch (``DELIVER``) or a mark (``MARK``), with fewer fields than the
hub's, as the log is known by its key. Published, 32 bytes stand before it, written by the script: place, size, time
in milliseconds, and whether the payload was left out, to be fetched. (32, so that arrays, which are aligned within the
frame, stay aligned.) In the log, an entry whose payload is large holds the head of its frame alone, and the whole frame
is at a key of its own: see ``scripts/prelude.lua``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from swergio.codec.batch import MESSAGE_COST
from swergio.codec.frames import MAX_HEADER, MAX_NUMBER, Buffer, Frame, Op, encode, fields, parse, unpack
from swergio.errors import ProtocolError

INLINE: Final = 128 * 1024
"""Larger payloads are not published but fetched: what waits for a subscriber counts for its output buffer."""

TEXT_OR_NONE: Final = (str, type(None))

_PREFIX: Final = struct.Struct(">QQQQ")
_FRAME: Final = struct.Struct("<BBHI")
_DELIVER: Final = int(Op.DELIVER)
_SHAPES: Final = frozenset((str, int, int, int, int, str, to) for to in TEXT_OR_NONE)


class Entry(NamedTuple):
    """
    One entry of a log.

    Attributes:
        place: Where it begins; ``end`` is where the next one does.
        time: When it was appended, in milliseconds.
        frame: Itself; None if it must be fetched.
        head: The beginning of the frame, if that is all that came.
    """

    place: int
    end: int
    time: int
    frame: memoryview | None
    head: memoryview | None = None


class Delivery(NamedTuple):
    """
    The header of a batch; see `swergio.transport.Inbound`. Its messages come ``after`` that number of the sender.
    """

    sender: str
    channel: int
    after: int
    first: int
    messages: int
    room: str
    to: str | None


class Mark(NamedTuple):
    """
    Where a source goes on, in a log that may have lost what came before; ``origin`` is the log that had it.
    """

    sender: str
    channel: int
    number: int
    origin: str


def batch(header: Sequence[Any], payload: Sequence[Buffer], *, aligned: bool = False) -> list[Buffer]:
    """
    Return the frame of a batch; ``header`` holds the fields of `Delivery`.
    """
    return encode(Op.DELIVER, *header, payload=payload, aligned=aligned)


def mark(sender: str, channel: int, number: int, origin: str) -> list[Buffer]:
    """
    Return the frame of a mark.
    """
    return encode(Op.MARK, sender, channel, number, origin)


def cost(count: int, payload: Sequence[Buffer]) -> int:
    """
    Return what a batch counts for in a log.
    """
    return sum(map(len, payload)) + MESSAGE_COST * count


def published(data: bytes) -> Entry:
    """
    Read what was published.

    Raises:
        ProtocolError: It is nothing of ours.
    """
    if len(data) < _PREFIX.size:
        raise ProtocolError(f"{len(data)} bytes where an entry belongs")
    place, size, time, header_only = _PREFIX.unpack_from(data)
    frame = memoryview(data)[_PREFIX.size :]
    return Entry(place, place + size, time, None, frame) if header_only else Entry(place, place + size, time, frame)


def stored(item: Any) -> Entry:
    """
    Read an entry of the stream.

    Raises:
        ProtocolError: It is nothing of ours.
    """
    try:
        id_, (about, frame) = item
        place, _, time = id_.partition(b"-")
        start, size = int(place), int(about.partition(b" ")[0])
        if is_head(frame):
            return Entry(start, start + size, int(time), None, memoryview(frame))
        return Entry(start, start + size, int(time), memoryview(frame))
    except (TypeError, ValueError, AttributeError) as exc:
        raise ProtocolError("an entry of a log that is none") from exc


def is_head(frame: Buffer) -> bool:
    """
    Whether this is only the head of a frame, whose payload is at a key of its own.
    """
    if len(frame) < _FRAME.size:
        return False
    _, pad, header_size, size = _FRAME.unpack_from(frame)
    return bool(size) and len(frame) == _FRAME.size + int(header_size) + int(pad)


def opened(frame: memoryview) -> tuple[Delivery | Mark, memoryview]:
    """
    Return what an entry says, and its payload.

    Raises:
        ProtocolError: It is nothing of ours.
    """
    if len(frame) > _FRAME.size and frame[0] == _DELIVER:
        # The common case by itself: in 3 µs, where the way below, which also finds words for what is wrong, takes 5.
        _, pad, header_size, size = _FRAME.unpack_from(frame)
        begins = _FRAME.size + header_size + pad
        if begins + size == len(frame) and header_size <= MAX_HEADER:
            said = unpack(frame[_FRAME.size : _FRAME.size + header_size], list)
            if tuple(map(type, said)) in _SHAPES and min(said[1:5]) >= 0 and max(said[1:5]) <= MAX_NUMBER:
                return Delivery(*said), frame[begins:]
    for parsed in parse(frame):
        if parsed.op == Op.DELIVER:
            return Delivery(*fields(parsed, str, int, int, int, int, str, TEXT_OR_NONE)), parsed.payload
        return _mark(parsed), parsed.payload
    raise ProtocolError("an empty entry")


def heading(head: Buffer) -> Delivery:
    """
    Return the header of a batch from the beginning of its frame.

    Raises:
        ProtocolError: It is nothing of ours.
    """
    size = int.from_bytes(head[2:4], "little")
    fixed = len(head) >= _FRAME.size + size
    packed = memoryview(head)[_FRAME.size : _FRAME.size + size]
    frame = Frame(Op.DELIVER, unpack(packed, list) if fixed else [], memoryview(b""))
    return Delivery(*fields(frame, str, int, int, int, int, str, TEXT_OR_NONE))


def _mark(frame: Frame) -> Mark:
    if frame.op != Op.MARK:
        raise ProtocolError(f"op {frame.op} in a log")
    return Mark(*fields(frame, str, int, int, str))
