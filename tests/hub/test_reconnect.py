"""
Connections that break, one case at a time. `test_resume_stateful` looks for the cases that are not here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from swergio.codec import pack
from swergio.messages import Kind
from tests.hub import checks
from tests.hub.simulation import GRACE, Component, World


def play(world: World, cut: Callable[[Component], None]) -> list[Component]:
    """
    A conversation with rooms, replies and arrays, in which ``cut`` is called after each packet.
    """
    ann, bob, cy = world.add("ann", "bob", "cy")
    steps: list[Callable[[], object]] = [
        lambda: bob.join("room"),
        lambda: ann.send("room", 1),
        lambda: cy.join("room", echo=True),
        lambda: [ann.send("room", 2, array=200), cy.send("room", 3), bob.send("room", 4)],
        lambda: [ann.send("label", 5, to="bob"), bob.send("label", 6, to=ann.instance, kind=Kind.REPLY)],
        lambda: [ann.send("room", 7, type="DATA/CUSTOM"), ann.send("room", 8)],
    ]
    for step in steps:
        step()
        for _ in range(4):
            for component in world.components:
                while component.wire.up:
                    world.read(component, 1)
                    cut(component)
            world.flush()
            for component in world.components:
                while component.wire.down:
                    component.read(1)
                    cut(component)
    world.run()
    world.pass_time(GRACE + 1)
    world.run()
    return world.components


@pytest.mark.parametrize("hub_knows", [True, False])
def test_a_cut_after_any_packet_changes_nothing(hub_knows: bool) -> None:
    packets = 0

    def count(_: Component) -> None:
        nonlocal packets
        packets += 1

    undisturbed = [component.data() for component in play(World(), count)]
    assert [sorted(data) for data in undisturbed] == [[6], [1, 2, 3, 5, 7, 8], [2, 3, 4, 7, 8]]
    for place in range(packets):
        left = place

        def cut(component: Component) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                component.cut(hub_knows=hub_knows)
                component.connect()
                left = 10**9

        world = World()
        data = [sorted(component.data()) for component in play(world, cut)]
        assert data == [sorted(data) for data in undisturbed], f"cut after packet {place}"
        for check in (checks.check_rooms, checks.check_inboxes, checks.check_order, checks.check_rest):
            check(world)


def test_lost_acknowledgements_repeat_nothing() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    for number in range(300):
        ann.send("room", number)
        world.read(ann)
        world.flush()
        assert ann.outbox.unacknowledged == 1
        ann.cut(hub_knows=bool(number % 2))
        ann.connect()
        world.read(ann)
        world.flush()
        ann.read()
        bob.read()
        bob.consume()
        world.read(bob)
    world.run()

    assert bob.data() == list(range(300))
    assert bob.client.reader.duplicates == 0


def test_a_member_whose_link_broke_gets_what_it_had_not_received_once() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    for number in range(6):
        ann.send("room", number, type=f"T{number % 2}")
        world.read(ann)
        world.flush()
        if number % 2:
            bob.cut()
            bob.connect()
            world.read(bob)
    world.run()
    assert bob.data() == list(range(6))


def test_parked_batches_are_dropped_with_the_link_and_come_again() -> None:
    world = World()
    ann, slow = world.add("ann", "slow")
    slow.join("room")
    world.run()
    while ann.send("room", "x" * 300):
        world.run(consume=False)
    (channel,) = world.router.directory.sessions[ann.instance].channels.values()
    assert channel.parked
    ann.cut()
    assert not channel.parked
    assert channel.waiting == 0
    slow.consume()
    world.read(slow)  # there is space, and nobody to fill it
    world.run(consume=False)

    assert ann.channel("room").stalled_by == slow.instance  # who is told again
    world.run()
    assert len(slow.data()) == ann.channel("room").last


def test_a_sender_whose_link_broke_while_it_waited_is_told_again_whom_it_waits_for() -> None:
    world = World()
    ann, slow = world.add("ann", "slow")
    slow.join("room")
    world.run()
    while ann.send("room", "x" * 300):
        world.run(consume=False)
    ann.cut()
    ann.connect()
    assert ann.channel("room").stalled_by == slow.instance  # until the hub is heard again
    world.run(consume=False)
    assert ann.channel("room").stalled_by == slow.instance


def test_what_was_taken_from_the_outbox_and_not_written_comes_again_in_its_order() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", 0)  # and it is lost
    for number in (1, 2):
        ann.outbox.append("room", None, f"T{number}", *pack({"data": number, "array": np.zeros(number)}))
    ann.client.beat()
    assert ann.client.collect()  # the wire takes no more for now; arrays wait for a packet of their own
    ann.cut()
    world.run()
    assert bob.data() == [0, 1, 2]


def test_own_messages_behind_the_last_received_one_are_no_gap() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    for member in (ann, bob):
        member.join("room")
    world.run()
    bob.send("room", 0)
    world.run()
    for number in range(1, 4):
        ann.send("room", number)
    world.run()
    world.pass_time(GRACE + 1)
    ann.cut()
    world.run()
    bob.send("room", 4)
    world.run()

    assert ann.data() == [0, 4]
    assert bob.data() == [1, 2, 3]
    assert not ann.memberships["room"].lost


def test_what_was_handled_while_the_link_was_away_is_reported_afterwards() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    world.pass_time(GRACE + 1)
    ann.send("room", 1)
    world.run(consume=False)
    bob.cut()
    bob.consume()
    world.run()
    assert world.router.directory.room("room").log.held == 0
