"""
The outbox: numbering, batches, windows, limits, acknowledgement, and what is sent again.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swergio.channels import Channel, Lane
from swergio.codec.batch import MAX_MESSAGES, MESSAGE_COST
from swergio.errors import InvalidName, UnsupportedBody
from swergio.messages import MAX_INSTANCE, Kind, Phase
from swergio.outbox import Outbox
from tests.outbox.checks import PLAIN, PLENTY, add, an_outbox, decoded, send, spans, take_all

# -- batches ----------------------------------------------------------------------------------------------------------


def test_what_is_sent_together_travels_as_one_batch_numbered_from_one() -> None:
    outbox = an_outbox()
    assert [send(outbox, number) for number in range(5)] == [1, 2, 3, 4, 5]

    (batch,) = take_all(outbox)
    assert (batch.first, batch.last, batch.room) == (1, 5, "room")
    assert [decoded(batch).body(index, "") for index in range(5)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "other",
    [{"type": "DATA/CUSTOM"}, {"kind": Kind.REQUEST}, {"phase": Phase.TRAIN}, {"wants_feedback": True}, {"now": True}],
)
def test_a_batch_holds_messages_of_one_shape_and_order_is_kept(other: dict[str, Any]) -> None:
    outbox = an_outbox()
    send(outbox)
    send(outbox, **other)
    send(outbox)

    batches = take_all(outbox)
    assert spans(batches) == [(1, 1), (2, 2), (3, 3)]
    assert [batch.request for batch in batches] == [False, other.get("kind") is Kind.REQUEST, False]


def test_a_batch_is_closed_when_it_holds_enough_messages_or_bytes() -> None:
    outbox = an_outbox()
    for _ in range(MAX_MESSAGES + 1):
        send(outbox, None)
    for _ in range(3):
        send(outbox, b"x" * 200_000, room="other")

    assert spans(take_all(outbox)) == [(1, 512), (1, 2), (513, 513), (3, 3)]


def test_channels_are_taken_in_turns() -> None:
    outbox = an_outbox()
    for type in ("A", "B"):
        for room in ("one", "two"):
            send(outbox, room=room, type=type)

    assert [(batch.room, batch.first) for batch in take_all(outbox)] == [
        ("one", 1), ("two", 1), ("one", 2), ("two", 2),
    ]  # fmt: skip


def test_replies_feedback_and_the_rest_to_one_component_are_three_channels() -> None:
    outbox = an_outbox()
    for kind in Kind:
        send(outbox, to="other", kind=kind)

    assert [channel.lane for channel in outbox.channels] == [Lane.DIRECT, Lane.REPLIES, Lane.FEEDBACK]
    assert [channel.last for channel in outbox.channels] == [2, 2, 2]
    assert {channel.room for channel in outbox.channels} == {None}


def test_a_channel_to_a_component_carries_batches_of_several_rooms() -> None:
    outbox = an_outbox()
    send(outbox, to="other", room="one")
    send(outbox, to="other", room="two")

    batches = take_all(outbox)
    assert [(batch.room, batch.first) for batch in batches] == [("one", 1), ("two", 2)]
    assert len({batch.channel.number for batch in batches}) == 1


def test_meta_is_what_it_was_when_it_was_sent() -> None:
    outbox = an_outbox()
    meta = {"step": 1, "tags": ["a"]}
    send(outbox, meta=meta)
    meta["tags"].append("b")  # type: ignore[attr-defined]
    send(outbox)
    send(outbox, root="root", parent="parent")

    batch = decoded(take_all(outbox)[0])
    assert batch.metas == [{"step": 1, "tags": ["a"]}, None, None]
    assert batch.roots == [None, None, "root"]
    assert batch.parents == [None, None, "parent"]


# -- what cannot be sent ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("meta", [{"x": object()}, {1: "x"}, {"x": {(1, 2): 3}}, {"x": 2**70}, {"x": "\ud800"}])
def test_meta_that_cannot_travel_is_refused_at_once_and_leaves_no_trace(meta: Any) -> None:
    outbox = an_outbox()
    with pytest.raises(UnsupportedBody):
        send(outbox, meta=meta)
    assert send(outbox) == 1
    assert spans(take_all(outbox)) == [(1, 1)]


@pytest.mark.parametrize("type", ["", " ", "a\nb", "x" * 129, "\ud800", None, 7])
def test_a_type_that_is_no_name_is_refused_at_once(type: Any) -> None:
    outbox = an_outbox()
    with pytest.raises(InvalidName):
        send(outbox, type=type)
    assert send(outbox) == 1


@pytest.mark.parametrize("to", ["", "#", "#b", "a#", "a#b c", "a#" + "x" * (MAX_INSTANCE + 1), "\ud800", 5, "x" * 129])
def test_a_destination_that_no_hub_would_take_is_refused_at_once(to: Any) -> None:
    outbox = an_outbox()
    with pytest.raises(InvalidName):
        send(outbox, to=to)
    with pytest.raises(InvalidName):
        send(outbox, room=" ")
    assert outbox.channels == []


# -- limits -----------------------------------------------------------------------------------------------------------


def test_a_full_channel_takes_nothing_and_others_do() -> None:
    outbox = an_outbox(limit=1000)
    assert send(outbox, b"x" * 5000) == 1  # an empty channel takes a message of any size
    assert send(outbox) == 0
    assert send(outbox, room="other") == 1


def test_small_and_empty_messages_fill_a_channel_too() -> None:
    outbox = an_outbox(limit=100 * (MESSAGE_COST + 1))
    sent = 0
    while send(outbox, None):
        sent += 1
    assert sent == 100


def test_meta_counts() -> None:
    outbox = an_outbox(limit=1000)
    assert send(outbox, None, meta={"text": "x" * 1000})
    assert not send(outbox, None)


def test_a_full_channel_takes_messages_again_when_they_are_acknowledged() -> None:
    outbox = an_outbox(limit=1000)
    drained: list[Channel] = []
    outbox.drained = drained.append
    send(outbox, b"x" * 1000)
    (batch,) = take_all(outbox)
    assert not outbox.wait(batch.channel, 0)

    outbox.acknowledge(batch.channel.number, 1)
    assert drained == [batch.channel]
    assert outbox.wait(batch.channel, 0)
    assert send(outbox) == 2


def test_a_waiting_thread_is_woken_by_an_acknowledgement() -> None:
    outbox = an_outbox(limit=1000)
    send(outbox, b"x" * 1000)
    (batch,) = take_all(outbox)
    came: list[bool] = []
    thread = threading.Thread(target=lambda: came.append(outbox.wait(batch.channel, 30)))
    thread.start()
    outbox.acknowledge(batch.channel.number, 1)
    thread.join(30)
    assert came == [True]


def test_no_more_is_in_flight_than_the_window_and_one_batch() -> None:
    outbox = an_outbox(window=1000)
    for number in range(4):
        send(outbox, b"x" * 800, type=f"T{number}")

    first, second = take_all(outbox)
    assert outbox.take() is None
    outbox.acknowledge(0, first.last)
    (third,) = take_all(outbox)
    outbox.acknowledge(0, third.last)
    assert spans(take_all(outbox)) == [(4, 4)]
    assert second.channel.in_flight == second.cost


def test_the_hub_can_make_the_window_smaller_but_not_larger() -> None:
    outbox = an_outbox(window=1000)
    outbox.limit_window(10**6)
    for number in range(4):
        send(outbox, b"x" * 600, type=f"T{number}")
    assert len(take_all(outbox)) == 2

    outbox.limit_window(100)
    outbox.rewind({})
    assert len(take_all(outbox)) == 1
    outbox.limit_window(0)
    outbox.rewind({0: 1})
    assert len(take_all(outbox)) == 1


def test_a_window_of_one_channel_blocks_no_other() -> None:
    outbox = an_outbox(window=100)
    for room in ("one", "two"):
        for number in range(2):
            send(outbox, b"x" * 200, room=room, type=f"T{number}")
    assert [(batch.room, batch.first) for batch in take_all(outbox)] == [("one", 1), ("two", 1)]


# -- waking -----------------------------------------------------------------------------------------------------------


def test_the_loop_is_woken_once_until_it_takes() -> None:
    wakes = []
    outbox = Outbox(PLENTY, PLENTY, lambda: wakes.append(1))
    for _ in range(3):
        send(outbox)
    assert len(wakes) == 1
    take_all(outbox)
    send(outbox)
    assert len(wakes) == 2


# -- acknowledging and resending --------------------------------------------------------------------------------------


def test_acknowledgements_are_cumulative_and_old_ones_change_nothing() -> None:
    outbox = an_outbox()
    for number in range(3):
        send(outbox, type=f"T{number}")
    take_all(outbox)

    outbox.acknowledge(0, 2)
    outbox.acknowledge(0, 1)
    assert outbox.unacknowledged == 1
    outbox.acknowledge(0, 3)
    assert (outbox.unacknowledged, outbox.channels[0].queued, outbox.channels[0].in_flight) == (0, 0, 0)


@pytest.mark.parametrize(("number", "last"), [(7, 1), (0, 10**6)])
def test_acknowledgements_of_what_was_not_sent_are_harmless(number: int, last: int) -> None:
    outbox = an_outbox()
    send(outbox)
    take_all(outbox)
    send(outbox)
    outbox.acknowledge(number, last)
    assert spans(take_all(outbox)) == [(2, 2)]


def test_an_acknowledgement_inside_a_batch_waits_for_its_end() -> None:
    outbox = an_outbox()
    for _ in range(3):
        send(outbox)
    take_all(outbox)
    outbox.acknowledge(0, 2)
    assert outbox.unacknowledged == 3


def test_after_a_reconnect_what_is_not_acknowledged_comes_again_before_what_is_new() -> None:
    outbox = an_outbox()
    for number in range(3):
        send(outbox, number, type=f"T{number}")
    sent = take_all(outbox)
    send(outbox, 3)

    outbox.rewind({0: 1})
    again = take_all(outbox)
    assert spans(again) == [(2, 2), (3, 3), (4, 4)]
    assert again[:2] == sent[1:]  # the same batches, so that numbers never overlap
    assert outbox.resent == 2


def test_a_reconnect_opens_a_window_that_was_shut() -> None:
    outbox = an_outbox(window=100)
    for number in range(2):
        send(outbox, b"x" * 200, type=f"T{number}")
    take_all(outbox)
    outbox.rewind({})
    assert spans(take_all(outbox)) == [(1, 1)]
    outbox.acknowledge(0, 1)
    assert spans(take_all(outbox)) == [(2, 2)]


def test_what_was_offered_again_and_is_acknowledged_unsent_is_not_sent() -> None:
    outbox = an_outbox()
    for number in range(3):
        send(outbox, type=f"T{number}")
    take_all(outbox)
    outbox.rewind({})
    outbox.acknowledge(0, 2)
    assert spans(take_all(outbox)) == [(3, 3)]

    outbox.rewind({})
    outbox.acknowledge(0, 3)
    assert outbox.take() is None
    assert outbox.channels[0].in_flight == 0
    send(outbox)
    assert spans(take_all(outbox)) == [(4, 4)]


@given(
    st.lists(
        st.tuples(st.sampled_from(["send", "add", "take", "acknowledge", "rewind"]), st.integers(0, 40)), max_size=60
    ),
    st.sampled_from([2000, 40_000]),
)
def test_a_lossy_wire_gets_every_number_in_order_in_the_end(steps: list[tuple[str, int]], limit: int) -> None:
    outbox = an_outbox(limit=limit, window=700)
    channel = outbox.channel_to("room", None)
    at_hub = 0
    for step, number in steps:
        match step:
            case "send":
                send(outbox, b"x" * number * 10, type=f"T{number % 3}", meta={"n": number} if number % 2 else None)
            case "add":
                add(outbox, "x" * number, (*PLAIN[:2], f"T{number % 3}", *PLAIN[3:]))
            case "take":
                batch = outbox.take()
                if batch is not None:
                    assert batch.first <= at_hub + 1 <= batch.last + 1
                    at_hub = max(at_hub, batch.last)
            case "acknowledge":
                outbox.acknowledge(0, at_hub)
            case "rewind":
                if number % 2:  # what was on the wire is lost; otherwise it was acknowledgements
                    at_hub = channel.acknowledged
                outbox.rewind({0: at_hub})
        closed = [batch.cost for batch in channel.closed]
        waiting = [batch.cost for batch in channel.waiting] + ([channel.open.cost] if channel.open else [])
        assert channel.queued == sum(closed) + sum(waiting)
        assert channel.in_flight == sum(closed[: len(closed) - channel.unsent])
    outbox.acknowledge(0, at_hub)
    while (batch := outbox.take()) is not None:
        assert batch.first == at_hub + 1
        at_hub = batch.last
        outbox.acknowledge(0, at_hub)
    assert (at_hub, outbox.unacknowledged, channel.queued) == (channel.last, 0, 0)
