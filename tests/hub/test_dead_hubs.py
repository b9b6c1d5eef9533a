"""
Hubs that die, one case at a time: what is lost with them is reported exactly. See also `test_resume_stateful`.
"""

from __future__ import annotations

import random

import pytest

from swergio.codec.frames import VERSION, Op, encode, join, parse
from swergio.errors import ProtocolError
from swergio.messages import Kind
from swergio.transport import Mode
from tests.hub import checks
from tests.hub.simulation import GRACE, Component, World


def sent_frames(component: Component, op: Op) -> list[list[object]]:
    """
    Return the headers of the frames of one sort that are on their way to the hub.
    """
    return [frame.header for packet in component.wire.up for frame in parse(packet) if frame.op == op]


def lose(world: World, sender: Component, *receivers: Component, data: list[object]) -> None:
    """
    Have a hub take messages, acknowledge them and die before it gives them to anyone.
    """
    for receiver in receivers:
        receiver.cut()
    for item in data:
        sender.send("room", item)
    world.read(sender)
    world.flush()
    sender.read()
    assert sender.outbox.unacknowledged == 0
    world.die()


@pytest.mark.parametrize("sender_first", [True, False])
@pytest.mark.parametrize("heard_before", [True, False])
def test_what_a_dead_hub_took_along_is_reported_exactly(sender_first: bool, heard_before: bool) -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    if heard_before:
        ann.send("room", 0)
        world.run()
    lose(world, ann, bob, data=[1, 2, 3])
    ann.send("room", 4)
    for component in (ann, bob) if sender_first else (bob, ann):
        component.connect()
        world.read(component)
        world.flush()
    world.run()

    assert bob.data() == [0, 4] if heard_before else [4]
    assert bob.memberships["room"].lost == {ann.instance: 3}


@pytest.mark.parametrize("late", [True, False])
def test_direct_messages_that_a_dead_hub_took_along_are_reported_too(late: bool) -> None:
    world = World()
    ann, bob, other = world.add("ann", "bob", "bob")
    for component in (bob, other):
        component.cut()
    for number in range(2):
        ann.send("label", number, to="bob")
        ann.send("label", number, to=bob.instance, kind=Kind.REPLY)
    world.read(ann)
    world.flush()
    ann.read()
    world.die()
    for component in (ann, bob) if late else (bob, ann):
        component.connect()
        world.read(component)
        world.flush()
    world.run()

    assert bob.lost_directly == {ann.instance: 4}
    assert other.lost_directly == {ann.instance: 2}


def test_a_reply_to_somebody_who_is_not_back_yet_waits_while_the_hub_is_young() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    world.die()
    ann.connect()
    ann.send("label", "answer", to=bob.instance, kind=Kind.REPLY)
    world.read(ann)
    assert not ann.undelivered
    bob.connect()
    world.run()
    assert bob.data() == ["answer"]

    world.die()
    world.components.remove(bob)
    ann.send("label", "too late", to=bob.instance, kind=Kind.REPLY)
    world.run()
    world.pass_time(GRACE + 1)
    world.run()
    assert len(ann.undelivered) == 1


def test_messages_that_come_again_after_a_hub_died_are_not_handled_twice() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", 1)
    world.read(ann)
    world.flush(lazily=False)
    bob.read()
    assert bob.data() == [1]
    world.die()
    world.run()

    assert bob.data() == [1]
    assert bob.client.reader.duplicates == 1
    assert not bob.memberships["room"].lost
    assert ann.outbox.unacknowledged == 0


def test_a_young_hub_keeps_what_comes_for_members_that_are_not_back_yet() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    world.die()
    ann.connect()
    for number in range(3):
        ann.send("room", number)
    world.read(ann)
    world.flush()
    ann.read()
    world.run()
    assert bob.data() == [0, 1, 2]


@pytest.mark.parametrize("grown", [True, False])
def test_who_comes_back_to_a_new_hub_too_late_knows_what_it_missed(grown: bool) -> None:
    world = World(room_limit=300)
    (bob,) = world.add("bob")
    bob.join("room")
    world.run()
    world.die()
    world.components.clear()
    ann, cy = world.add("ann", "cy")
    cy.join("room")
    world.run()
    if grown:
        world.pass_time(GRACE + 1)
    for number in range(10):
        ann.send("room", number)
        world.run()
    world.components.append(bob)
    world.run()

    assert bool(bob.data()) != grown
    assert bob.data() == list(range(10))[10 - len(bob.data()) :]
    assert bob.memberships["room"].lost == {ann.instance: 10 - len(bob.data())}


def test_who_comes_back_too_late_to_read_a_mark_knows_what_the_dead_hub_took_along() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    lose(world, ann, bob, data=[1, 2])
    ann.connect()
    world.read(ann)
    world.pass_time(GRACE + 1)
    world.run()
    assert bob.memberships["room"].lost == {ann.instance: 2}


def test_what_was_sent_before_somebody_joined_is_not_lost_when_it_comes_back_late() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    ann.send("room", 1)
    world.run()
    world.die()
    world.components.remove(ann)
    world.run()
    bob.join("room")  # and hears of ann when it has been away
    world.run()
    bob.cut()
    world.pass_time(GRACE + 1)
    world.components.insert(0, ann)
    ann.connect()
    for number in range(2, 5):
        ann.send("room", number)
    world.read(ann)
    world.flush()
    ann.read()
    world.run()
    assert bob.memberships["room"].lost == {ann.instance: 3}


def test_messages_to_a_name_before_an_instance_began_are_not_lost_to_it() -> None:
    world = World()
    ann, _ = world.add("ann", "bob")
    for number in range(3):
        ann.send("label", number, to="bob")
    world.run()
    (late,) = world.add("bob")
    world.die()
    ann.send("label", 3, to="bob")
    world.run()
    assert late.data() == [3]
    assert not late.lost_directly


def test_a_sender_that_a_forgotten_room_knew_is_no_loss_to_who_joined_since(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swergio.hub.rooms.MAX_IDLE", 0)
    world = World()
    ann, bob = world.add("ann", "bob")
    ann.send("room", 1)
    world.run()
    ann.cut()
    world.pass_time(GRACE + 1)
    assert world.router.directory.rooms == {}
    world.run()
    bob.join("room")
    world.run()
    world.die()
    ann.send("room", 2)
    world.run()
    assert bob.data() == [2]
    assert not bob.memberships["room"].lost


def test_who_joined_after_a_hub_died_lost_nothing_of_what_it_took_along() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    ann.send("room", 0)
    world.run()
    world.die()
    bob.connect()
    bob.join("room")
    world.read(bob)
    world.flush()
    bob.read()
    ann.send("room", 1)
    world.run()

    assert bob.data() == [1]
    assert not bob.memberships["room"].lost


def test_who_left_before_a_hub_died_and_joined_again_lost_nothing() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", 0)
    world.run()
    bob.leave("room")
    world.run()
    ann.send("room", 1)
    world.run()
    world.die()
    bob.connect()
    bob.join("room")
    world.read(bob)
    world.flush()
    bob.read()
    ann.send("room", 2)
    world.run()

    assert bob.data() == [0, 2]
    assert not bob.memberships["room"].lost


def test_a_sender_that_missed_a_hub_altogether_is_still_accounted_for() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    lose(world, ann, bob, data=[1, 2])
    bob.connect()
    world.read(bob)
    world.flush()
    bob.read()
    world.die()  # ann never saw this one
    ann.send("room", 3)
    world.run()

    assert bob.data() == [3]
    assert bob.memberships["room"].lost == {ann.instance: 2}


def test_offsets_of_a_dead_hub_mean_nothing_to_the_next_one_though_the_logs_are_numbered_alike() -> None:
    world = World()
    (bob,) = world.add("bob")
    bob.join("room")
    world.run()
    number_of_the_log = bob.client.reader._rooms["room"].log
    (ann,) = world.add("ann")
    for number in range(50):
        ann.send("room", number)
    world.run(consume=False)
    unread = list(bob.unread)
    bob.unread.clear()
    world.die()
    world.run()
    log = world.router.directory.room("room").log
    assert log.number == number_of_the_log
    for number in range(3):
        ann.send("room", number, type=f"T{number}")
    world.run(consume=False)

    cursor = log.cursors[bob.instance]
    assert log.slowest() == bob.instance
    before = cursor.consumed
    for inbound in unread:  # of the old hub
        bob.client.reader.consumed(inbound.receipt)
    bob.write()
    assert sent_frames(bob, Op.CONSUMED) == []
    world.read(bob)
    assert cursor.consumed == before < cursor.pushed
    world.run()
    assert cursor.consumed == cursor.pushed


def test_a_lossy_member_counts_what_a_dead_hub_took_along_as_dropped() -> None:
    world = World()
    ann, eye = world.add("ann", "eye")
    eye.join("room", Mode.LOSSY)
    world.run()
    lose(world, ann, eye, data=[1, 2, 3])
    world.run()
    assert eye.memberships["room"].dropped == 3
    assert not eye.memberships["room"].lost


def test_questions_are_asked_again_after_any_fault() -> None:
    for fault in range(3):
        world = World()
        (ann,) = world.add("ann")
        ann.ask("members", "room")
        if fault > 0:
            world.read(ann)
        if fault > 1:
            world.flush()
        ann.cut()
        world.run()
        assert ann.answers == [("members", [], None)]
        ann.ask("rooms")
        world.die()
        world.run()
        assert [verb for verb, _, _ in ann.answers] == ["members", "rooms"]


@pytest.mark.parametrize("op", [Op.DELIVER, Op.WELCOME, Op.HELLO])
def test_a_hub_that_makes_no_sense_costs_a_reconnect_and_nothing_else(op: Op) -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    log = world.router.directory.room("room").log.number
    first = VERSION if op is Op.WELCOME else log
    with pytest.raises(ProtocolError):
        bob.client.receive(join(encode(op, first, 7, 1, "ann#1", 0, 0, 1, "room", None, 0)))
    bob.cut()
    ann.send("room", "go on")
    world.run()
    assert bob.data() == ["go on"]


@pytest.mark.parametrize("seed", range(4))
def test_many_cuts_and_a_few_dead_hubs(seed: int) -> None:
    chance = random.Random(seed)
    world = World(room_limit=10**5, window=10**4, memory_limit=10**6)
    names = ["ann", "bob", "cy", "dan"]
    components = world.add(*names)
    for component in components:
        component.join("room")
    world.run()
    for step in range(1500):
        chance.choice(components).send("room", step)
        chance.choice(components).send("label", step, to=chance.choice(names))
        if chance.random() < 0.1:
            chance.choice(components).cut(hub_knows=chance.random() < 0.5)
        for component in components:
            if not component.wire.open:
                component.connect()
        if step % 500 == 499:
            world.run()
            world.die()
        world.step(consume=True, lazily=chance.random() < 0.5)
    world.run()
    world.pass_time(GRACE + 1)
    world.run()
    for check in (checks.check_rooms, checks.check_inboxes, checks.check_order, checks.check_rest):
        check(world)
