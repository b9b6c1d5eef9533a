"""
A will is sent when a component is gone without having said goodbye, and only then.
"""

from __future__ import annotations

import pytest

from swergio.codec import pack
from swergio.codec.batch import encode_one
from swergio.codec.frames import Op, encode, join
from swergio.errors import ProtocolError
from swergio.hub.router import MAX_WILL
from swergio.transport import Will
from tests.hub.simulation import GRACE, Component, World


def leave(component: Component, data: object, room: str = "room", to: str | None = None) -> None:
    """
    Have a component leave a will.
    """
    channel = component.outbox.reserve(room, to)
    component.client.leave_will(Will(room, to, channel.number, encode_one("DATA/TEXT", *pack(data))))
    component.write()


def die(world: World, *components: Component) -> None:
    """
    Let components be given up.
    """
    for component in components:
        component.cut()
    for component in components:
        world.components.remove(component)
    world.pass_time(GRACE + 1)
    world.run()


def test_a_will_is_sent_when_its_component_is_given_up() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    leave(ann, "gone")
    ann.send("room", "here")
    world.run()
    assert bob.data() == ["here"]
    die(world, ann)
    assert bob.data() == ["here", "gone"]
    assert bob.received[-1].sender == ann.instance
    assert not bob.memberships["room"].lost


def test_who_says_goodbye_leaves_nothing() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    leave(ann, "gone")
    world.run()
    ann.client.bye()
    world.run()
    world.components.remove(ann)
    world.pass_time(GRACE + 1)
    world.run()
    assert bob.data() == []


def test_a_broken_connection_is_no_death() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    leave(ann, "gone")
    world.run()
    for _ in range(3):
        ann.cut()
        world.pass_time(GRACE - 1)
        world.run()
    assert bob.data() == []
    die(world, ann)
    assert bob.data() == ["gone"]


def test_the_last_will_counts_and_can_be_taken_back() -> None:
    world = World()
    ann, bob, eve = world.add("ann", "bob", "eve")
    bob.join("room")
    leave(ann, "first")
    leave(ann, "second")
    leave(eve, "never")
    eve.client.leave_will(None)
    world.run()
    die(world, ann, eve)
    assert bob.data() == ["second"]


@pytest.mark.parametrize("how", ["given up", "the hub died"])
def test_a_component_that_comes_back_has_its_will_again(how: str) -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    leave(ann, "gone")
    world.run()
    if how == "given up":
        ann.cut()
        world.pass_time(GRACE + 1)
        world.run()
        assert bob.data() == ["gone"]
    else:
        world.die()
        world.run()
    before = len(bob.data())
    die(world, ann)
    assert bob.data()[before:] == ["gone"]


def test_a_will_can_go_to_one_component() -> None:
    world = World()
    ann, bob, eve = world.add("ann", "bob", "eve")
    for member in (bob, eve):
        member.join("room")
    leave(ann, "gone", to="bob")
    world.run()
    die(world, ann)
    assert bob.data() == ["gone"]
    assert eve.data() == []
    assert not bob.lost_directly


def test_a_full_room_takes_a_will() -> None:
    world = World()
    ann, bob, eve = world.add("ann", "bob", "eve")
    bob.join("room")
    leave(ann, "gone")
    world.run()
    while eve.send("room", "x" * 500):
        world.step()
    ann.cut()
    world.components.remove(ann)
    world.pass_time(GRACE + 1)
    world.run()
    assert "gone" in bob.data()


@pytest.mark.parametrize(
    ("header", "size"),
    [((0, 1, "room", None), MAX_WILL + 1), ((0, 1, "", None), 1), ((0, 1, "room", "#"), 1), ((0, 1, None, None), 1)],
)
def test_a_will_that_makes_no_sense_is_a_protocol_error(header: tuple[object, ...], size: int) -> None:
    world = World()
    (ann,) = world.add("ann")
    ann.wire.up.append(join(encode(Op.WILL, *header, payload=(bytes(size),))))
    with pytest.raises((ProtocolError, ValueError)):
        world.read(ann)
