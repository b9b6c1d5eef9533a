"""
What a sender is told of its messages: that they are taken, or that they reached nobody.
"""

from __future__ import annotations

import pytest

from swergio.messages import Kind
from tests.hub.simulation import World


@pytest.mark.parametrize("lazily", [True, False])
def test_a_sender_learns_of_what_reached_nobody_once_though_the_connection_broke(lazily: bool) -> None:
    for received in (0, 1, 2):
        world = World()
        (ann,) = world.add("ann")
        for data in range(3):
            ann.send("label", data, to="nobody", type=f"T{data}")
        ann.send("room", "who?", kind=Kind.REQUEST, now=True)
        world.read(ann)
        world.flush(lazily=lazily)
        ann.read(received)
        ann.cut()
        world.run()

        assert sorted(ann.undelivered) == [
            (0, 1, "nobody is not connected"), (0, 2, "nobody is not connected"), (0, 3, "nobody is not connected"),
            (1, 1, "no members"),
        ]  # fmt: skip
        ann.cut()
        world.run()
        assert len(ann.undelivered) == 4


def test_a_sender_learns_of_those_that_it_does_not_know_of_and_no_others() -> None:
    world = World()
    (ann,) = world.add("ann")
    ann.send("label", 1, to="nobody")
    world.run()
    for number in (2, 3):
        ann.send("label", number, to="nobody")
    world.read(ann)
    world.flush()
    ann.cut()
    world.run()
    assert [number for _, number, _ in ann.undelivered] == [1, 2, 3]


def test_sync_is_answered_when_everything_is_acknowledged() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    ann.ask("sync")
    world.run()
    assert ann.answers == [("sync", True, None)]

    ann.send("room", "who?", kind=Kind.REQUEST)
    ann.ask("sync")
    world.run()
    assert len(ann.answers) == 1
    ann.cut()
    world.run()
    bob.join("room")
    left: list[int] = []
    ann.client.ask("sync", (), lambda value, error: left.append(ann.outbox.unacknowledged))
    world.run()
    assert len(ann.answers) == 2
    assert left == [0]
