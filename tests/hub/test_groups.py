"""
Groups: each message goes to one member, and what that one did not finish to another.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from swergio.codec.frames import Op
from swergio.hub.groups import MAX_SHARE
from swergio.messages import Kind
from tests.hub.simulation import GRACE, Component, World


def workers(world: World, *names: str, echo: bool = False) -> list[Component]:
    added = world.add(*names)
    for component in added:
        component.join("jobs", group="workers", echo=echo)
    world.run()
    return added


def handled(*components: Component) -> list[Any]:
    return [data for component in components for data in component.data("jobs")]


def test_each_message_goes_to_one_member_of_each_group_and_to_everyone_else() -> None:
    world = World()
    one, two = workers(world, "one", "two")
    ann, bob, other = world.add("ann", "bob", "other")
    bob.join("jobs")
    other.join("jobs", group="others")
    world.run()
    for number in range(100):
        assert ann.send("jobs", number)
        world.run()

    assert sorted(handled(one, two)) == list(range(100))
    assert bob.data() == other.data() == list(range(100))
    assert min(len(one.data()), len(two.data())) > 0


def test_a_batch_is_shared_by_its_messages() -> None:
    world = World()
    four = workers(world, "a", "b", "c", "d")
    (ann,) = world.add("ann")
    for number in range(8):
        ann.outbox.append("jobs", None, "DATA/TEXT", bytes([number]))
    ann.write()
    world.run(consume=False)

    assert Counter(len(worker.data()) for worker in four) == {2: 4}
    assert sorted(handled(*four)) == list(range(8))


def test_a_member_is_given_no_more_than_two_shares_ahead_and_the_next_one_when_it_is_done_with_one() -> None:
    world = World()
    busy, quick = workers(world, "busy", "quick")
    (ann,) = world.add("ann")
    for number in range(20):
        ann.send("jobs", number)
        world.step()
        quick.consume()
    for _ in range(30):
        world.step()
        quick.consume()

    assert len(busy.unread) <= 2
    assert sorted(handled(busy, quick)) == list(range(20))
    assert len(quick.data()) >= 18


def test_shares_grow_with_what_waits() -> None:
    world = World(room_limit=1_000_000, window=1_000_000)
    (worker,) = workers(world, "worker")
    (ann,) = world.add("ann")
    for number in range(40):
        ann.outbox.append("jobs", None, "DATA/TEXT", bytes([number]))
    ann.write()
    world.run(consume=False)

    assert [inbound.count for inbound in worker.unread] == [20, 10]
    assert MAX_SHARE >= 20


# -- redelivery -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["given up", "left", "closed"])
def test_what_a_member_did_not_finish_goes_to_another_and_says_so(how: str) -> None:
    world = World()
    one, two = workers(world, "one", "two")
    (ann,) = world.add("ann")
    for number in range(4):
        ann.send("jobs", number)
        world.run(consume=False)
    had = one.data("jobs")
    assert len(had) == 2
    if how == "left":
        one.leave("jobs")
    elif how == "closed":
        one.client.bye()
        one.write()
    else:
        one.cut()
        world.components.remove(one)
        world.pass_time(GRACE + 1)
    two.consume()
    world.run()

    assert sorted(two.data("jobs")) == list(range(4))
    assert sorted(number for number, attempt in zip(two.data("jobs"), two.attempts, strict=True) if attempt) == had
    assert set(two.attempts) == {0, 1}


def test_what_a_member_finished_is_not_given_to_another() -> None:
    world = World()
    one, two = workers(world, "one", "two")
    (ann,) = world.add("ann")
    for number in range(4):
        ann.send("jobs", number)
        world.run(consume=False)
    one.consume(1)
    one.client.bye()
    one.write()
    two.consume()
    world.run()

    first = one.data("jobs")[0]
    assert sorted(two.data("jobs")) == sorted({0, 1, 2, 3} - {first})


def test_a_broken_connection_costs_nothing_and_gives_nothing_to_others() -> None:
    world = World()
    one, two = workers(world, "one", "two")
    (ann,) = world.add("ann")
    for number in range(50):
        ann.send("jobs", number)
        if number % 5 == 0:
            (one, two, ann)[number // 5 % 3].cut()
        world.run(consume=number % 3 == 0)
    world.run()

    assert sorted(handled(one, two)) == list(range(50))
    assert set(one.attempts + two.attempts) == {0}


def test_a_member_whose_connection_is_broken_is_given_nothing_new() -> None:
    world = World()
    one, two = workers(world, "one", "two")
    (ann,) = world.add("ann")
    one.cut()
    for number in range(10):
        ann.send("jobs", number)
        while world.step(consume=True):
            pass
    assert two.data("jobs") == list(range(10))


# -- echo -------------------------------------------------------------------------------------------------------------


def test_a_member_does_not_get_its_own_messages_but_the_others_do() -> None:
    world = World()
    one, two = workers(world, "one", "two")
    for number in range(10):
        one.send("jobs", number)
        world.run()
    assert one.data("jobs") == []
    assert two.data("jobs") == list(range(10))


@pytest.mark.parametrize("echo", [False, True])
def test_a_request_of_the_only_member_waits_for_another_unless_it_hears_itself(echo: bool) -> None:
    world = World()
    (one,) = workers(world, "one", echo=echo)
    one.send("jobs", "question", kind=Kind.REQUEST)
    world.run()
    assert one.data("jobs") == ["question"] * echo
    (two,) = workers(world, "two")
    assert two.data("jobs") == ["question"] * (not echo)


def test_what_only_its_sender_could_take_is_passed_over_without_echo() -> None:
    world = World()
    (one,) = workers(world, "one")
    (loud,) = workers(world, "loud", echo=True)
    one.leave("jobs")
    world.run()
    loud.send("jobs", 1)
    world.run()
    loud.leave("jobs")
    world.run()
    one.join("jobs", group="workers")
    world.run()
    one.send("jobs", 2)
    world.run()
    two = workers(world, "two")[0]
    world.pass_time(GRACE + 1)

    assert loud.data("jobs") == [1]
    assert handled(one, two) == []
    assert world.router.directory.room("jobs").log.held == 0


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_a_group_that_is_behind_slows_its_senders() -> None:
    world = World()
    (worker,) = workers(world, "worker")
    (ann,) = world.add("ann")
    sent = 0
    for _ in range(200):
        sent += bool(ann.send("jobs", "x" * 100))
        world.step()
    channel = ann.channel("jobs")
    assert sent < 200
    assert channel.stalled_by == "the group 'workers'"
    assert world.router.directory.room("jobs").log.held <= world.limits["room_limit"] + 500
    while len(worker.data("jobs")) < sent:
        worker.consume()
        world.run(consume=False)
    assert worker.data("jobs") == ["x" * 100] * sent


def test_arrays_are_shared_too() -> None:
    world = World(room_limit=1_000_000, window=1_000_000, memory_limit=10_000_000)
    two = workers(world, "one", "two")
    (ann,) = world.add("ann")
    for number in range(6):
        assert ann.send("jobs", number, array=400)
    world.run()
    assert sorted(handled(*two)) == list(range(6))


def test_a_batch_that_cannot_be_taken_apart_stays_whole() -> None:
    world = World()
    worker, _ = workers(world, "one", "two")
    (ann,) = world.add("ann")
    ann.outbox.append("jobs", None, "DATA/TEXT", b"\x01")
    ann.outbox.append("jobs", None, "DATA/TEXT", b"\x02")
    batch = ann.outbox.take()
    assert batch is not None
    damaged = [bytes(batch.payload[0][:10]) + b"\xc1" + bytes(batch.payload[0][11:])]
    ann.client._control.append(ann.client._open(batch.channel))
    batch.payload[:] = damaged
    ann.client._control.append(ann.client._publish(batch))
    ann.wire.up.append(b"".join(bytes(part) for part in ann.client.collect()))
    world.read(ann)
    session = world.router.directory.sessions[worker.instance]
    packet = b"".join(world.router.collect(session))
    assert packet[0] == Op.DELIVER
    assert world.router.directory.sessions[ann.instance].alive


# -- a group without members ------------------------------------------------------------------------------------------


def test_a_group_waits_for_its_next_member_for_a_while() -> None:
    world = World()
    (one,) = workers(world, "one")
    (ann,) = world.add("ann")
    ann.send("jobs", 1)
    world.run(consume=False)
    one.client.bye()
    one.write()
    world.components.remove(one)
    world.read(one)
    ann.send("jobs", 2)
    world.run()
    world.pass_time(GRACE - 1)
    (two,) = workers(world, "two")

    assert two.data("jobs") == [1, 2]
    assert two.attempts == [1, 0]


def test_what_nobody_came_for_is_told_to_its_senders() -> None:
    world = World()
    (one,) = workers(world, "one")
    (ann,) = world.add("ann")
    for number in range(3):
        ann.send("jobs", number)
    world.run(consume=False)
    one.client.bye()
    one.write()
    world.components.remove(one)
    world.read(one)
    ann.send("jobs", 3)
    world.run()
    world.pass_time(GRACE + 1)
    world.run()
    (two,) = workers(world, "two")

    assert sorted(number for _, number, _ in ann.undelivered) == [1, 2, 3, 4]
    assert {reason for *_, reason in ann.undelivered} == {"the group 'workers' of 'jobs' is gone"}
    assert two.data("jobs") == []
    assert world.router.directory.budget.used == 0


def test_members_say_which_group_they_are_in() -> None:
    world = World()
    one, _ = workers(world, "one", "two")
    (ann,) = world.add("ann")
    ann.join("jobs")
    ann.ask("members", "jobs")
    world.run()
    members = next(value for verb, value, _ in ann.answers if verb == "members")
    assert [(instance.partition("#")[0], group) for instance, _, group in members] == [
        ("one", "workers"), ("two", "workers"), ("ann", None),
    ]  # fmt: skip
    one.join("jobs")
    world.run()
    ann.send("jobs", 1)
    world.run()
    assert one.data("jobs") == [1]


@pytest.mark.parametrize("more", [0, 5])
def test_what_a_hub_took_along_before_any_of_a_group_was_given_it_is_told_to_one_of_them(more: int) -> None:
    world = World()
    one, two = workers(world, "one", "two")
    (ann,) = world.add("ann")
    for number in range(4):
        ann.send("jobs", number)
        world.run(consume=False)
    for number in range(4, 4 + more):  # both have two shares, so these stay in the room
        ann.send("jobs", number)
        world.run(consume=False)
    world.die()
    world.run()
    world.pass_time(GRACE + 1)
    world.run()
    lost = sum((component.memberships["jobs"].lost for component in (one, two)), Counter())
    assert lost == Counter({str(ann.instance): more} if more else {})
    ann.send("jobs", "new")
    world.run()
    world.die()
    world.run()
    world.pass_time(GRACE + 1)
    world.run()
    assert sum((component.memberships["jobs"].lost for component in (one, two)), Counter()) == lost
    assert "new" in handled(one, two)


def test_a_new_hub_has_the_groups_of_the_old_one() -> None:
    world = World()
    one, two = workers(world, "one", "two")
    (ann,) = world.add("ann")
    for number in range(10):
        ann.send("jobs", number)
    world.run()
    world.die()
    world.run()
    for number in range(10, 20):
        ann.send("jobs", number)
    world.run()
    assert sorted(handled(one, two)) == list(range(20))
