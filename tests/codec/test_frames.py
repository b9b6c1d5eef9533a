"""
Frames and packets: what is encoded is parsed, and nothing else is.
"""

from __future__ import annotations

import random
import struct
import tracemalloc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swergio.codec.frames import ALIGNMENT, MAX_HEADER, MAX_NUMBER, Op, check, encode, fields, join, parse, rows, unpack
from swergio.errors import ProtocolError
from tests.codec.mutations import damaged_bytes

numbers = st.integers(0, 2**63) | st.floats(allow_nan=False)
values = st.none() | st.booleans() | numbers | st.text(max_size=20) | st.binary(max_size=20)
headers = st.lists(values, max_size=10)
payloads = st.lists(st.binary(max_size=200), max_size=3)
PREFIX = struct.Struct("<BBHI")


def raw(op: int, header: bytes, payload: bytes = b"", pad: int = 0, claim: int | None = None) -> bytes:
    size = len(payload) if claim is None else claim
    return PREFIX.pack(op, pad, len(header), size) + header + bytes(pad) + payload


@given(st.lists(st.tuples(st.sampled_from(Op), headers, payloads), max_size=6))
def test_frames_come_back_as_they_were(frames: list[tuple[Op, list[Any], list[bytes]]]) -> None:
    packet = b"".join(join(encode(op, *header, payload=payload)) for op, header, payload in frames)
    parsed = list(parse(packet))

    assert [(frame.op, frame.header, bytes(frame.payload)) for frame in parsed] == [
        (op, header, b"".join(payload)) for op, header, payload in frames
    ]


@given(headers, st.binary(min_size=1, max_size=300))
def test_arrays_begin_at_multiples_of_the_alignment(header: list[Any], payload: bytes) -> None:
    packet = join(encode(Op.PUBLISH, *header, payload=[payload], aligned=True))
    (frame,) = parse(packet)

    assert frame.header == header
    assert bytes(frame.payload) == payload
    assert (len(packet) - len(payload)) % ALIGNMENT == 0


def test_payloads_are_views_of_the_packet_and_not_copies() -> None:
    packet = join(encode(Op.PUBLISH, 1, payload=[b"x" * 1000]))
    (frame,) = parse(packet)
    assert frame.payload.obj is packet


@given(st.lists(st.tuples(st.sampled_from(Op), headers, payloads), max_size=6), st.data())
def test_a_packet_may_be_cut_into_parts_anywhere(
    frames: list[tuple[Op, list[Any], list[bytes]]], data: st.DataObject
) -> None:
    packet = b"".join(join(encode(op, *header, payload=payload)) for op, header, payload in frames)
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(packet)), max_size=5))), len(packet)]
    parts: list[bytes | memoryview] = [packet[start:end] for start, end in pairwise(cuts)]
    before = list(parts)

    assert [(frame.op, frame.header, bytes(frame.payload)) for frame in parse(parts)] == [
        (op, header, b"".join(payload)) for op, header, payload in frames
    ]
    assert parts == before


def test_a_payload_that_begins_a_part_is_a_view_of_it() -> None:
    head, payload = map(bytes, encode(Op.DELIVER, 1, payload=[b"x" * 1000]))
    more = join(encode(Op.BEAT))
    packets: list[list[bytes | memoryview]] = [[head, payload], [head, payload + more], [more + head, payload, more]]
    for parts in packets:
        (frame,) = [frame for frame in parse(parts) if frame.op == Op.DELIVER]
        assert any(frame.payload.obj is part for part in parts)


@pytest.mark.parametrize(
    "parts", [[b"\x08"], [b"\x08\0", b"\0"], [raw(8, b"\x90", b"x", claim=9)[:9], b"x"], [b"", b"\x08"]]
)
def test_parts_that_are_no_whole_packet_are_refused(parts: list[bytes | memoryview]) -> None:
    with pytest.raises(ProtocolError):
        list(parse(parts))


# -- malformed --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"\x01", id="less than a prefix"),
        pytest.param(raw(1, b"\x90")[:-1], id="half a header"),
        pytest.param(raw(1, b"\x90", b"xy")[:-1], id="half a payload"),
        pytest.param(raw(1, b"\x90") + b"\x00", id="a rest"),
        pytest.param(raw(1, b""), id="no header"),
        pytest.param(raw(1, b"\x80"), id="a map for a header"),
        pytest.param(raw(1, b"\x90\x90"), id="two headers"),
        pytest.param(raw(1, b"\x91\xc1"), id="a byte that msgpack does not have"),
        pytest.param(raw(1, b"\x91\xa1\xff"), id="text that is not UTF-8"),
        pytest.param(raw(1, b"\x91\xd4\x01\x00"), id="an extension"),
        pytest.param(raw(1, b"\x91\xd6\xff\x00\x00\x00\x00"), id="a timestamp"),
        pytest.param(raw(1, b"\x91\x81\x90\x00"), id="a map with a list for a key"),
        pytest.param(raw(1, b"\x91" * 2000 + b"\x90"), id="too deep"),
        pytest.param(raw(1, b"\x91\xda\x10\x01" + b"x" * 4097), id="text above what a header may hold"),
        pytest.param(raw(1, b"\xdc\x04\x01" + b"\xc0" * 1025), id="too many fields"),
        pytest.param(raw(1, b"\x91\xc5\x40\x00" + b"x" * MAX_HEADER), id="a header that is too large"),
        pytest.param(raw(1, b"\x90", pad=255)[:-1], id="a pad that is cut short"),
    ],
)
def test_what_is_no_frame_is_a_protocol_error(packet: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(parse(packet))


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(raw(3, b"\x90", claim=2**32 - 1), id="payload"),
        pytest.param(raw(3, b"\x91\xdb\xff\xff\xff\xff"), id="text"),
        pytest.param(raw(3, b"\x91\xc6\xff\xff\xff\xff"), id="bytes"),
        pytest.param(raw(3, b"\xdd\xff\xff\xff\xff"), id="array"),
        pytest.param(raw(3, b"\x91\xdf\xff\xff\xff\xff"), id="map"),
        pytest.param(raw(3, b"\x91\xc9\xff\xff\xff\xff\x01"), id="extension"),
    ],
)
def test_a_claim_of_gigabytes_costs_nothing(packet: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            list(parse(packet))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1024 * 1024


def test_frames_before_a_malformed_one_are_whole() -> None:
    frames = parse(join(encode(Op.BEAT)) + b"\x01")
    assert next(frames).op == Op.BEAT
    with pytest.raises(ProtocolError):
        next(frames)


def test_twenty_thousand_damaged_packets_parse_or_are_protocol_errors() -> None:
    chance = random.Random(20261123)
    header = (3, "room", None, b"secret", True, [1, "x"])
    packet = b"".join(join(encode(op, *header, payload=[b"payload"])) for op in (Op.HELLO, Op.ASK))
    refused = 0
    for _ in range(20_000):
        try:
            for frame in parse(damaged_bytes(packet, chance)):
                assert isinstance(frame.header, list)
        except ProtocolError:
            refused += 1
    assert 10_000 < refused < 20_000


# -- fields -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        [], [1], ["x", 1], [1, None], [1, b"x"],
        [True, "x"], [1.0, "x"], [None, "x"], [-1, "x"], [MAX_NUMBER + 1, "x"],
    ],
)  # fmt: skip
def test_fields_of_another_number_type_or_size_are_refused(header: list[Any]) -> None:
    (frame,) = parse(join(encode(Op.CONSUMED, *header)))
    with pytest.raises(ProtocolError, match="op 4"):
        fields(frame, int, str)


@pytest.mark.parametrize("value", ["x", None])
def test_a_field_may_have_one_of_several_types(value: str | None) -> None:
    assert check([MAX_NUMBER, value], (int, (str, type(None))), "row") == [MAX_NUMBER, value]


@pytest.mark.parametrize("value", [None, 5, "x", {}, [1], [[]], [["x"]], [[1], None]])
def test_rows_of_another_shape_are_refused(value: Any) -> None:
    with pytest.raises(ProtocolError):
        rows(value, "rows", int)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x01\x02", b"\xdb\xff\xff\xff\xff", b"\xd4\x01\x00", b"\x81\x01\x02"])
def test_what_msgpack_cannot_read_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpack(data)


def test_one_value_of_the_type_that_was_asked_for_is_read() -> None:
    assert unpack(b"\x93\x01\x02\x03", list) == [1, 2, 3]
    assert unpack(b"\xc2") is False
    with pytest.raises(ProtocolError, match="int where a list"):
        unpack(b"\x01", list)
