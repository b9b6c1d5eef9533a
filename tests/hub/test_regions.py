"""
Arrays that are packed into shared memory: they leave it exactly when nobody needs them there, whatever becomes of them.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from swergio.codec import pack
from swergio.codec.batch import OpenBatch
from swergio.codec.frames import Buffer, Op, join, parse
from swergio.errors import ProtocolError, UnsupportedBody
from swergio.hub import arena as memory
from swergio.hub.arena import BLOCK, Arena, Reference, create
from swergio.hub.regions import HEAD, KEPT, OwnArena
from tests.hub.simulation import GRACE, World

pytestmark = pytest.mark.skipif(not memory.AVAILABLE, reason="only Linux has memory without a name")

SIZE = 40 * BLOCK
ARRAY = np.arange(3 * BLOCK // 4, dtype=np.float32)
LARGE = 300  # bytes of an array that does not travel, in the world of the simulation


class Pair:
    """
    The arena of a sender, and what somebody else sees of it.
    """

    def __init__(self, size: int = SIZE) -> None:
        descriptor = create("test", size)
        self.own = OwnArena(1, descriptor, size)
        self.seen = Arena(1, descriptor, size, writable=False)
        os.close(descriptor)

    @property
    def taken(self) -> int:
        """
        How many blocks are not free.
        """
        gc.collect()
        region = self.own._take(1)  # whoever takes something clears up
        assert region is not None
        self.own._free(region)
        return sum(self.own._taken) - 1

    def read(self, reference: Reference | None) -> bytes:
        """
        Return what somebody else reads there.
        """
        assert reference is not None
        copy = bytearray(reference.size)
        self.seen.read(reference, memoryview(copy))
        return bytes(copy)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    gc.collect()
    pair.own.close()
    pair.seen.close()


def payload_of(*messages: tuple[bytes, Any]) -> list[Buffer]:
    batch = OpenBatch((), "DATA/CUSTOM", None, 0, 1.5)
    for body, segments in messages:
        if segments:
            batch.attach(segments)
        batch.bodies.append(body)
    batch.close()
    return batch.encode()


def put(pair: Pair, payload: list[Buffer]) -> Reference | None:
    return pair.own.put(payload, sum(map(len, payload)))


@pytest.mark.parametrize(
    "value",
    [
        ARRAY,
        {"a": ARRAY, "b": [np.arange(5, dtype=np.int8), ARRAY[::-2]]},
        [ARRAY, np.zeros((0, 3))],
        [b"x" * 50, ARRAY],
    ],
)
def test_what_is_packed_there_is_sent_from_there(pair: Pair, value: Any) -> None:
    payload = payload_of(pack(value, pair.own.reserve))
    assert join(payload) == join(payload_of(pack(value)))
    blocks = pair.taken
    reference = put(pair, payload)
    assert pair.taken == blocks, "it was copied to another place"
    assert pair.read(reference) == join(payload)


def test_messages_in_front_of_it_fit_into_its_head_or_all_are_copied(pair: Pair) -> None:
    large = pack(ARRAY, pair.own.reserve)
    for text, copied in (("x" * 100, False), ("x" * HEAD, True)):
        payload = payload_of(pack(text), large)
        blocks = pair.taken
        reference = put(pair, payload)
        assert (pair.taken > blocks) is copied
        assert pair.read(reference) == join(payload)
        assert reference is not None
        pair.own.returned(reference.block)
    two = payload_of(large, pack(ARRAY, pair.own.reserve))
    assert pair.read(put(pair, two)) == join(two)


def test_one_message_for_two_rooms_is_lent_once_and_copied_once(pair: Pair) -> None:
    packed = pack(ARRAY, pair.own.reserve)
    first, second = (put(pair, payload_of(packed)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.block != second.block
    assert pair.read(first) == pair.read(second) == join(payload_of(packed))
    twice = payload_of(packed, packed)
    assert pair.read(put(pair, twice)) == join(twice)


@pytest.mark.parametrize("returned_first", [True, False])
def test_blocks_are_free_when_they_are_returned_and_nobody_looks(pair: Pair, *, returned_first: bool) -> None:
    payload = payload_of(pack(ARRAY, pair.own.reserve))
    reference = put(pair, payload)
    assert reference is not None
    if returned_first:
        pair.own.returned(reference.block)
        assert pair.taken == 4
        del payload
    else:
        del payload
        assert pair.taken == 4
        pair.own.returned(reference.block)
    assert pair.taken == pair.own.lent == 0
    with pytest.raises(ProtocolError, match="not lent"):
        pair.own.returned(reference.block)


def test_what_is_never_sent_leaves_nothing(pair: Pair) -> None:
    packed = pack(ARRAY, pair.own.reserve)
    assert pair.taken == 4
    del packed
    assert pair.taken == 0
    for bad in ([ARRAY, {1}], [ARRAY, np.array([object()])]):
        with pytest.raises(UnsupportedBody):
            pack(bad, pair.own.reserve)
        assert pair.taken == 0


def test_without_space_it_is_bytes(pair: Pair) -> None:
    held = [pack(ARRAY, pair.own.reserve) for _ in range(20)]
    kinds = [type(segments[0]) for _, segments in held]
    assert kinds == [memoryview] * 9 + [bytes] * 11
    assert {join(segments) for _, segments in held} == {ARRAY.tobytes()}
    assert put(pair, payload_of(held[-1])) is None


def test_who_comes_while_another_thread_reserves_does_not_wait(pair: Pair) -> None:
    with pair.own._lock:
        assert pair.own.reserve(100) is None
        assert put(pair, payload_of(pack(ARRAY))) is None
    assert pair.own.reserve(100) is not None


def test_many_threads_never_get_the_same_memory() -> None:
    pair = Pair(200 * BLOCK)
    wrong: list[int] = []

    def work(number: int) -> None:
        for turn in range(200):
            value = np.full(BLOCK, number * 1000 + turn, np.int32)
            _, (segment,) = pack(value, pair.own.reserve)
            if bytes(segment) != value.tobytes():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert pair.taken == 0


def test_the_system_has_back_what_is_rarely_needed() -> None:
    pair = Pair(3 * KEPT * BLOCK)
    payload = payload_of(pack(np.zeros(2 * KEPT * BLOCK, np.uint8), pair.own.reserve))
    reference = put(pair, payload)
    assert reference is not None
    del payload
    pair.own.returned(reference.block)
    assert pair.own._top == KEPT


def test_what_the_outbox_has_outlives_the_link_and_is_sent_over_the_next() -> None:
    world = World(shared_memory=20 * BLOCK, room_limit=10**6, memory_limit=10**7, window=10**6)
    world.pass_time(GRACE + 1)
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    first = ann.client._borrower._own
    assert first is not None
    ann.outbox.append("room", None, "DATA/TEXT", *pack({"data": 1, "array": ARRAY[:LARGE]}, ann.client.reserve))
    (watch,) = [region.watch for region in first._regions.values()]
    assert watch is not None
    ann.cut()
    ann.connect()
    world.run()
    assert bob.data() == [1]
    second = ann.client._borrower._own
    assert second is not None
    assert second is not first
    assert not second.lent
    gc.collect()
    assert watch() is None, "nobody looks at the old arena any more"
    world.close()


def test_an_array_is_copied_once_and_the_hub_is_told_where(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(shared_memory=20 * BLOCK, room_limit=10**6, memory_limit=10**7, window=10**6)
    world.pass_time(GRACE + 1)
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    written: list[int] = []
    write = Arena.write

    def noted(self: Arena, start: int, buffers: list[Buffer]) -> None:
        written.append(sum(map(len, buffers)))
        write(self, start, buffers)

    monkeypatch.setattr(Arena, "write", noted)
    ann.send("room", "hello", array=10 * LARGE)
    assert Op.PUBLISH_LENT in [frame.op for packet in ann.wire.up for frame in parse(packet)]
    assert len(written) == 1
    assert written[0] < LARGE
    world.run()
    assert bob.data() == ["hello"]
    own = ann.client._borrower._own
    assert own is not None
    assert own.lent == 0
    world.close()
