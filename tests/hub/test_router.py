"""
Where messages go: rooms, inboxes, observers, membership.
"""

from __future__ import annotations

from importlib.metadata import version

import pytest

from swergio.messages import Kind
from swergio.transport import Mode
from tests.hub.simulation import World


def test_a_member_gets_everything_that_is_sent_after_its_join_was_answered() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    ann.send("room", "before")
    world.run()
    bob.join("room")
    world.read(bob)
    ann.send("room", "after")  # the answer is still on its way
    world.run()

    assert bob.data() == ["after"]


def test_messages_arrive_in_one_order_at_all_members() -> None:
    world = World()
    ann, bob, cy, dan = world.add("ann", "bob", "cy", "dan")
    for member in (cy, dan):
        member.join("room")
    world.run()
    for number in range(20):
        ann.send("room", f"ann {number}")
        bob.send("room", f"bob {number}", type="DATA/CUSTOM")
        if number % 3 == 0:
            world.step()
    world.run()

    assert cy.data() == dan.data()
    assert [data for data in cy.data() if data.startswith("ann")] == [f"ann {number}" for number in range(20)]
    assert len(cy.data()) == 40


def test_a_sender_gets_no_echo_unless_it_asks_for_it() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    ann.join("room")
    bob.join("room", echo=True)
    world.run()
    for component in (ann, bob):
        component.send("room", f"of {component.instance.name}")
    world.run()

    assert ann.data() == ["of bob"]
    assert sorted(bob.data()) == ["of ann", "of bob"]


def test_echo_can_be_switched_on_and_what_came_before_is_no_loss() -> None:
    world = World()
    (ann,) = world.add("ann")
    ann.join("room", echo=True)
    world.run()
    for number, echo in enumerate([True, False, True]):
        ann.join("room", echo=echo)
        world.run()
        ann.send("room", number)
        world.run()

    assert ann.data() == [0, 2]
    assert not ann.memberships["room"].lost


def test_who_left_a_room_gets_nothing_more_of_it() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", "on its way")
    world.step()
    bob.leave("room")
    ann.send("room", "later")
    world.run()

    assert bob.data("room") in ([], ["on its way"])
    assert world.router.rooms.members("room") == []


def test_leaving_while_the_join_is_not_answered_leaves() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    bob.leave("room")
    world.run()
    bob.connect()  # must not bring the room back
    world.run()
    ann.send("room", "hello")
    world.run()

    assert world.router.rooms.members("room") == []
    assert bob.data() == []


def test_a_join_whose_answer_nobody_awaits_takes_effect_and_blocks_nobody() -> None:
    world = World(room_limit=500)
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    bob.client.forget(1)
    world.run()
    for number in range(50):
        ann.send("room", number)
        world.run()

    assert bob.data() == list(range(50))


def test_rejoining_begins_anew() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", 1)
    world.run()
    bob.leave("room")
    world.run()
    ann.send("room", 2)
    world.run()
    bob.join("room")
    world.run()
    ann.send("room", 3)
    world.run()

    assert bob.data() == [1, 3]
    assert not bob.memberships["room"].lost


# -- direct messages --------------------------------------------------------------------------------------------------


def test_a_message_to_a_name_reaches_every_instance_and_one_to_an_instance_only_that() -> None:
    world = World()
    ann, bob, other = world.add("ann", "bob", "bob")
    ann.send("label", "both", to="bob")
    ann.send("label", "one", to=other.instance)
    world.run()

    assert bob.data() == ["both"]
    assert other.data() == ["both", "one"]
    assert [(got.room, got.to) for got in other.received] == [("label", "bob"), ("label", other.instance)]


def test_a_component_reaches_itself_by_its_name() -> None:
    world = World()
    (ann,) = world.add("ann")
    ann.send("label", "note", to="ann")
    world.run()
    assert ann.data() == ["note"]


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_of_direct_message_arrives_as_what_it_is(kind: Kind) -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    ann.send("label", "direct", to=bob.instance, kind=kind)
    world.run()
    assert bob.data() == ["direct"]


def test_a_message_to_nobody_is_returned_and_harms_nothing() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    ann.send("label", 1, to="nobody")
    ann.send("label", 2, to="nobody")
    ann.send("label", 3, to="bob")
    world.run()

    assert ann.undelivered == [(0, 1, "nobody is not connected"), (0, 2, "nobody is not connected")]
    assert bob.data() == [3]
    assert ann.outbox.unacknowledged == 0


def test_observers_see_the_direct_messages_of_their_room() -> None:
    world = World()
    ann, _, eye, cy = world.add("ann", "bob", "eye", "cy")
    eye.join("room", Mode.OBSERVER)
    cy.join("room")
    world.run()
    ann.send("room", "secret", to="bob", kind=Kind.FEEDBACK)
    ann.send("room", "open")
    ann.send("elsewhere", "unseen", to="bob")
    world.run()

    assert sorted(eye.data()) == ["open", "secret"]
    assert cy.data() == ["open"]
    assert not eye.memberships["room"].dropped


def test_an_observer_does_not_count_what_it_does_not_see_of_direct_messages() -> None:
    world = World()
    ann, _, eye = world.add("ann", "bob", "eye")
    for number in range(3):
        ann.send("room", number, to="bob")
    world.run()
    eye.join("room", Mode.OBSERVER)
    world.run()
    ann.send("room", 3, to="bob")
    world.run()

    assert eye.data() == [3]
    assert eye.memberships["room"].dropped == 0


# -- who is there -----------------------------------------------------------------------------------------------------


def test_members_and_rooms_are_told() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    ann.join("room")
    bob.join("room", Mode.LOSSY)
    bob.join("other", Mode.OBSERVER)
    world.run()
    ann.answers.clear()
    for verb, *arguments in (("members", "room"), ("members", "empty"), ("rooms",), ("about",)):
        ann.ask(verb, *arguments)
    world.run()

    members, nobody, rooms, about = (value for _, value, _ in ann.answers)
    assert members == [[ann.instance, "reliable", None], [bob.instance, "lossy", None]]
    assert nobody == []
    assert [(room["room"], len(room["members"])) for room in rooms] == [("other", 1), ("room", 2)]
    assert about == {"swergio": version("swergio")}


PLAIN = [None, None, None, False]  # no group, and nothing of the past


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("dance", []), ("join", ["room"]), ("join", ["room", "reliable", False]),
        ("join", ["room", "reliable", 1, *PLAIN]), ("join", ["room", "best", False, *PLAIN]),
        ("join", ["", "reliable", False, *PLAIN]), ("join", ["x" * 129, "reliable", False, *PLAIN]),
        ("join", [7, "reliable", False, *PLAIN]), ("join", ["room", [], False, *PLAIN]),
        ("join", ["room", "lossy", False, "group", None, None, False]),
        ("join", ["room", "reliable", False, "", None, None, False]),
        ("join", ["room", "reliable", False, 7, None, None, False]),
        ("join", ["room", "reliable", False, None, 0, None, False]),
        ("join", ["room", "reliable", False, None, True, None, False]),
        ("join", ["room", "reliable", False, None, None, "now", False]),
        ("join", ["room", "reliable", False, None, None, None, None]),
        ("watch", [" "]), ("members", [None]), ("rooms", [1]), ("leave", []),
    ],
)  # fmt: skip
def test_a_question_that_makes_no_sense_gets_an_error_and_costs_nothing(verb: str, arguments: list[object]) -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    ann.ask(verb, *arguments)
    world.run()
    ann.send("label", "still here", to="bob")
    world.run()

    ((_, value, error),) = ann.answers
    assert value is None
    assert error
    assert bob.data() == ["still here"]


def test_joins_and_leaves_are_told_to_who_watches() -> None:
    world = World()
    ann, bob, cy = world.add("ann", "bob", "cy")
    ann.client.watching("room", wanted=True)
    ann.ask("watch", "room")
    world.run()
    bob.join("room")
    cy.join("room")
    world.run()
    bob.leave("room")
    cy.client.bye()
    world.step()
    ann.ask("unwatch", "room")
    world.run()
    bob.join("room")
    world.run()

    assert ann.presences == [
        ("room", bob.instance, True), ("room", cy.instance, True),
        ("room", bob.instance, False), ("room", cy.instance, False),
    ]  # fmt: skip


@pytest.mark.parametrize("wanted", [True, False])
def test_watching_goes_on_after_a_reconnect_unless_it_ended(wanted: bool) -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    ann.client.watching("room", wanted=True)
    ann.ask("watch", "room")
    world.run()
    ann.cut()
    ann.client.watching("room", wanted=wanted)
    ann.connect()
    world.run()
    bob.join("room")
    world.run()

    assert bool(ann.presences) == wanted


def test_senders_that_have_gone_are_forgotten_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swergio.hub.directory.MAX_SOURCES", 3)
    monkeypatch.setattr("swergio.hub.rooms.MAX_SOURCES", 3)
    world = World()
    (member,) = world.add("member")
    member.join("room")
    world.run()
    senders = world.add(*(f"sender-{number}" for number in range(5)))
    for sender in senders:
        sender.send("room", sender.instance)
    world.run()
    for sender in senders[1:]:
        sender.cut()
    world.pass_time(21)
    log = world.router.directory.rooms["room"].log
    assert log.positions.senders() == {senders[0].instance}
    assert len(member.data()) == 5


def test_empty_rooms_are_forgotten_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swergio.hub.rooms.MAX_IDLE", 5)
    world = World()
    (ann,) = world.add("ann")
    for number in range(20):
        ann.join(f"room {number}")
    world.run()
    for number in range(20):
        ann.leave(f"room {number}")
    world.run()
    world.pass_time(21)
    assert len(world.router.directory.rooms) == 5
