"""
Batches: what was put together comes apart as it was; one that is damaged says so, or loses single bodies.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swergio.codec import arrays, pack
from swergio.codec.batch import MAX_MESSAGES, Batch, OpenBatch, assemble, encode_one, flags_of, pack_meta
from swergio.codec.frames import ALIGNMENT, Buffer, join
from swergio.errors import CorruptBody, MissingExtra, ProtocolError
from swergio.messages import Kind, Phase
from tests.codec.mutations import damaged_bytes

links = st.one_of(st.none(), st.text(max_size=10))
metas = st.one_of(st.none(), st.dictionaries(st.text(max_size=5), st.integers(-5, 5), max_size=3))
bodies = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**64 - 1),
    st.text(max_size=30),
    st.binary(max_size=300),
    st.lists(st.integers(0, 9), max_size=5),
    st.integers(0, 200).map(lambda size: {"size": size, "array": np.arange(size, dtype=np.int16)}),
)
messages = st.lists(st.tuples(bodies, links, links, metas), min_size=1, max_size=20)


def batch_of(messages: list[tuple[Any, Any, Any, Any]], **how: Any) -> tuple[OpenBatch, bytes]:
    batch = OpenBatch((), how.get("type", "DATA/TEXT"), how.get("phase"), how.get("flags", 0), 1.5)
    for data, root, parent, meta in messages:
        body, segments = pack(data)
        if segments:
            batch.attach(segments)
        if (root, parent, meta) != (None, None, None):
            batch.link(root, parent, None if meta is None else pack_meta(meta))
        batch.bodies.append(body)
    return batch, join(batch.encode())


def plain(*data: Any) -> bytes:
    return batch_of([(item, None, None, None) for item in data])[1]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and "array" in one:
        return bool(np.array_equal(one["array"], other["array"])) and one["size"] == other["size"]
    return bool(one == other)


@given(messages, st.sampled_from([None, *Phase]), st.sampled_from(Kind), st.booleans())
def test_a_batch_comes_apart_as_it_was_put_together(
    sent: list[tuple[Any, Any, Any, Any]], phase: Phase | None, kind: Kind, wants_feedback: bool
) -> None:
    _, payload = batch_of(sent, phase=phase, flags=flags_of(kind, wants_feedback), type="X")
    batch = Batch(memoryview(payload), len(sent))

    assert (batch.type, batch.time, batch.phase) == ("X", 1.5, phase)
    assert (batch.kind, batch.wants_feedback) == (kind, wants_feedback)
    for index, (data, root, parent, meta) in enumerate(sent):
        assert same(data, batch.body(index, ""))
        assert (batch.roots[index] if batch.roots else None) == root
        assert (batch.parents[index] if batch.parents else None) == parent
        assert (batch.metas[index] if batch.metas else None) == meta


@given(messages, st.data())
def test_a_part_of_a_batch_is_a_batch(sent: list[tuple[Any, Any, Any, Any]], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(sent) - 1))
    stop = data.draw(st.integers(start + 1, len(sent)))
    _, payload = batch_of(sent, phase=Phase.TRAIN, flags=flags_of(Kind.REQUEST), type="X")
    part = Batch(memoryview(join(Batch(memoryview(payload), len(sent)).take(start, stop))), stop - start)

    assert (part.type, part.time, part.phase, part.kind) == ("X", 1.5, Phase.TRAIN, Kind.REQUEST)
    assert part.aligned == any(isinstance(data, dict) for data, *_ in sent[start:stop])
    for index, (data_, root, parent, meta) in enumerate(sent[start:stop]):
        assert same(data_, part.body(index, ""))
        assert (part.roots[index] if part.roots else None) == root
        assert (part.parents[index] if part.parents else None) == parent
        assert (part.metas[index] if part.metas else None) == meta


@pytest.mark.parametrize("count", [1, 15, 16, MAX_MESSAGES])
def test_a_batch_of_any_size_comes_apart(count: int) -> None:
    batch = Batch(memoryview(plain(*range(count))), count)
    assert [batch.body(index, "") for index in range(count)] == list(range(count))


def test_arrays_are_aligned_and_not_copied() -> None:
    sent = [{"size": size, "array": np.arange(size, dtype=np.int16)} for size in (3, 0, 100)]
    payload = plain(*sent)
    batch = Batch(memoryview(payload), 3)
    start = np.frombuffer(payload, np.uint8).ctypes.data
    for index in (0, 2):
        array = batch.body(index, "")["array"]
        assert (array.ctypes.data - start) % ALIGNMENT == 0
        assert 0 < array.ctypes.data - start < len(payload)


# -- damaged ----------------------------------------------------------------------------------------------------------


def with_bodies(*raw: bytes | tuple[bytes, Sequence[Buffer]]) -> Batch:
    batch = OpenBatch((), "X", None, 0, 1.5)
    for one in raw:
        body, segments = (one, ()) if isinstance(one, bytes) else one
        if segments:
            batch.attach(segments)
        batch.bodies.append(body)
    return Batch(memoryview(join(batch.encode())), len(raw))


def outcome(batch: Batch, index: int) -> Any:
    try:
        return batch.body(index, f"message {index}")
    except CorruptBody as exc:
        return "corrupt" if exc.message == f"message {index}" else exc


def test_a_corrupt_body_costs_no_other() -> None:
    batch = with_bodies(b"\x01", b"\xc1", b"\xa2hi", b"\x01\x02", b"\x05")
    assert [outcome(batch, index) for index in range(5)] == [1, "corrupt", "hi", "corrupt", 5]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_corrupt_body_costs_no_array_of_another(place: int) -> None:
    raw: list[Any] = [pack(np.full(3, number, np.int32)) for number in range(2)]
    raw.insert(place, b"\xc1")
    batch = with_bodies(*raw)

    good = [outcome(batch, index) for index in range(3) if index != place]
    assert [array.tolist() for array in good] == [[0, 0, 0], [1, 1, 1]]
    assert outcome(batch, place) == "corrupt"


def test_an_array_that_cannot_be_read_costs_no_array_of_another() -> None:
    raw = [pack(np.full(3, number, np.int32)) for number in range(3)]
    raw[1] = (raw[1][0].replace(b"int32", b"int99"), raw[1][1])
    batch = with_bodies(*raw)

    assert outcome(batch, 1) == "corrupt"
    assert [outcome(batch, index).tolist() for index in (0, 2)] == [[0, 0, 0], [2, 2, 2]]


def test_without_numpy_only_the_bodies_with_arrays_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> Any:
        raise MissingExtra("arrays need NumPy")

    batch = Batch(memoryview(plain("text", np.zeros(2), 5)), 3)
    monkeypatch.setattr(arrays, "decode", missing)
    assert batch.body(0, "") == "text"
    assert batch.body(2, "") == 5
    with pytest.raises(MissingExtra):
        batch.body(1, "")


GOOD = ["X", 1.5, None, 0, None, None, None, struct.pack("<2I", 1, 1), []]


WRONG: dict[int, tuple[Any, ...]] = {
    0: (None, 1, b"X"),
    1: (None, True, "now"),
    2: (0, 3, "TRAIN", []),
    3: (6, 7, None, True, 0.0, -1),
    4: (["x"], ["x", "y", "z"], [1, 2], "xy", {}, [[], []]),
    5: (["x"], [1, 2], b"xy"),
    6: (["x", "y"], [{}], [{}, 1], {}),
    7: (None, b"", b"x" * 7, [1, 1]),
    8: (None, [[], [-1]], [[1]], [[], "x"], [[2**40], []], [[True], []], [1, 2]),
}


def of_columns(columns: Any, block: bytes = b"\x92\x01\x02", rest: bytes = b"") -> bytes:
    packed: bytes = msgpack.packb(columns)
    return struct.pack("<II", len(packed), len(block)) + packed + block + rest


def replaced(place: int, value: Any) -> list[Any]:
    return [*GOOD[:place], value, *GOOD[place + 1 :]]


def test_the_batch_that_the_next_test_damages_is_good() -> None:
    batch = Batch(memoryview(of_columns(GOOD)), 2)
    assert [batch.body(0, ""), batch.body(1, "")] == [1, 2]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(7), id="less than its sizes"),
        pytest.param(struct.pack("<II", 2**32 - 1, 2**32 - 1) + b"x" * 100, id="gigabytes"),
        pytest.param(of_columns(GOOD) + b"\x00", id="a rest"),
        pytest.param(of_columns(GOOD)[:-1], id="cut short"),
        pytest.param(of_columns(GOOD[:-1]), id="eight columns"),
        pytest.param(of_columns({}), id="a map"),
        *(
            pytest.param(of_columns(replaced(place, value)), id=f"column {place}: {value!r}")
            for place, values in WRONG.items()
            for value in values
        ),
    ],
)
def test_a_malformed_batch_is_a_protocol_error(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        Batch(memoryview(payload), 2)


def test_a_batch_of_another_count_is_a_protocol_error() -> None:
    for count in (0, 1, 3, 2**40):
        with pytest.raises(ProtocolError):
            Batch(memoryview(plain(1, 2)), count)


def test_twenty_thousand_damaged_batches_are_refused_or_read() -> None:
    chance = random.Random(20261123)
    sent = [({"n": number, "x": np.arange(number)}, "root", None, {"k": number}) for number in range(3)]
    _, payload = batch_of(sent, phase=Phase.TRAIN)
    seen = {"refused": 0, "corrupt": 0, "read": 0}
    for _ in range(20_000):
        try:
            batch = Batch(memoryview(damaged_bytes(payload, chance)), 3)
        except ProtocolError:
            seen["refused"] += 1
            continue
        for index in range(3):
            seen["corrupt" if outcome(batch, index) == "corrupt" else "read"] += 1
    assert min(seen.values()) > 100, seen


def test_the_columns_of_a_later_release_are_passed_over() -> None:
    payload = encode_one("DATA/TEXT", *pack("hello"))
    size = int.from_bytes(payload[:4], "little")
    columns = msgpack.packb([*msgpack.unpackb(payload[8 : 8 + size]), "new"])
    grown = len(columns).to_bytes(4, "little") + payload[4:8] + columns + payload[8 + size :]
    batch = Batch(memoryview(grown), 1)
    assert batch.body(0, "id") == "hello"
    assert join(batch.take(0, 1)) == payload


def test_a_time_may_be_an_integer() -> None:
    batch = Batch(memoryview(join(assemble(("T", 5, None, 0), None, None, None, [b"\xc0"], (), ()))), 1)
    assert (batch.time, type(batch.time)) == (5.0, float)
