"""
Requests that find nobody yet, that shall not wait, and that are taken back.
"""

from __future__ import annotations

import pytest

from swergio.codec import pack
from swergio.hub.placing import Somebody
from swergio.messages import Kind
from swergio.transport import Mode
from tests.hub.simulation import Component, World


def request(component: Component, data: object, room: str = "room", **how: object) -> int:
    return component.send(room, data, kind=Kind.REQUEST, **how)  # type: ignore[arg-type]


def test_a_request_waits_for_a_first_member_and_what_follows_waits_behind_it() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    request(ann, "who?")
    ann.send("room", "later")
    world.run()
    assert ann.outbox.unacknowledged == 2

    bob.join("room")
    world.run()
    assert bob.data() == ["who?", "later"]
    assert ann.outbox.unacknowledged == 0


@pytest.mark.parametrize("mode", [Mode.RELIABLE, Mode.LOSSY])
def test_a_lossy_member_can_answer_and_an_observer_and_the_sender_itself_cannot(mode: Mode) -> None:
    world = World()
    ann, bob, eye = world.add("ann", "bob", "eye")
    ann.join("room")
    eye.join("room", Mode.OBSERVER)
    world.run()
    request(ann, "who?")
    world.run()
    assert ann.outbox.unacknowledged == 1

    bob.join("room", mode)
    world.run()
    assert bob.data() == eye.data() == ["who?"]


def test_a_sender_that_hears_itself_can_answer_itself() -> None:
    world = World()
    (ann,) = world.add("ann")
    ann.join("room", echo=True)
    world.run()
    request(ann, "who?")
    world.run()
    assert ann.data() == ["who?"]


def test_an_observer_that_becomes_a_member_gets_the_request_that_waited() -> None:
    world = World()
    ann, eye = world.add("ann", "eye")
    eye.join("room", Mode.OBSERVER)
    world.run()
    request(ann, "who?")
    world.run()
    eye.join("room")
    world.run()
    assert eye.data() == ["who?"]


def test_a_request_that_shall_not_wait_is_returned_when_nobody_is_there() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    request(ann, 1, now=True)
    world.run()
    assert ann.undelivered == [(0, 1, "no members")]
    assert ann.outbox.unacknowledged == 0

    bob.join("room")
    world.run()
    request(ann, 2, now=True)
    world.run()
    assert bob.data() == [2]


def test_a_request_that_was_returned_is_no_loss_to_anyone() -> None:
    world = World()
    ann, bob, eye = world.add("ann", "bob", "eye")
    eye.join("room", Mode.OBSERVER)
    world.run()
    ann.send("room", 1)
    request(ann, 2, now=True)
    world.run()
    bob.join("room")
    world.run()
    ann.send("room", 3)
    world.run()

    assert eye.data() == [1, 3]
    assert bob.data() == [3]
    assert not eye.memberships["room"].dropped
    assert not bob.memberships["room"].lost


def test_a_request_that_was_returned_is_no_loss_to_those_who_join_before_the_hub_dies() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    request(ann, 1, now=True)
    world.run()
    bob.join("room")
    world.run()
    world.die()
    ann.send("room", 2)
    world.run()
    assert bob.data() == [2]
    assert not bob.memberships["room"].lost


def test_what_follows_a_returned_request_is_known_to_follow_it_alone() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    request(ann, 1, now=True)
    bob.join("room")
    world.run()
    for number in range(2, 4):
        ann.send("room", number, type=f"T{number}")
    world.run()
    log = world.router.directory.room("room").log
    assert [(entry.after, entry.last) for entry in map(log.entry, range(log.end_index))] == [(0, 2), (2, 3)]


def test_a_request_to_a_name_waits_for_its_first_instance() -> None:
    world = World()
    (ann,) = world.add("ann")
    request(ann, "you?", to="bob")
    world.run()
    (bob,) = world.add("bob")
    world.run()
    assert bob.data() == ["you?"]


@pytest.mark.parametrize("room", ["room", "room#7"])
def test_a_request_that_shall_not_wait_does_not_in_a_hub_that_is_young_either(room: str) -> None:
    world = World()
    (ann,) = world.add("ann")
    request(ann, 1, room, now=True)
    world.run()
    assert ann.undelivered == [(0, 1, "no members")]


def test_requests_of_who_is_gone_are_not_kept() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    request(ann, "who?")
    world.run()
    world.components.remove(ann)
    ann.client.bye()
    ann.write()
    world.read(ann)
    world.pass_time(1)
    assert not world.router.placing.parking._waiting

    bob.join("room")
    world.run()
    assert bob.data() == []


def test_a_request_of_who_is_gone_reaches_nobody() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    request(ann, "who?")
    world.run()
    world.components.remove(ann)
    ann.client.bye()
    ann.write()
    world.read(ann)
    bob.join("room")
    world.run()
    assert bob.data() == []


def test_a_request_goes_to_a_member_that_comes_back_to_a_new_hub() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    world.die()
    ann.connect()
    world.step()
    request(ann, "who?")
    world.read(ann)
    assert len(world.router.placing.parking.awaited(Somebody)) == 1
    world.run()
    assert bob.data() == ["who?"]


def test_channels_that_wait_are_counted_once_however_often_they_reconnect() -> None:
    world = World()
    (ann,) = world.add("ann")
    request(ann, "who?")
    for _ in range(5):
        world.run()
        ann.cut()
    world.run()
    ((_, channels),) = world.router.placing.parking._waiting.items()
    assert len(channels) == 1


def test_a_returned_request_is_no_loss_to_who_changes_how_it_is_a_member() -> None:
    world = World()
    ann, eye = world.add("ann", "eye")
    eye.join("room", Mode.OBSERVER)
    world.run()
    request(ann, 1, now=True)
    world.run()
    eye.join("room")
    world.run()
    assert not eye.memberships["room"].lost
    assert not eye.memberships["room"].dropped


# -- taken back -------------------------------------------------------------------------------------------------------


def test_a_withdrawn_request_reaches_nobody_and_what_followed_it_does() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    number = request(ann, "who?")
    ann.send("room", "later")
    world.run()
    ann.withdraw("room", number)
    world.run()
    assert ann.outbox.unacknowledged == 0

    bob.join("room")
    world.run()
    ann.send("room", "last")
    world.run()
    assert bob.data() == ["last"]
    assert not bob.memberships["room"].lost


def test_a_request_in_the_middle_can_be_withdrawn() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    numbers = []
    for data in range(3):
        numbers.append(request(ann, data))
        ann.send("room", f"after {data}")
    world.run()
    ann.withdraw("room", numbers[1])
    world.run()
    bob.join("room")
    world.run()

    assert bob.data() == [0, "after 0", "after 1", 2, "after 2"]
    assert not bob.memberships["room"].lost
    assert ann.outbox.unacknowledged == 0


def test_members_that_were_there_count_no_loss_when_a_request_is_withdrawn_from_a_full_room() -> None:
    world = World()
    ann, slow = world.add("ann", "slow")
    slow.join("room")
    world.run()
    while len(ann.channel("room").closed) < 3:
        ann.send("room", "x" * 300)
        world.run(consume=False)
    number = request(ann, "who?")
    world.run(consume=False)
    ann.withdraw("room", number)
    ann.consume()
    world.run()
    ann.send("room", "last")
    world.run()

    assert slow.data()[-1] == "last"
    assert "who?" not in slow.data()
    assert not slow.memberships["room"].lost


def test_requests_that_travel_together_go_when_all_are_withdrawn() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    for data in range(3):
        ann.outbox.append("room", None, "DATA/TEXT", *pack(data), kind=Kind.REQUEST)
    ann.write()
    world.run()
    ann.withdraw("room", 1)
    ann.withdraw("room", 3)
    world.run()
    assert ann.outbox.unacknowledged == 3
    ann.withdraw("room", 2)
    world.run()
    assert ann.outbox.unacknowledged == 0
    bob.join("room")
    world.run()
    assert bob.data() == []


def test_a_request_that_is_withdrawn_while_it_waits_in_the_outbox_reaches_nobody() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    _, number = ann.outbox.append("room", None, "DATA/TEXT", *pack("who?"), kind=Kind.REQUEST)
    ann.client.withdraw(0, number)  # before the loop looked at the outbox
    ann.write()
    bob.join("room")
    world.run()
    ann.send("room", "last")
    world.run()

    assert bob.data() == ["last"]
    assert ann.outbox.unacknowledged == 0


def test_a_request_that_is_withdrawn_while_the_connection_is_away_reaches_nobody() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    number = request(ann, "who?")
    world.run()
    ann.cut()
    ann.withdraw("room", number)
    ann.connect()
    world.run()
    bob.join("room")
    world.run()

    assert bob.data() == []
    assert ann.outbox.unacknowledged == 0
    assert not ann.client._withdrawn


def test_withdrawing_what_was_delivered_changes_nothing() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    number = request(ann, "who?")
    world.run()
    ann.withdraw("room", number)
    ann.withdraw("room", 999)
    ann.send("room", "last")
    world.run()

    assert bob.data() == ["who?", "last"]
    assert world.router.directory.sessions[ann.instance].channels[0].withdrawn == {999}
