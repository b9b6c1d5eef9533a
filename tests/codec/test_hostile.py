"""
Hostile input: whatever a peer sends is decoded to what it describes, or ends in a ValueError.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from swergio.codec import pack, unpack_block, unpack_body
from swergio.codec.arrays import ARRAY, MAX_NESTING, decode
from swergio.codec.frames import Buffer


def views(segments: Any) -> list[memoryview]:
    return [memoryview(segment) for segment in segments]


def block_of(values: list[Any]) -> tuple[bytes, list[Buffer]]:
    packed = [pack(value) for value in values]
    head = b"\xdc" + len(values).to_bytes(2, "big")
    return head + b"".join(body for body, _ in packed), [raw for _, segments in packed for raw in segments]


def arrive(dtype: Any, shape: Any, segment: bytes) -> Any:
    return decode(msgpack.packb([dtype, shape]), memoryview(segment))


SAMPLE, SAMPLE_SEGMENTS = block_of(
    [
        {"text": "hello", "n": [1, -2, 2**40, None, True, 0.5], (1, 2): b"raw"},
        {"x": np.arange(6.0).reshape(2, 3), "when": dt.datetime(2026, 11, 23, tzinfo=dt.UTC)},
        [np.zeros(2, [("a", "<i4"), ("b", "<M8[s]")]), np.complex64(1j), "last"],
    ]
)


def decode_or_refuse(block: bytes, segments: list[memoryview]) -> None:
    try:
        bodies = unpack_block(block, segments)
    except ValueError:
        return
    assert isinstance(bodies, list)


@settings(deadline=None, max_examples=500)
@given(st.data())
def test_a_damaged_block_decodes_or_is_a_value_error(data: st.DataObject) -> None:
    block = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(block)))
        cut = data.draw(st.integers(0, 3))
        block[at : at + cut] = data.draw(st.binary(max_size=3))
    segments = data.draw(st.permutations(views(SAMPLE_SEGMENTS)))

    decode_or_refuse(bytes(block), segments[: data.draw(st.integers(2, 3))])


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60), st.lists(st.binary(max_size=8), max_size=2).map(views))
@example(b"\x91\x81" + b"\x91" * 1000 + b"\x00\x00", [])
def test_any_bytes_decode_or_are_a_value_error(block: bytes, segments: list[memoryview]) -> None:
    decode_or_refuse(block, segments)


HOSTILE = {
    "empty": b"",
    "truncated": b"\x92\x01",
    "left over": b"\x91\x01\x01",
    "not an array": b"\x81\x01\x02",
    "claims 4 billion items": b"\xdd\xff\xff\xff\xff",
    "claims 4 billion bytes": b"\x91\xc6\xff\xff\xff\xff",
    "reserved byte": b"\x91\xc1",
    "depth": b"\x91" * 5000 + b"\x00",
    "not UTF-8": b"\x91\xa1\xff",
    "moment after year 9999": b"\x91\xc7\x0c\xff" + bytes(4) + (2**62).to_bytes(8, "big"),
    "nanoseconds above a second": b"\x91\xc7\x0c\xff" + b"\xff" * 12,
    "timestamp of 3 bytes": b"\x91\xc7\x03\xff\0\0\0",
    "negative extension": b"\x91\xd4\xfe\x00",
    "map as a key": b"\x91\x81\x80\x01",
    "map in a key": b"\x91\x81\x91\x80\x01",
    "array without segment": b"\x91\xd4\x01\x00",
}


@pytest.mark.parametrize("block", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_blocks_are_value_errors(block: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack_block(block, [])


def test_an_array_as_a_key_is_a_value_error() -> None:
    array, (raw,) = pack(np.zeros(2))

    with pytest.raises(ValueError, match="unhashable"):
        unpack_block(b"\x91\x81" + array + b"\x01", [memoryview(raw)])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_arrays_and_segments_must_match_in_number(count: int) -> None:
    block, segments = block_of([np.zeros(2), "text", np.ones(2)])

    assert len(unpack_block(block, views(segments))) == 3
    with pytest.raises(ValueError, match=f"than the {count} that came"):
        unpack_block(block, views((segments * 2)[:count]))


def test_a_forged_array_takes_no_segment_of_others_unnoticed() -> None:
    forged = msgpack.ExtType(ARRAY, msgpack.packb(["float64", [2]]))
    block, segments = block_of([forged, np.ones(2)])

    with pytest.raises(ValueError, match="more arrays"):
        unpack_block(block, views(segments))


@pytest.mark.parametrize(
    "name",
    [
        "O", "object", "i8,(3)O", "f4,f4", "V8", "void", "<f8", "f8", "float", "int", "float128", "longdouble",
        "Float64", "", "S", "S0", "U0", "S-1", "S99999999999", "U999999999", "S\u0661", "str", "datetime64",
        "datetime64[5]", "datetime64[0s]", "datetime64[s]x", "datetime64[9999999999s]", "timedelta64[generic]",
        "int4", "float4_e2m1fn", "bfloat16 ", None, 7, True, b"float64", {},
        [], [[]], [["x"]], [["x", "float64"]], [["", "float64", []]], [[1, "float64", []]], [["x", "object", []]],
        [["x", "float64", [-1]]], [["x", "float64", [0]]], [["x", "float64", None]], [["x", "float64", [2**31]]],
        [["x", "float64", []]] * 2, [[["x"], "float64", []]],
    ],
    ids=repr,
)  # fmt: skip
def test_a_dtype_that_is_not_on_the_list_is_refused(name: Any) -> None:
    for size in (0, 8, 64):
        with pytest.raises(ValueError, match=r"."):
            arrive(name, [], bytes(size))


@pytest.mark.parametrize("shape", [[6], [2, 2**62, 2**62]], ids=str)
def test_elements_too_large_for_numpy_are_refused_before_it_adds_them_up(shape: list[int]) -> None:
    with pytest.raises(ValueError, match="an array with elements of"):
        arrive([["x", "S400000000", shape]], [0], b"")
    with pytest.raises(ValueError, match="an array with elements of"):
        arrive([[f"x{i}", "S400000000", []] for i in range(6)], [0], b"")


def test_structures_are_nested_no_deeper_than_allowed() -> None:
    name: Any = "float64"
    for _ in range(MAX_NESTING):
        name = [["x", name, []]]

    assert arrive(name, [1], bytes(8)).dtype.itemsize == 8
    with pytest.raises(ValueError, match="nested"):
        arrive([["x", name, []]], [1], bytes(8))


@pytest.mark.parametrize(
    "shape",
    [
        [-1], [2, -1], [-2, -1], [1], [3], [2, 2], [0], [2.0], ["2"], [True, 2], [[2]], [2**64 - 1], [2**63, 2**63],
        [1] * 33, "2", 2, {}, b"\2",
    ],
    ids=repr,
)  # fmt: skip
def test_a_shape_that_does_not_match_the_segment_is_refused(shape: Any) -> None:
    assert arrive("float64", [2], bytes(16)).shape == (2,)
    with pytest.raises(ValueError, match="an array"):
        arrive("float64", shape, bytes(16))


def test_a_shape_without_elements_may_not_overflow() -> None:
    assert arrive("float64", [0, 7], b"").shape == (0, 7)
    body = msgpack.packb(msgpack.ExtType(ARRAY, msgpack.packb(["float64", [0, 2**64 - 1]])))
    with pytest.raises(ValueError, match=r"."):
        unpack_body(body, [memoryview(b"")])


NAMES = st.sampled_from(["bool", "int8", "float16", "float64", "complex128", "datetime64[s]", "S4", "U2", "bfloat16"])
FIELD_SHAPES = st.lists(st.integers(0, 3), max_size=2)
DTYPES = st.recursive(
    NAMES, lambda dtypes: st.lists(st.tuples(st.text(max_size=2), dtypes, FIELD_SHAPES), max_size=3), max_leaves=4
)
JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), NAMES, st.text(max_size=4)),
    lambda parts: st.lists(parts, max_size=3),
    max_leaves=12,
)
DESCRIPTIONS = st.one_of(
    st.tuples(DTYPES, st.none() | st.lists(st.integers(-1, 6), max_size=3)), st.lists(JUNK, max_size=3)
)


@settings(deadline=None, max_examples=400)
@given(st.one_of(st.binary(max_size=40), DESCRIPTIONS.map(msgpack.packb)), st.sampled_from([b"", bytes(8), bytes(48)]))
def test_a_description_of_anything_is_an_array_or_a_value_error(payload: bytes, segment: bytes) -> None:
    body = msgpack.packb(msgpack.ExtType(ARRAY, payload))
    try:
        arrived = unpack_body(body, [memoryview(segment)])
    except ValueError:
        return
    assert isinstance(arrived, np.generic) or arrived.nbytes == len(segment)
    assert not arrived.dtype.hasobject
