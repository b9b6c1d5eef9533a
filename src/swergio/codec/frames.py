"""Frames and packets of the hub protocol.

A *packet* is what a link carries in one piece: one or more frames, one after another. A *frame* is::

    u8 op | u8 pad | u16 header size | u32 payload size | header | pad zero bytes | payload       (little-endian)

The header is one msgpack array, small and parsed by the hub; the payload is opaque to it. A frame whose payload
holds arrays is the first of its packet and padded so that the payload begins at a multiple of 64 bytes.

One struct and one small ``unpackb`` per frame cost 0.3 µs together; a frame carries up to 512 messages.

``docs/wire.md`` is the protocol in full. What leaves room to grow within a version: fields that come after those that
are known are passed over, in headers and in the records of payloads, and so are frames of an unknown op from 128 on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import msgpack

from swergio.errors import ProtocolError

VERSION = 1
ALIGNMENT = 64
MAX_HEADER = 16 * 1024
MAX_NUMBER = 2**53 - 1  # of numbers and offsets: every language has it, and a sum of a few still fits into msgpack

Buffer: TypeAlias = bytes | bytearray | memoryview
Packet: TypeAlias = bytes | memoryview | list[bytes | memoryview]
"""A packet as a link has it: in one piece, or in the parts that its wire carried, cut anywhere."""


class Op(IntEnum):
    """
    What a frame is. The comment gives its header; ``docs/wire.md`` explains the conversation.
    """

    # component -> hub
    HELLO = 1  # version, name, instance, secret, unique, epoch, features; payload: channels, rooms, lanes, watched
    OPEN = 2  # channel, room, to, lane
    PUBLISH = 3  # channel, first, count, flags, room; payload: a batch
    CONSUMED = 4  # log, offset; payload: further logs, and their offsets
    ASK = 5  # question, verb, arguments
    WITHDRAW = 6  # channel, number
    WILL = 7  # channel, number, room, to; payload: a batch of one, empty to take the will back
    SHARE = 10  # secret, wanted
    PUBLISH_LENT = 11  # as PUBLISH; payload: where the batch lies in memory that both see
    # both ways
    BEAT = 8
    BYE = 9
    # hub -> component
    WELCOME = 16  # version, epoch, window, max packet, patience, features; payload: channels, lanes, rooms
    REFUSE = 17  # code, reason
    DELIVER = 18  # log, offset, count, sender, channel, after, first, room, to, attempt; payload: a batch
    COVER = 19  # log, offset; payload: positions of what was skipped, if anything was
    MARK = 20  # log, offset, sender, channel, number, epoch
    ACKNOWLEDGE = 21  # channel, number; payload: further channels, and their numbers
    STALL = 22  # channel, member
    UNDELIVERED = 23  # channel, first, count, reason
    ANSWER = 24  # question, error; payload: the answer
    PRESENCE = 25  # room, instance, joined, mode, group
    LOST = 26  # log; payload: positions of what none of a group was given, up to the number and from the start
    ARENA = 27  # arena, descriptor, size, own; a descriptor of nil: it is gone
    DELIVER_LENT = 28  # as DELIVER; payload: where the batch lies
    RETURN = 29  # arena; payload: u32 for each batch that nobody refers to any more, its first block


OPTIONAL = 0x80  # an op with this bit may be passed over by those who do not know it


class Frame(NamedTuple):
    """
    A parsed frame; ``payload`` is a view of the packet.
    """

    op: int
    header: list[Any]
    payload: memoryview


_PREFIX = struct.Struct("<BBHI")


def encode(op: Op, *header: Any, payload: Sequence[Buffer] = (), aligned: bool = False) -> list[Buffer]:
    """
    Return the buffers of one frame.

    Args:
        op: What it is.
        header: Its fields.
        payload: Buffers that make up its payload; not copied.
        aligned: The payload holds arrays, so the frame must begin its packet.
    """
    packed = msgpack.packb(header)
    pad = -(_PREFIX.size + len(packed)) % ALIGNMENT if aligned else 0
    size = sum(map(len, payload))
    head = _PREFIX.pack(op, pad, len(packed), size) + packed + bytes(pad)
    return [head, *payload] if payload else [head]


def parse(packet: Packet) -> Iterator[Frame]:
    """
    Yield the frames of a packet.

    A payload that begins where a part does is a view of that part; only one that is cut itself is joined.

    Raises:
        ProtocolError: the packet is not made of whole, well-formed frames. Frames before the bad one were yielded.
    """
    rest: list[bytes | memoryview] = packet[::-1] if isinstance(packet, list) else [packet]  # the last one is next
    view, at = memoryview(b""), 0
    while True:
        if at == len(view):
            if not rest:
                return
            view, at = memoryview(rest.pop()), 0
            continue
        end = len(view)
        if end - at < _PREFIX.size:
            view, at = _joined(view[at:], rest, f"{end - at} bytes left over after the last frame"), 0
            continue
        op, pad, header_size, size = _PREFIX.unpack_from(view, at)
        if header_size > MAX_HEADER:
            raise ProtocolError(f"a header of {header_size} bytes, above {MAX_HEADER}")
        header_at = at + _PREFIX.size
        payload_at = header_at + header_size + pad
        if payload_at + size <= end:
            at = payload_at + size
            yield Frame(op, _unpack_header(view[header_at : header_at + header_size]), view[payload_at:at])
        elif payload_at == end and rest and len(rest[-1]) >= size:
            header = _unpack_header(view[header_at : header_at + header_size])
            view, at = memoryview(rest.pop()), size
            yield Frame(op, header, view[:size])
        else:
            more = payload_at + size - end
            view, at = _joined(view[at:], rest, f"a frame that claims {size} bytes, {more} more than came"), 0


def _joined(begun: memoryview, rest: list[bytes | memoryview], problem: str) -> memoryview:
    """
    Return what is left of a packet in one piece, for a frame that is cut; ``problem`` is what it means if that is all.
    """
    if not rest:
        raise ProtocolError(problem)
    whole = memoryview(b"".join((begun, *reversed(rest))))
    rest.clear()
    return whole


def _unpack_header(data: memoryview) -> list[Any]:
    header: list[Any] = unpack(data, list, max_array_len=1024, max_map_len=64, max_str_len=4096, max_bin_len=256)
    return header


def unpack(data: Buffer, expected: type[Any] = object, **limits: int) -> Any:
    """
    Return the one msgpack object in ``data``, which must be of the type ``expected`` if one is given.

    Raises:
        ProtocolError: whatever is wrong with the bytes; msgpack lets TypeError and OverflowError escape too.
    """
    try:
        value = msgpack.unpackb(data, max_ext_len=0, **limits)
    except Exception as exc:
        raise ProtocolError(f"not valid msgpack ({type(exc).__name__}: {exc})") from exc
    if expected is not object and type(value) is not expected:
        raise ProtocolError(f"a {type(value).__name__} where a {expected.__name__} belongs")
    return value


class _Shape:
    """
    The types that a header may have, prepared so that checking one costs a tuple and a look-up (0.5 µs, not 2.5).
    """

    __slots__ = ("allowed", "integers")

    def __init__(self, types: tuple[Any, ...]) -> None:
        choices = [kind if type(kind) is tuple else (kind,) for kind in types]
        self.allowed = frozenset(product(*choices))
        self.integers = [place for place, kind in enumerate(types) if kind is int]


_shapes: dict[tuple[Any, ...], _Shape] = {}


def fields(frame: Frame, *types: Any) -> list[Any]:
    """
    Return the header of a frame after checking the number and types of its fields, without any further ones.

    Raises:
        ProtocolError: something else came.
    """
    header = frame.header
    shape = _shapes.get(types)
    if shape is None or tuple(map(type, header)) not in shape.allowed:
        return check(header, types, frame.op)
    for place in shape.integers:
        if not 0 <= header[place] <= MAX_NUMBER:
            return check(header, types, frame.op)
    return header


def encode_pairs(op: Op, keys: Sequence[int], numbers: Sequence[int]) -> list[Buffer]:
    """
    Return a frame that says a number for each key, of which there must be one.

    A frame for each would cost both ends several µs, and among many rooms nearly each message has its own.
    """
    if len(keys) == 1:
        return encode(op, keys[0], numbers[0])
    return encode(op, keys[0], numbers[0], payload=(msgpack.packb((keys[1:], numbers[1:])),))


def pairs(frame: Frame) -> Iterable[tuple[int, int]]:
    """
    Return the keys and numbers of a frame of `encode_pairs`.

    Raises:
        ProtocolError: something else came.
    """
    key, number = fields(frame, int, int)
    if not frame.payload:
        return ((key, number),)
    columns = unpack(frame.payload, list)
    if len(columns) < 2 or not all(map(_are_numbers, columns[:2])) or len(columns[0]) != len(columns[1]):
        raise ProtocolError(f"op {frame.op} with a payload that is no two lists of as many numbers")
    return zip((key, *columns[0]), (number, *columns[1]), strict=True)


def _are_numbers(values: Any) -> bool:
    if type(values) is not list or not {int}.issuperset(map(type, values)):
        return False
    return not values or (min(values) >= 0 and max(values) <= MAX_NUMBER)


def check(values: list[Any], types: tuple[Any, ...], what: object) -> list[Any]:
    """
    Return ``values`` after checking their types; ``what`` (an op, if it is a number) is named in the error.

    ``types`` are types or tuples of types; booleans do not pass for integers, which must lie in 0 to `MAX_NUMBER`.
    Values behind those that ``types`` are for came with a later release, and are left out.

    Raises:
        ProtocolError: they are something else.
    """
    shape = _shapes.get(types)
    if shape is None:
        shape = _shapes[types] = _Shape(types)
    del values[len(types) :]
    if tuple(map(type, values)) not in shape.allowed:
        raise ProtocolError(f"{_said(what)} with fields {[type(value).__name__ for value in values]}")
    for place in shape.integers:
        if not 0 <= values[place] <= MAX_NUMBER:
            raise ProtocolError(f"{_said(what)}, field {place}: {values[place]}")
    return values


def rows(value: Any, what: str, *types: Any) -> list[list[Any]]:
    """
    Return ``value`` after checking that it is a list of lists with fields of these ``types``.

    Raises:
        ProtocolError: it is not.
    """
    if type(value) is not list or any(type(row) is not list for row in value):
        raise ProtocolError(f"{what} that are no list of lists")
    return [check(row, types, what) for row in value]


def _said(what: object) -> str:
    return f"op {what}" if isinstance(what, int) else str(what)


def join(buffers: Iterable[Buffer]) -> bytes:
    """
    Return the buffers as one packet.
    """
    return b"".join(buffers)
