"""
Memory that a hub shares: what is put there, what comes back, and what a component cannot do with it.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swergio.codec import pack
from swergio.codec.frames import Op, encode, join, parse
from swergio.errors import ProtocolError
from swergio.hub import arena as memory
from swergio.hub.arena import BLOCK, LINES, Arena, Reference, create, find
from swergio.hub.lending import MAX_ARENAS
from swergio.transport import Mode, Past
from tests.hub.simulation import GRACE, Component, World

pytestmark = pytest.mark.skipif(not memory.AVAILABLE, reason="only Linux has memory without a name")

LARGE = 300  # bytes of an array that does not travel, in this world
LENT = {Op.SHARE, Op.PUBLISH_LENT, Op.ARENA, Op.DELIVER_LENT, Op.RETURN}


@pytest.fixture
def world() -> Iterator[World]:
    world = World(shared_memory=20 * BLOCK, room_limit=10**6, memory_limit=10**7, window=10**6)
    world.pass_time(GRACE + 1)  # a young hub keeps what was consumed
    yield world
    world.close()


def lent(world: World) -> int:
    return sum(len(arena._lent) for arena in world.router.lender._arenas.values())


def begin(component: Component) -> bytes:
    component.cut()
    component.connect()
    return component.wire.up[0]


def ops(packets: Any) -> list[int]:
    return [frame.op for packet in packets for frame in parse(packet)]


def test_who_sees_the_memory_gets_references_and_the_others_get_the_bytes(world: World) -> None:
    ann, bob = world.add("ann", "bob")
    (cy,) = world.add("cy", shares=False)
    for member in (bob, cy):
        member.join("room")
    world.run()
    ann.send("room", "hello", array=LARGE)
    assert ops(ann.wire.up) == [Op.OPEN, Op.PUBLISH_LENT]
    world.read(ann)
    world.flush()
    assert Op.DELIVER_LENT in ops(bob.wire.down)
    assert Op.DELIVER in ops(cy.wire.down)
    assert lent(world) == 1
    world.run()
    assert bob.data() == cy.data() == ["hello"]
    assert lent(world) == 0
    own = ann.client._borrower._own
    assert own is not None
    assert not own.lent


@pytest.mark.parametrize(("hub", "component"), [(0, True), (20 * BLOCK, False), (0, False)])
def test_who_does_not_name_the_feature_never_hears_of_it(hub: int, component: bool) -> None:
    world = World(shared_memory=hub)
    ann, bob = world.add("ann", "bob", shares=component)
    (hello,), said = parse(begin(ann)), []
    assert hello.header[-1] == ({"memory": True} if component else {})
    world.read(ann)
    world.flush()
    said += ops(ann.wire.down)
    welcome = next(parse(ann.wire.down[0]))
    assert welcome.header[-1] == {}
    bob.join("room")
    world.run()
    ann.send("room", "hello", array=LARGE)
    said += ops(ann.wire.up)
    world.read(ann)
    world.flush()
    said += ops(bob.wire.down)
    assert not LENT & set(said)
    world.run()
    assert bob.data() == ["hello"]
    world.close()


@pytest.mark.parametrize("value", [None, False, 1, "yes", [], {"version": 2}])
def test_another_value_of_the_feature_is_one_of_a_later_release(world: World, value: object) -> None:
    assert world.router.lender.agree({"memory": value, "other": True}) == {}


@pytest.mark.parametrize("value", [True, [1, 2], ["1", 2, "name"], "memory"])
def test_a_malformed_offer_costs_the_connection(world: World, value: object) -> None:
    (ann,) = world.add("ann")
    with pytest.raises(ProtocolError):
        ann.client._borrower.offered({"memory": value})


def test_where_there_is_no_such_memory_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "AVAILABLE", False)
    world = World(shared_memory=20 * BLOCK)
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", "hello", array=LARGE)
    assert ops(ann.wire.up) == [Op.OPEN, Op.PUBLISH]
    world.run()
    assert bob.data() == ["hello"]
    assert ann.client._borrower.features == world.router.lender.agree({"memory": True}) == {}
    world.close()


def test_what_does_not_fit_travels_in_the_same_order() -> None:
    world = World(shared_memory=3 * BLOCK)
    world.pass_time(GRACE + 1)
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    for number in range(7):
        ann.send("room", number, array=LARGE)
    sent = ops(ann.wire.up)
    world.run()
    assert bob.data() == list(range(7))
    assert set(sent) == {Op.OPEN, Op.PUBLISH_LENT, Op.PUBLISH}
    assert lent(world) == 0
    world.close()


def test_a_member_that_is_behind_keeps_what_it_has_not_consumed(world: World) -> None:
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", "first", array=LARGE)
    world.run(consume=False)
    assert lent(world) == 1
    bob.consume()
    world.run()
    assert lent(world) == 0


def test_a_lossy_member_that_is_overtaken_can_still_read_what_it_was_given() -> None:
    world = World(shared_memory=20 * BLOCK, room_limit=2000)
    world.pass_time(GRACE + 1)
    ann, bob = world.add("ann", "bob")
    bob.join("room", Mode.LOSSY)
    world.run()
    for number in range(12):
        ann.send("room", number, array=LARGE)
        world.read(ann)
        world.flush()  # bob reads nothing yet
        ann.read()
    world.run()
    assert bob.data()[0] == 0
    assert bob.data()[-1] == 11
    assert bob.memberships["room"].dropped == 12 - len(bob.data())
    assert lent(world) == 0
    world.close()


def test_a_group_passes_references_on_and_splits_what_it_must(world: World) -> None:
    ann, *workers = world.add("ann", "bob", "cy")
    for worker in workers:
        worker.join("jobs", group="workers")
    world.run()
    for number in range(7):
        body, arrays = pack({"data": number, "array": np.zeros(LARGE, np.uint8)})
        ann.outbox.append("jobs", None, "DATA/TEXT", body, arrays)
        if number in (0, 6):
            ann.write()
    sent = ops(ann.wire.up)
    world.run()
    assert sorted(workers[0].data() + workers[1].data()) == list(range(7))
    assert sent.count(Op.PUBLISH_LENT) == 2
    assert lent(world) == 0


def test_what_a_room_keeps_for_those_who_come_later_leaves_the_shared_memory() -> None:
    world = World(shared_memory=20 * BLOCK, room_limit=10**6, memory_limit=10**7, history_limit=10**5, window=10**6)
    world.pass_time(GRACE + 1)
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", "old", array=LARGE)
    world.run()
    assert lent(world) == 1
    for _ in range(2):
        world.pass_time(1)
    world.run()
    assert lent(world) == 0
    (cy,) = world.add("cy")
    cy.join("room", past=Past(last=1))
    world.run()
    assert cy.data() == ["old"]
    world.close()


def test_after_a_reconnect_there_is_another_arena_and_nothing_is_lost(world: World) -> None:
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    first = ann.client._borrower._own
    ann.send("room", 1, array=LARGE)
    world.read(ann)  # it is in the log, and ann does not know
    ann.cut()
    ann.connect()
    ann.send("room", 2, array=LARGE)
    world.run(consume=False)
    assert bob.data() == [1, 2]
    assert ann.client._borrower._own is not first
    world.run()
    assert lent(world) == 0
    assert len(world.router.lender._arenas) == 2  # those of ann and bob


def test_what_was_in_the_memory_of_a_hub_that_died_is_sent_again(world: World) -> None:
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", 1, array=LARGE)
    world.read(ann)
    world.die()
    world.run()
    assert bob.data() == [1]
    assert not bob.memberships["room"].lost


def test_a_component_that_is_gone_leaves_nothing(world: World) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        ann, bob = world.add("ann", "bob")
        bob.join("room")
        world.run()
        ann.send("room", "last words", array=LARGE)
        world.read(ann)
        for component in (ann, bob):
            component.cut()
        world.components.clear()
        world.pass_time(2 * GRACE)
    world.pass_time(1)
    del ann, bob, component
    gc.collect()
    assert not world.router.lender._arenas
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1  # the hub's secret


def test_a_sender_that_leaves_what_waits_for_space_holds_no_memory() -> None:
    world = World(shared_memory=20 * BLOCK, room_limit=500, memory_limit=10**7, window=10**6)
    world.pass_time(GRACE + 1)
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    gc.disable()  # a circle of references would hold it for as long as nothing else is done
    try:
        for number in range(4):
            ann.send("room", number, array=LARGE)
        world.read(ann)
        assert lent(world) == 4
        ann.client.bye()
        ann.write()
        world.run()
        world.router.lender.settle()
        assert len(bob.data()) < 4
        assert lent(world) == 0
    finally:
        gc.enable()
    world.close()


def test_later_senders_wait_for_an_arena(world: World) -> None:
    everyone = world.add(*(f"ann{number}" for number in range(MAX_ARENAS + 1)))
    assert [component.client._borrower._own is None for component in everyone] == [False] * MAX_ARENAS + [True]
    everyone[0].cut()
    everyone[-1].read()
    world.step()
    assert everyone[-1].client._borrower._own is not None


@pytest.mark.parametrize(
    "reference",
    [
        Reference(1, 0, 10, 1),
        Reference(1, LINES - 1, 128, 1),
        Reference(1, 20 * LINES, 10, 1),
        Reference(1, 20 * LINES - 1, 65, 1),
        Reference(1, 2**32 - 1, 10, 1),
        Reference(1, LINES, 0, 1),
        Reference(1, LINES, 2**63, 1),
        Reference(2, LINES, 10, 1),
        Reference(7, LINES, 10, 1),
    ],
)
def test_a_reference_to_elsewhere_costs_the_connection(world: World, reference: Reference) -> None:
    ann, _ = world.add("ann", "bob")
    session = world.router.directory.sessions[ann.instance]
    packet = join(
        [
            *encode(Op.OPEN, 0, "room", None, 0),
            *encode(Op.PUBLISH_LENT, 0, 1, 1, 0, "room", payload=(reference.pack(),)),
        ]
    )
    with pytest.raises(ProtocolError):
        world.router.receive_packet(session, packet)


def test_a_wrong_secret_costs_the_connection(world: World) -> None:
    (ann,) = world.add("ann", shares=False)
    session = world.router.directory.sessions[ann.instance]
    says = (b"guess", True)
    guess = encode(Op.SHARE, *says)
    with pytest.raises(ProtocolError, match="secret"):
        world.router.receive_packet(session, join(guess))


def test_what_was_overwritten_is_noticed_by_whoever_reads_it(world: World) -> None:
    """
    A hub that gave a component up, which had been told of a batch and not read it yet, lets its place be used again.
    """
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", "first", array=LARGE)
    world.read(ann)
    world.flush()
    (told,) = bob.wire.down
    world.router.rooms.remove(world.router.directory.sessions[bob.instance], orderly=False)
    world.router.lender.settle()
    world.flush()
    ann.read()
    ann.send("room", "second", array=LARGE)
    with pytest.raises(ProtocolError, match="is gone"):
        bob.client.receive(told)
    assert bob.data() == []


def test_memory_cannot_be_cut_off() -> None:
    descriptor = create("test", 4 * BLOCK)
    try:
        for size in (0, 8 * BLOCK):
            with pytest.raises(PermissionError):
                os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


def test_only_the_named_memory_is_opened(tmp_path: Path) -> None:
    other = create("other", 4 * BLOCK)
    with (tmp_path / "file").open("w") as file:
        try:
            for descriptor in (other, file.fileno(), 10**6):
                with pytest.raises(OSError, match=r"not|No such"):
                    find(os.getpid(), descriptor, "mine")
            os.close(find(os.getpid(), other, "other"))
        finally:
            os.close(other)


def test_an_arena_is_read_only_for_its_readers() -> None:
    descriptor = create("test", 4 * BLOCK)
    writer, reader = Arena(1, descriptor, 4 * BLOCK, writable=True), Arena(1, descriptor, 4 * BLOCK, writable=False)
    os.close(descriptor)
    writer.stamp(1, 1, 5)
    writer.write(BLOCK + 64, [b"first", b"second"])
    reference = Reference(1, LINES + 1, 11, 5)
    copy = bytearray(11)
    reader.read(Reference.unpack(reference.pack()), memoryview(copy))
    assert copy == b"firstsecond"
    with pytest.raises(TypeError):
        reader.memory[0] = 1
    writer.stamp(1, 1, 6)
    with pytest.raises(ProtocolError, match="gone"):
        reader.read(reference, memoryview(copy))
    writer.close()
    reader.close()
