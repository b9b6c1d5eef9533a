"""
What happens when somebody is too slow: who waits, who does not, and what it costs.
"""

from __future__ import annotations

from typing import Any

import pytest

from swergio.channels import Channel
from swergio.codec import pack
from swergio.codec.frames import Op, encode, join
from swergio.errors import ProtocolError
from swergio.messages import Kind
from swergio.transport import Mode
from tests.hub.simulation import Component, World

TEXT = "x" * 300


def fill(world: World, sender: Component, room: str = "room", *, count: int = 1000) -> int:
    """
    Send single messages until the outbox is full; return how many.
    """
    sent = 0
    while sent < count and sender.send(room, f"{sender.instance.name} {sent} {TEXT}"):
        sent += 1
        world.run(consume=False)
    return sent


def stalled_by(sender: Component, channel: Channel) -> str | None:
    return sender.outbox.channel_to(channel.room or "", channel.to).stalled_by


def test_a_full_room_parks_its_senders_names_the_slowest_member_and_goes_on_when_that_consumes() -> None:
    world = World()
    ann, bob, slow = world.add("ann", "bob", "slow")
    for member in (bob, slow):
        member.join("room")
    world.run()
    sent = 0
    while ann.send("room", f"{sent} {TEXT}"):
        sent += 1
        bob.consume()
        world.run(consume=False)

    assert ann.channel("room").stalled_by == slow.instance
    assert world.router.directory.room("room").log.held <= world.limits["room_limit"] + 500
    assert slow.data() == bob.data()[: len(slow.data())] != []
    assert not ann.outbox.wait(ann.channel("room"), 0)
    world.run()
    assert len(slow.data()) == len(bob.data()) == sent
    assert ann.channel("room").stalled_by is None
    assert ann.outbox.unacknowledged == 0


def test_a_full_room_blocks_no_other_room_and_no_direct_message() -> None:
    world = World()
    ann, slow, bob = world.add("ann", "slow", "bob")
    slow.join("room")
    bob.join("other")
    world.run()
    fill(world, ann)
    ann.send("other", "elsewhere")
    ann.send("room", "to bob", to="bob")
    ann.send("room", "to slow", to="slow", kind=Kind.REPLY)
    world.run(consume=False)

    assert bob.data() == ["elsewhere", "to bob"]
    assert "to slow" in slow.data()


def test_a_full_lane_blocks_no_other_lane() -> None:
    world = World()
    ann, slow = world.add("ann", "slow")
    while ann.send("label", TEXT, to="slow"):
        world.run(consume=False)
    for kind in (Kind.REPLY, Kind.FEEDBACK):
        ann.send("label", kind.name, to="slow", kind=kind)
    world.run(consume=False)

    assert slow.data()[-2:] == ["REPLY", "FEEDBACK"]
    assert ann.outbox.channel_to("label", "slow", Kind.MESSAGE).stalled_by == slow.instance


def test_a_member_is_given_its_window_and_not_more() -> None:
    world = World()
    ann, slow = world.add("ann", "slow")
    slow.join("room")
    world.run()
    fill(world, ann)

    unread = sum(inbound.receipt[2] for inbound in slow.unread)
    assert 0 < unread <= world.limits["window"]


def test_a_room_that_only_its_sender_is_in_never_fills() -> None:
    world = World()
    (ann,) = world.add("ann")
    ann.join("room")
    world.run()
    assert fill(world, ann, count=100) == 100
    assert ann.outbox.unacknowledged == 0


def test_a_member_whose_link_is_away_is_not_held_up_by_its_own_messages() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    for member in (ann, bob):
        member.join("room")
    world.run()
    world.pass_time(21)  # the hub keeps nothing for those of an earlier one any more
    for number in range(9):
        ann.send("room", number, type=f"T{number}")
    world.read(ann)
    world.flush()
    ann.cut()
    bob.read()
    bob.consume()
    world.read(bob)

    assert world.router.directory.room("room").log.held == 0


def test_senders_that_wait_are_served_in_turns() -> None:
    world = World(room_limit=400)
    ann, bob, slow = world.add("ann", "bob", "slow")
    slow.join("room")
    world.run()
    for _ in range(3):
        for sender in (ann, bob):
            sender.send("room", f"{sender.instance.name} {TEXT}")
            sender.send("room", f"{sender.instance.name} {TEXT}", type="DATA/CUSTOM")
            world.read(sender)
    world.run()

    order = [data[:3] for data in slow.data()]
    assert order.count("ann") == order.count("bob") == 6
    assert "annannannann" not in "".join(order)
    assert "bobbobbobbob" not in "".join(order)


def test_a_room_that_always_has_more_keeps_no_other_room_waiting() -> None:
    world = World(room_limit=10**8, window=10**8, memory_limit=10**9)
    ann, bob = world.add("ann", "bob")
    ann.outbox.__init__(10**8, 10**8, lambda: None)  # type: ignore[misc]
    bob.join("flood").join("drip")
    world.run()
    for _ in range(2):
        for number in range(20):
            ann.send("flood", number, array=100_000)
        ann.send("drip", "drop")
        world.read(ann)
    session = world.router.directory.sessions[bob.instance]
    packets = [join(world.router.collect(session)) for _ in range(6)]
    assert any(b"drop" in packet for packet in packets)


def test_a_reliable_member_that_becomes_lossy_lets_the_senders_go_on() -> None:
    world = World()
    ann, slow = world.add("ann", "slow")
    slow.join("room")
    world.run()
    fill(world, ann)
    assert ann.outbox.unacknowledged
    slow.join("room", Mode.LOSSY)
    world.run(consume=False)

    assert ann.outbox.unacknowledged == 0


def test_who_waits_for_the_inbox_of_somebody_who_leaves_is_told_that_nobody_is_there() -> None:
    world = World()
    ann, slow = world.add("ann", "slow")
    while ann.send("label", TEXT, to=slow.instance):
        world.run(consume=False)
    world.components.remove(slow)
    slow.client.bye()
    slow.write()
    world.read(slow)
    world.run()

    assert ann.outbox.unacknowledged == 0
    assert len(ann.undelivered) + len(slow.data()) <= ann.outbox.channels[0].last
    assert ann.undelivered


def test_a_member_that_leaves_or_dies_lets_the_senders_go_on() -> None:
    for ending in ("leave", "bye", "expire"):
        world = World()
        ann, slow = world.add("ann", "slow")
        slow.join("room")
        world.run()
        fill(world, ann)
        if ending == "leave":
            slow.leave("room")
        elif ending == "bye":
            slow.client.bye()
            slow.write()
        else:
            world.components.remove(slow)
            slow.cut()
            world.pass_time(21)
        world.step()
        world.step()
        world.step()
        assert ann.outbox.unacknowledged == 0, ending


# -- lossy members ----------------------------------------------------------------------------------------------------


def test_a_lossy_member_slows_nobody_gets_the_newest_and_counts_what_it_skipped() -> None:
    world = World()
    ann, eye = world.add("ann", "eye")
    eye.join("room", Mode.LOSSY)
    world.run()
    assert fill(world, ann, count=100) == 100
    world.run()

    assert eye.data()[-1].startswith("ann 99 ")
    assert eye.memberships["room"].dropped == 100 - len(eye.data()) > 0
    assert not eye.memberships["room"].lost


def test_what_a_lossy_member_skipped_of_a_sender_that_fell_silent_is_counted_too() -> None:
    world = World()
    ann, bob, eye = world.add("ann", "bob", "eye")
    eye.join("room", Mode.LOSSY)
    world.run()
    world.pass_time(21)  # the hub keeps nothing for those of an earlier one any more
    for sender in (ann, bob):
        for _ in range(4):
            assert sender.send("room", TEXT)
            world.read(sender)  # and the hub does not get to write
    world.run()

    assert {got.sender for got in eye.received} == {bob.instance}
    assert len(eye.data()) + eye.memberships["room"].dropped == 8


def test_the_credit_of_a_lossy_member_is_bounded_though_its_log_forgets() -> None:
    world = World()
    ann, eye = world.add("ann", "eye")
    eye.join("room", Mode.LOSSY)
    world.run()
    fill(world, ann, count=200)

    assert sum(inbound.receipt[2] for inbound in eye.unread) <= world.limits["window"]


def test_what_a_lossy_member_missed_is_counted_though_it_becomes_reliable_before_it_knows() -> None:
    world = World()
    ann, eye = world.add("ann", "eye")
    eye.join("room", Mode.LOSSY)
    world.run()
    world.pass_time(21)
    first = eye.memberships["room"]
    for _ in range(8):
        ann.send("room", TEXT)
        world.read(ann)
    eye.join("room")
    world.run()

    assert len(eye.data()) + first.dropped == ann.channel("room").last
    assert first.dropped > 0
    assert not eye.memberships["room"].lost


# -- memory -----------------------------------------------------------------------------------------------------------


def test_all_rooms_together_hold_no_more_than_the_memory_and_go_on_when_there_is_some_again() -> None:
    world = World(memory_limit=5000)
    ann, slow = world.add("ann", "slow")
    for number in range(10):
        slow.join(f"room {number}")
    world.run()
    sent = sum(fill(world, ann, f"room {number}", count=20) for number in range(10))

    assert world.router.directory.budget.used <= 5000 + 10 * 500
    assert ann.outbox.unacknowledged
    world.run()
    assert len(slow.data()) == sent
    assert ann.outbox.unacknowledged == 0


def test_who_waits_for_memory_goes_on_as_soon_as_another_room_gives_some_back() -> None:
    world = World(memory_limit=2000)
    ann, quick, slow = world.add("ann", "quick", "slow")
    quick.join("quick")
    slow.join("slow")
    world.run()
    ann.send("slow", 0)
    world.run(consume=False)
    fill(world, ann, "quick", count=8)
    ann.send("slow", 1)
    world.run(consume=False)
    assert slow.data() == [0]

    quick.consume()
    world.run(consume=False)
    assert slow.data() == [0, 1]


def test_lossy_members_give_memory_back_to_the_others() -> None:
    world = World(room_limit=20_000, memory_limit=20_000)
    ann, eye, bob = world.add("ann", "eye", "bob")
    for number in range(5):
        eye.join(f"room {number}", Mode.LOSSY)
    bob.join("room")
    world.run()
    for number in range(5):
        fill(world, ann, f"room {number}", count=20)
    sent = fill(world, ann, count=60)
    assert world.router.directory.room("room").log.held < 10_000
    world.pass_time(1)
    world.run(consume=False)
    sent += fill(world, ann, count=60)

    assert world.router.directory.room("room").log.held > 10_000
    world.run()
    assert len(bob.data()) == sent


def test_a_sender_that_ignores_the_window_is_cut_off() -> None:
    world = World()
    ann, slow, bob = world.add("ann", "slow", "bob")
    slow.join("room")
    world.run()
    fill(world, ann)
    session = world.router.directory.sessions[ann.instance]
    (channel,) = session.channels.values()
    flood = b"".join(
        join(encode(Op.PUBLISH, channel.number, number, 1, 0, "room", payload=[b"x" * 300]))
        for number in range(channel.received + 1, channel.received + 100)
    )
    with pytest.raises(ProtocolError, match="not acknowledged"):
        world.router.receive_packet(session, flood)
    assert channel.waiting <= world.limits["window"] + 400

    bob.send("label", "others go on", to="slow")
    world.run()
    assert "others go on" in slow.data()


def test_the_window_of_the_hub_holds_for_its_senders() -> None:
    world = World(window=400)
    ann, slow = world.add("ann", "slow")
    slow.join("room")
    world.run()
    fill(world, ann)
    world.run()
    assert ann.outbox.unacknowledged == 0  # nothing was refused


def test_what_the_sender_counts_is_what_the_hub_counts() -> None:
    world = World()
    ann, slow = world.add("ann", "slow")
    slow.join("room")
    world.run()
    how: dict[str, Any] = {"root": "r" * 40, "parent": "p" * 40, "meta": {"k": "v" * 20}}
    while ann.send("room", TEXT, **how):
        world.run(consume=False)

    (channel,) = world.router.directory.sessions[ann.instance].channels.values()
    sent = ann.outbox.channels[0]
    in_flight = list(sent.closed)[: len(sent.closed) - sent.unsent]
    assert channel.waiting == sum(batch.cost for batch in in_flight) > 0
    assert sent.queued > len(pack(TEXT)[0])
