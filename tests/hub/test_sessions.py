"""
Who may be who, and what becomes of those who go, come back, or are replaced.
"""

from __future__ import annotations

from typing import Any

import pytest

from swergio.codec.frames import VERSION, Op, encode, join, parse
from swergio.errors import AccessRefused, IncompatiblePeer, NameTaken, ProtocolError
from swergio.hub.greeting import Hello, Membership
from swergio.hub.router import Refused
from swergio.transport import Mode
from tests.hub.logs import a_log
from tests.hub.logs import member as member_of
from tests.hub.simulation import GRACE, Component, World
from tests.hub.wire import Wire

EMPTY = Hello([], [], [0, 0, 0], []).pack()


def greet(world: World, *header: Any, payload: bytes = EMPTY) -> Any:
    frame = next(parse(join(encode(Op.HELLO, *header, payload=(payload,)))))
    return world.router.greet(Wire(), frame)


def hello(
    name: str = "ann", instance: str = "ann#1", secret: bytes = b"secret", *, unique: bool = False
) -> tuple[Any, ...]:
    return VERSION, name, instance, secret, unique, None, {}


@pytest.mark.parametrize("version", [VERSION - 1, -1, "1", 1.0, None, True])
def test_another_version_is_refused(version: Any) -> None:
    world = World()
    with pytest.raises(Refused) as caught:
        greet(world, version, *hello()[1:])
    assert caught.value.code == "version"
    assert repr(version) in str(caught.value)
    assert world.router.components == 0


def test_another_version_is_told_whatever_else_hello_says() -> None:
    world = World()
    with pytest.raises(Refused) as caught:
        greet(world, 0, "of", "an", "earlier", "protocol", payload=b"\xff")
    assert caught.value.code == "version"


def test_who_speaks_a_later_version_too_is_told_this_one() -> None:
    world = World()
    session, _ = greet(world, VERSION + 1, *hello()[1:], "what version 2 has beside")
    (welcome, *_) = parse(join(world.router.collect(session)))
    assert (welcome.op, welcome.header[0]) == (Op.WELCOME, VERSION)


@pytest.mark.parametrize("name", ["", " ", "a b ", "a\tb", "x" * 129, "ann#2"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    world = World()
    with pytest.raises(Refused) as caught:
        greet(world, *hello(name, f"{name}#1"))
    assert caught.value.code == "name"


@pytest.mark.parametrize("instance", ["ann", "bob#1", "ann#", "ann#a b", "ann#" + "x" * 33, "#1", ""])
def test_an_instance_that_does_not_fit_its_name_is_malformed(instance: str) -> None:
    world = World()
    with pytest.raises(ProtocolError):
        greet(world, *hello(instance=instance))
    assert world.router.components == 0


def test_nobody_takes_over_a_session_without_its_secret() -> None:
    world = World()
    session, old = greet(world, *hello())
    link = session.link
    assert old is None
    with pytest.raises(Refused) as caught:
        greet(world, *hello(secret=b"guess"))
    assert caught.value.code == "access"
    assert session.link is link


def test_a_second_link_takes_over_and_the_first_one_is_named() -> None:
    world = World()
    first, _ = greet(world, *hello())
    link = first.link
    second, old = greet(world, *hello())
    assert second is first
    assert old is link
    assert first.link is not link

    world.router.detach(first, link)  # the server learns late that the first one is gone
    assert first.link is not None


def test_nothing_that_was_on_the_first_link_counts_after_a_takeover() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", 1)
    world.run()
    ann.send("room", 2)
    late = ann.wire
    ann.wire = Wire()
    ann.client.begin()
    ann.write()
    world.read(ann)
    for packet in late.up:
        assert late.session is not None
        assert late.session.link is not late  # which is what the server looks at before it takes a packet
        assert packet
    world.run()
    assert bob.data() == [1, 2]


def test_too_many_components_are_refused_for_now() -> None:
    world = World(max_sessions=1)
    (ann,) = world.add("ann")
    with pytest.raises(Refused) as caught:
        greet(world, *hello("bob", "bob#1"))
    assert caught.value.code == "busy"
    ann.cut()
    ann.connect()
    world.run()  # who was there may come back
    assert ann.client.welcomed


@pytest.mark.parametrize(
    ("code", "error"),
    [("version", IncompatiblePeer), ("access", AccessRefused), ("name", NameTaken), ("busy", None)],
)
def test_a_refusal_is_final_unless_it_may_pass(code: str, error: type[Exception] | None) -> None:
    world = World()
    component = Component(world, "ann")
    component.client.begin()
    component.client.receive(join(encode(Op.REFUSE, code, "why")))
    refusal = component.client.refusal
    assert (refusal is None) if error is None else isinstance(refusal, error)


def test_a_component_is_in_the_rooms_that_it_names_as_it_names_them() -> None:
    world = World()
    for said in ([("room", "lossy", False, 0)], [("room", "reliable", True, 0), ("other", "observer", False, 0)], []):
        memberships = [Membership(room, Mode(mode), echo, None, offset, []) for room, mode, echo, offset in said]
        session, _ = greet(world, *hello(), payload=Hello([], memberships, [0, 0, 0], []).pack())
        assert {(room, str(c.mode), c.echo, 0) for room, c in session.rooms.items()} == set(said)
        assert all(len(world.router.rooms.members(room)) == (room in session.rooms) for room in ("room", "other"))


# -- unique -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (True, True)])
def test_of_a_unique_name_there_is_one(first: bool, second: bool) -> None:
    world = World()
    session, _ = greet(world, *hello(unique=first))
    with pytest.raises(Refused) as caught:
        greet(world, *hello(instance="ann#2", unique=second))
    assert caught.value.code == "name"
    assert "ann#1" in str(caught.value)

    world.router.detach(session, session.link)
    replacement, _ = greet(world, *hello(instance="ann#2", unique=second))
    assert not session.alive
    assert world.router.directory.named("ann") == [replacement]


def test_who_is_unique_may_reconnect() -> None:
    world = World()
    (ann,) = world.add("ann", unique=True)
    ann.connect()
    world.run()
    assert ann.client.welcomed


# -- going ------------------------------------------------------------------------------------------------------------


def test_bye_ends_a_session_at_once() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    bob.send("label", "before the end", to="ann")
    world.read(bob)
    bob.client.bye()
    bob.send("room", "after the end")
    bob.write()
    world.read(bob)

    assert world.router.components == 1
    assert world.router.rooms.members("room") == []
    assert not world.router.placing._towards
    ann.send("label", "hello?", to=bob.instance)
    world.read(ann)
    world.flush()
    ann.read()
    assert len(ann.undelivered) == 1


@pytest.mark.parametrize(
    "frame",
    [
        encode(Op.ASK, 1, "join", ["room", "reliable", False]),
        encode(Op.OPEN, 0, "room", None, 0),
        encode(Op.BYE),
        encode(Op.BEAT),
    ],
)
def test_nothing_is_taken_after_bye(frame: list[bytes]) -> None:
    world = World()
    session, _ = greet(world, *hello())
    world.router.receive_packet(session, join(encode(Op.BYE)))
    with pytest.raises(ProtocolError):
        world.router.receive_packet(session, join(frame))
    assert world.router.rooms.members("room") == []
    assert world.router.components == 0


def test_a_session_outlives_its_link_for_a_while() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    bob.cut()
    world.pass_time(GRACE - 1)
    assert [cursor.instance for cursor in world.router.rooms.members("room")] == [bob.instance]
    ann.send("room", 1)
    ann.send("label", 2, to=bob.instance)
    world.run()
    assert bob.data() == [1, 2]

    bob.cut()
    world.pass_time(GRACE)
    assert world.router.rooms.members("room") == []
    assert world.router.components == 1


def test_who_is_connected_does_not_expire() -> None:
    world = World()
    world.add("ann")
    world.pass_time(10 * GRACE)
    assert world.router.components == 1


def test_who_expired_comes_back_as_the_member_it_was_and_knows_what_it_missed() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", "first")
    ann.send("label", "direct", to=bob.instance)
    world.run()
    bob.cut()
    world.pass_time(GRACE + 1)
    for number in range(3):
        ann.send("room", number)
        ann.send("label", number, to=bob.instance)
    world.run()

    ann.send("room", "last")
    ann.send("label", "last direct", to=bob.instance)
    world.run()
    assert bob.data() == ["first", "direct", "last", "last direct"]
    assert bob.memberships["room"].lost == {ann.instance: 3}
    assert bob.lost_directly == {ann.instance: 3}
    assert len(ann.undelivered) == 3


def test_who_expired_and_comes_back_learns_of_senders_it_never_heard_of() -> None:
    world = World()
    (bob,) = world.add("bob")
    bob.join("room")
    world.run()
    bob.cut()
    world.pass_time(GRACE + 1)
    world.components.clear()
    (ann,) = world.add("ann")
    for number in range(3):
        ann.send("room", number)
    world.run()
    ann.client.bye()
    ann.write()
    world.read(ann)
    world.pass_time(3600)
    world.components.append(bob)
    bob.connect()
    world.read(bob)
    world.flush()
    bob.read()

    assert bob.memberships["room"].lost == {ann.instance: 3}


def test_a_sender_that_expired_goes_on_without_loss_or_repetition() -> None:
    world = World()
    ann, bob, late = world.add("ann", "bob", "late")
    bob.join("room")
    world.run()
    ann.send("room", 1)
    world.run()
    ann.send("room", 2)
    world.read(ann)
    world.flush(lazily=False)  # the acknowledgement does not get back
    ann.cut()
    world.pass_time(GRACE + 1)
    late.join("room")
    ann.send("room", 3)
    world.run()

    assert bob.data() == [1, 2, 3]
    assert late.data() == [3]
    assert bob.client.reader.duplicates == 1
    assert not bob.memberships["room"].lost
    assert not late.memberships["room"].lost


def test_a_component_that_reads_nothing_is_noticed() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    session = world.router.directory.sessions[ann.instance]
    ann.client.watching("room", wanted=True)
    ann.ask("watch", "room")
    world.run()
    member = member_of(a_log(), bob.instance)
    for _ in range(5001):
        world.router.rooms.presence.announce("room", member, joined=True)
        world.router.rooms.presence.announce("room", member, joined=False)
    assert world.router.overrun(session)
