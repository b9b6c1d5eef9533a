"""What the documentation of the wire shows and other languages test with is what the code reads and writes."""

from __future__ import annotations

import datetime as dt
import math
import struct
from typing import Any

import msgpack
import numpy as np
import pytest

from swergio.codec.batch import OpenBatch, flags_of, pack_meta
from swergio.codec.bodies import pack, unpack_body
from swergio.codec.frames import MAX_NUMBER, Op, encode, join, parse
from swergio.hub.arena import Reference
from swergio.messages import Kind, Phase
from swergio_transports.redis import entries
from tests.vectors import checked, described, described_batch, load, packed, packet_of, plain, unpacked

TIME = 1767225600.5

BODIES: dict[str, Any] = {
    "nil": None,
    "booleans": [True, False],
    "small integers": [0, 1, 127, -1, -32],
    "integers of one byte": [128, 255, -33, -128],
    "integers of two bytes": [256, 65535, -129, -32768],
    "integers of four bytes": [65536, 2**32 - 1, -32769, -(2**31)],
    "integers of eight bytes": [2**32, 2**53 - 1, 2**64 - 1, -(2**31) - 1, -(2**63)],
    "floats, always of eight bytes": [0.0, -0.0, 1.5, 1e300],
    "infinity": [math.inf, -math.inf],
    "text": ["", "hello", "grüße 🌞", "x" * 32],
    "bytes are not text": [b"", b"\x00\xff"],
    "a list": [1, [2, [3]]],
    "a map": {"a": 1, "b": [None]},
    "keys of several kinds": {1: "one", None: "nothing", b"k": "bytes", 1.5: "float"},
    "a moment without a fraction": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    "a moment with microseconds": dt.datetime(2026, 1, 1, 12, 30, 15, 250_000, dt.UTC),
    "a moment before 1970": dt.datetime(1969, 12, 31, 23, 59, 59, 500_000, dt.UTC),
    "an extension of an application": msgpack.ExtType(42, b"mine"),
}
ARRAYS: dict[str, Any] = {
    "float32, 2 x 3": np.arange(6, dtype=np.float32).reshape(2, 3),
    "float64, one dimension": np.array([1.5, -2.5]),
    "int64": np.array([1, -1, 2**40]),
    "uint8": np.arange(5, dtype=np.uint8),
    "bool": np.array([True, False, True]),
    "complex64": np.array([1 + 2j], np.complex64),
    "no elements": np.zeros((0, 3), np.float32),
    "no dimensions": np.array(1.5),
    "big-endian is converted": np.array([1, 2], ">i2"),
    "moments": np.array(["2026-01-01T00:00:00"], "datetime64[ms]"),
    "text of fixed length": np.array(["ab", "c"]),
    "bytes of fixed length": np.array([b"ab", b"c"]),
    "a structure": np.array([(1, (0.5, 0.25))], [("id", "<u2"), ("place", "<f4", (2,))]),
    "a scalar that is a number": np.float32(1.5),
    "a scalar that is a moment": np.datetime64("2026-01-01", "D"),
    "arrays in a map": {"x": np.zeros(1, np.uint8), "y": [np.ones(2, np.int16)]},
}


def test_bodies() -> None:
    checked("bodies", [described_body(name, value) for name, value in (BODIES | ARRAYS).items()])


def described_body(name: str, value: Any) -> dict[str, Any]:
    body, segments = pack(value)
    said = {"name": name, "body": body.hex(), "value": unpacked(body)}
    return said | ({"segments": [segment.hex() for segment in segments]} if segments else {})


@pytest.mark.parametrize("vector", load("bodies"), ids=lambda vector: vector["name"])
def test_a_body_is_read_as_what_it_was(vector: dict[str, Any]) -> None:
    body = bytes.fromhex(vector["body"])
    segments = [memoryview(bytes.fromhex(segment)) for segment in vector.get("segments", [])]
    value = (BODIES | ARRAYS)[vector["name"]]
    np.testing.assert_equal(unpack_body(body, segments), value)
    assert packed(vector["value"]) == body


# -- batches ----------------------------------------------------------------------------------------------------------


def plain_batch() -> OpenBatch:
    batch = OpenBatch((), "DATA/TEXT", None, flags_of(Kind.MESSAGE), TIME)
    batch.bodies += [pack(text)[0] for text in ("hello", "world")]
    return batch


def pass_batch() -> OpenBatch:
    batch = OpenBatch((), "DATA/FORWARD", Phase.TRAIN, flags_of(Kind.MESSAGE, wants_feedback=True), TIME)
    for number, root in enumerate([None, "site#1/0/7"]):
        body, segments = pack({"x": np.full(3, number, np.float32)})
        batch.attach(segments)
        if root:
            batch.link(root, root, pack_meta({"run": 3}))
        batch.bodies.append(body)
    return batch


def reply_batch() -> OpenBatch:
    batch = OpenBatch((), "DATA/CUSTOM", None, flags_of(Kind.REPLY), TIME)
    batch.link("ann#1/0/1", "ann#1/0/1", None)
    batch.bodies.append(pack({"answer": 42})[0])
    return batch


def long_batch() -> OpenBatch:
    batch = OpenBatch((), "DATA/CUSTOM", None, flags_of(Kind.MESSAGE), TIME)
    batch.bodies += [pack(number)[0] for number in range(17)]
    return batch


BATCHES = {
    "two texts": plain_batch(),
    "two messages of a pass, with arrays": pass_batch(),
    "a reply": reply_batch(),
    "seventeen messages": long_batch(),
}


def test_batches() -> None:
    vectors = []
    for name, batch in BATCHES.items():
        payload, count = join(batch.encode()), len(batch.bodies)
        vectors.append({
            "name": name, "count": count, "payload": payload.hex(), **described_batch(memoryview(payload), count)
        })  # fmt: skip
    checked("batches", vectors)


# -- frames -----------------------------------------------------------------------------------------------------------

REFERENCE = Reference(arena=1, line=1086, size=1048704, stamp=2**63 + 5)

FRAMES: dict[str, tuple[Op, tuple[Any, ...], Any]] = {
    "hello": (Op.HELLO, (1, "ann", "ann#1", b"secret", False, None, {}), [[], [], [0, 0, 0], []]),
    "open a channel to a room": (Op.OPEN, (0, "room", None, 0), None),
    "open a channel to a component": (Op.OPEN, (1, None, "bob", 0), None),
    "open a channel for replies": (Op.OPEN, (2, None, "bob#1", 2), None),
    "publish two messages": (Op.PUBLISH, (0, 1, 2, 0, "room"), BATCHES["two texts"]),
    "publish arrays": (Op.PUBLISH, (0, 3, 2, 4, "room"), BATCHES["two messages of a pass, with arrays"]),
    "consumed": (Op.CONSUMED, (4, 12), None),
    "consumed in two logs": (Op.CONSUMED, (4, 12), [[5], [300]]),
    "ask to join": (Op.ASK, (1, "join", ["room", "reliable", False, None, None, None, False]), None),
    "withdraw": (Op.WITHDRAW, (0, 7), None),
    "take a will back": (Op.WILL, (0, 1, "-", None), None),
    "beat": (Op.BEAT, (), None),
    "bye": (Op.BYE, (), None),
    "welcome": (
        Op.WELCOME,
        (1, "00112233445566ff", 4194304, 71303168, 15.0, {}),
        [[], [[1, 0, False, []], [2, 0, False, []], [3, 0, False, []]], []],
    ),
    "refuse": (Op.REFUSE, ("access", "ann#1 is another component's id"), None),
    "deliver": (Op.DELIVER, (4, 12, 2, "ann#1", 0, 0, 1, "room", None, 0), BATCHES["two texts"]),
    "deliver arrays to one": (
        Op.DELIVER,
        (2, 0, 2, "ann#1", 5, 0, 1, "room", "bob", 1),
        BATCHES["two messages of a pass, with arrays"],
    ),
    "cover": (Op.COVER, (4, 20), None),
    "cover with what was missed": (Op.COVER, (4, 20), [["ann#1", 0, 8, 0, None]]),
    "mark": (Op.MARK, (4, 20, "ann#1", 0, 8, "00112233445566ff"), None),
    "acknowledge": (Op.ACKNOWLEDGE, (0, 512), None),
    "acknowledge on three channels": (Op.ACKNOWLEDGE, (0, 513), [[1, 7], [1, 70000]]),
    "stall": (Op.STALL, (0, "bob#1"), None),
    "undelivered": (Op.UNDELIVERED, (0, 7, 1, "no members"), None),
    "answer": (Op.ANSWER, (1, None), [4, 12, [], 12, 12, None]),
    "answer with an error": (Op.ANSWER, (1, "'best' is not a valid Mode"), None),
    "presence": (Op.PRESENCE, ("room", "bob#1", True, "reliable", None), None),
    "lost": (Op.LOST, (4,), [["ann#1", 0, 8, 5, "00112233445566ff"]]),
    "the largest number": (Op.ACKNOWLEDGE, (0, MAX_NUMBER), None),
    "hello with shared memory": (
        Op.HELLO,
        (1, "ann", "ann#1", b"secret", False, None, {"memory": True}),
        [[], [], [0, 0, 0], []],
    ),
    "welcome with shared memory": (
        Op.WELCOME,
        (1, "00112233445566ff", 4194304, 71303168, 15.0, {"memory": [4711, 9, "swergio-00112233445566ff"]}),
        [[], [[1, 0, False, []], [2, 0, False, []], [3, 0, False, []]], []],
    ),
    "share": (Op.SHARE, (bytes(range(16)), True), None),
    "an arena to write to": (Op.ARENA, (1, 12, 134217728, True), None),
    "an arena that is gone": (Op.ARENA, (1, None, 0, False), None),
    "publish lent": (Op.PUBLISH_LENT, (0, 1, 1, 4, "room"), REFERENCE.pack()),
    "deliver lent": (Op.DELIVER_LENT, (4, 12, 1, "ann#1", 0, 0, 1, "room", None, 0), REFERENCE.pack()),
    "return": (Op.RETURN, (1,), struct.pack("<2I", 1, 18)),
}


def packed_or_raw(content: Any) -> bytes:
    return content if isinstance(content, bytes) else bytes(msgpack.packb(content))


def test_frames() -> None:
    vectors = []
    for name, (op, header, content) in FRAMES.items():
        aligned = isinstance(content, OpenBatch) and bool(content.segments)
        payload = content.encode() if isinstance(content, OpenBatch) else [packed_or_raw(content)] if content else []
        packet = join(encode(op, *header, payload=payload, aligned=aligned))
        vectors.append({"name": name, "packet": packet.hex(), "frames": described(packet)})
    checked("frames", vectors)


@pytest.mark.parametrize("vector", load("frames"), ids=lambda vector: vector["name"])
def test_a_frame_is_read_and_written_as_described(vector: dict[str, Any]) -> None:
    packet = bytes.fromhex(vector["packet"])
    assert described(packet) == vector["frames"]
    assert packet_of(vector["frames"]) == packet


def test_every_op_has_a_frame() -> None:
    assert {frame["op"] for vector in load("frames") for frame in vector["frames"]} == {op.name for op in Op}


def test_a_packet_is_its_frames_in_a_row() -> None:
    packets = [bytes.fromhex(vector["packet"]) for vector in load("frames")]
    assert [frame.op for frame in parse(b"".join(packets))] == [next(parse(packet)).op for packet in packets]


# -- layout ----------------------------------------------------------------------------------------------------------


def test_the_layout_is_what_the_documentation_says() -> None:
    payload = join(BATCHES["two messages of a pass, with arrays"].encode())
    packet = join(encode(Op.PUBLISH, 0, 3, 2, 4, "room", payload=[payload], aligned=True))
    op, pad, header, size = struct.unpack_from("<BBHI", packet)
    assert (op, (8 + header + pad) % 64, size) == (3, 0, len(payload))
    assert packet[8 + header + pad :] == payload
    assert plain(msgpack.unpackb(packet[8 : 8 + header])) == [0, 3, 2, 4, "room"]


# -- Redis ------------------------------------------------------------------------------------------------------------

PLACE = 1767225600000000
SAID = entries.Delivery("ann#1", 0, 0, 1, 2, "room", None)


def test_what_redis_publishes() -> None:
    payload = BATCHES["two texts"].encode()
    size = entries.cost(2, payload)
    frames = {
        "a published batch": entries.batch(SAID, payload),
        "a published mark": entries.mark("ann#1", 0, 8, str(PLACE)),
    }
    vectors = []
    for name, frame in frames.items():
        packet = struct.pack(">4Q", PLACE, size, PLACE // 1000, 0) + join(frame)
        vectors.append({"name": name, "packet": packet.hex()})
    checked("redis", vectors)


def test_what_redis_publishes_is_read() -> None:
    batch, mark = (entries.published(bytes.fromhex(vector["packet"])) for vector in load("redis"))
    assert (batch.place, batch.end, batch.time) == (PLACE, PLACE + 185, PLACE // 1000)
    assert batch.frame is not None
    said, payload = entries.opened(batch.frame)
    assert said == SAID
    assert bytes(payload) == join(BATCHES["two texts"].encode())
    assert mark.frame is not None
    assert entries.opened(mark.frame)[0] == entries.Mark("ann#1", 0, 8, str(PLACE))
