"""
What a member that joins gets of what was sent before: the history of a room, and the value that it keeps.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from swergio.transport import Mode, Past
from tests.hub.simulation import GRACE, Component, World


def a_room(*, history: int = 2000, messages: int = 10) -> tuple[World, Component, Component]:
    """
    Return a world of which the restart is long ago, a sender, and a member that has everything.
    """
    world = World(history_limit=history, room_limit=40_000)
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    world.pass_time(GRACE + 1)
    for number in range(messages):
        assert ann.send("room", number)
    world.run()
    return world, ann, bob


def late(world: World, past: Past, name: str = "late", **how: Any) -> Component:
    (component,) = world.add(name)
    component.join("room", past=past, **how)
    world.run()
    return component


def test_who_asks_for_nothing_gets_nothing_of_the_past() -> None:
    world, ann, _ = a_room()
    component = late(world, Past())
    ann.send("room", "new")
    world.run()
    assert component.data() == ["new"]
    assert component.past == [False]


@pytest.mark.parametrize("last", [1, 3, 10, 1000])
def test_the_last_messages_come_first_and_say_so(last: int) -> None:
    world, ann, _ = a_room()
    component = late(world, Past(last=last))
    ann.send("room", "new")
    world.run()
    wanted = list(range(10))[-last:]
    assert component.data() == [*wanted, "new"]
    assert component.past == [True] * len(wanted) + [False]
    assert not component.memberships["room"].lost


def test_a_number_of_messages_is_exact_inside_a_batch() -> None:
    world, ann, _ = a_room(messages=0)
    for number in range(10):
        ann.outbox.append("room", None, "DATA/TEXT", bytes([number]))  # one batch
    ann.write()
    world.run()
    assert late(world, Past(last=3)).data() == [7, 8, 9]


def test_own_messages_do_not_count_for_who_does_not_hear_itself() -> None:
    world, _ann, bob = a_room(messages=3)
    for text in ("a", "b"):
        bob.send("room", text)
    world.run()
    bob.leave("room")
    world.run()
    bob.join("room", past=Past(last=2))
    world.run()
    assert bob.data() == [0, 1, 2, 1, 2]


def test_since_goes_by_the_time_at_which_the_hub_took_a_message() -> None:
    world, ann, _ = a_room(messages=2)
    world.pass_time(60)
    ann.send("room", "new")
    world.run()
    assert late(world, Past(age=30)).data() == ["new"]
    assert late(world, Past(age=60), "later").data() == [0, 1, "new"]
    assert late(world, Past(last=1, age=60), "latest").data() == ["new"]


def test_the_history_is_bounded_and_the_oldest_goes_first() -> None:
    world, ann, _ = a_room(history=500, messages=0)
    for number in range(50):
        ann.send("room", number)
        world.run()
    data = late(world, Past(last=1000)).data()
    assert data == list(range(50))[-len(data) :]
    assert 2 <= len(data) <= 7
    assert world.router.directory.room("room").log.held <= 500


def test_a_room_that_nobody_is_in_has_a_history() -> None:
    world, ann, bob = a_room(messages=0)
    bob.leave("room")
    world.run()
    ann.send("room", "for later")
    world.run()
    assert late(world, Past(last=1)).data() == ["for later"]


def test_when_memory_is_scarce_there_is_no_history() -> None:
    world = World(history_limit=3000, memory_limit=4000)
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.pass_time(GRACE + 1)
    for number in range(40):
        ann.send("room", number)
        world.run()
    assert world.router.directory.budget.used <= 2000


def test_past_messages_slow_nobody_who_has_them() -> None:
    world, ann, bob = a_room(history=3000)
    slow = late(world, Past(last=10))
    slow.unread.clear()
    for number in range(10, 20):
        ann.send("room", number)
        world.step()
        bob.consume()
    world.run()
    assert bob.data() == list(range(20))
    assert slow.data() == list(range(20))


def test_a_break_during_the_past_costs_nothing() -> None:
    chance = random.Random(20261125)
    for _ in range(30):
        world, ann, _ = a_room(history=10_000, messages=20)
        (component,) = world.add("late")
        component.join("room", past=Past(last=15))
        for number in range(20, 40):
            ann.send("room", number)
            for _ in range(chance.randrange(4)):
                world.step(consume=chance.random() < 0.5)
            if chance.random() < 0.3:
                component.cut(hub_knows=chance.random() < 0.5)
                component.connect()
        world.run()
        got = component.data()
        assert got == list(range(40))[-len(got) :]
        assert len(got) >= 15
        assert not component.memberships["room"].lost


def test_a_group_that_is_new_begins_with_the_past() -> None:
    world, _, _ = a_room(messages=4)
    one = late(world, Past(last=3), group="workers")
    assert one.data() == [1, 2, 3]
    two = late(world, Past(last=3), "two", group="workers")
    assert two.data() == []


# -- the kept value ---------------------------------------------------------------------------------------------------


def keep(sender: Component, data: Any) -> None:
    sender.send("room", data, keep=True)


def test_who_asks_for_it_gets_the_kept_value_before_anything_newer() -> None:
    world, ann, bob = a_room(history=0, messages=0)
    for data in ("old", "value"):
        keep(ann, data)
        ann.send("room", "between")
    world.run()
    component, other = late(world, Past(kept=True)), late(world, Past(), "other")
    ann.send("room", "new")
    world.run()
    assert component.data() == ["value", "new"]
    assert component.past == [True, False]
    assert other.data() == ["new"]
    assert bob.data() == ["old", "between", "value", "between", "new"]
    assert not component.memberships["room"].lost


def test_the_kept_value_is_the_last_of_its_batch() -> None:
    world, ann, _ = a_room(history=0, messages=0)
    for number in range(5):
        ann.outbox.append("room", None, "DATA/TEXT", bytes([number]), keep=True)
    ann.write()
    world.run()
    assert late(world, Past(kept=True)).data() == [4]


def test_a_kept_value_that_the_history_holds_comes_once() -> None:
    world, ann, _ = a_room(messages=2)
    keep(ann, "value")
    ann.send("room", "after")
    world.run()
    assert late(world, Past(last=4, kept=True)).data() == [0, 1, "value", "after"]
    assert late(world, Past(last=1, kept=True), "other").data() == ["value", "after"]


def test_a_kept_value_outlives_its_sender_and_the_members_of_its_room() -> None:
    world, ann, bob = a_room(history=0, messages=0)
    keep(ann, "value")
    world.run()
    for component in (ann, bob):
        component.client.bye()
        component.write()
        world.read(component)
        world.components.remove(component)
    world.pass_time(1000)
    assert late(world, Past(kept=True)).data() == ["value"]


def test_kept_values_count_as_memory() -> None:
    world, ann, _ = a_room(history=0, messages=0)
    for size in (100, 1000, 10):
        keep(ann, "x" * size)
        world.run()
    assert 10 < world.router.directory.budget.used < 250


def test_an_observer_and_a_lossy_member_get_the_kept_value_too() -> None:
    world, ann, _ = a_room(history=0, messages=0)
    keep(ann, "value")
    world.run()
    for mode in (Mode.LOSSY, Mode.OBSERVER):
        assert late(world, Past(kept=True), f"late {mode}", mode=mode).data() == ["value"]


def test_changing_how_one_is_a_member_brings_nothing_of_the_past() -> None:
    world, ann, bob = a_room(messages=2)
    keep(ann, "value")
    world.run()
    bob.join("room", Mode.LOSSY, past=Past(last=100, kept=True))
    world.run()
    assert bob.data() == [0, 1, "value"]
