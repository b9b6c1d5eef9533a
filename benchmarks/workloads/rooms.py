"""
Many rooms: one sender, one member of all of them, and messages that go to one room after another, over all rooms.

What a message costs depends first on how many others share its batch, and only then on how many rooms there are. So
the two are told apart:

- *alone* and *in batches of 32* have the same batches, whatever the number of rooms: each time that a room has its
  turn its messages are of another type than the last time, and messages of two types never share a batch. What is
  more expensive among more rooms is what each room costs.
- *one by one* and *in bursts of 32* send the same messages, all of one type. Of 10 rooms, each has its next turn before
  its last messages have left, and what is sent in several turns travels together. What is cheaper here than above is
  what batches save; it is gone as soon as the rooms are more than what waits to be sent.

A room that the run visits has had a message before: the first one tells the hub of a channel, which is not what is
measured. What a room costs in memory is measured before that, and then what a channel costs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, islice
from typing import Any, NamedTuple

from benchmarks.subjects import Subject
from benchmarks.workloads.case import Case, Column, Scale, Workload
from swergio.bench.counting import PROBE, ring_of
from swergio.bench.measures import Flow, make_heard, timed
from swergio.bench.outcome import Outcome
from swergio.bench.processes import Process, RoleFailed
from swergio.bench.role import Orders, say
from swergio.bench.roles import Audience
from swergio.bench.stage import Contender, Stage
from swergio.messages import MessageType


class Pattern(NamedTuple):
    """
    How messages follow one another.

    Attributes:
        burst: How many go to a room before the next room has its turn.
        messages: How many are sent.
        types: The types of the messages of a room, turn by turn.
        rooms, more: The numbers of rooms; more with ``--full``.
    """

    burst: int
    messages: int
    types: tuple[MessageType, ...]
    rooms: tuple[int, ...]
    more: tuple[int, ...] = ()


ALTERNATING = (MessageType.TEXT, MessageType.CUSTOM)
ALIKE = (MessageType.TEXT,)
GROWTH = (10, 1_000, 10_000, 100_000)
SAME_BATCHES = {
    "alone": Pattern(1, 100_000, ALTERNATING, GROWTH, (100,)),
    "in batches of 32": Pattern(32, 300_000, ALTERNATING, GROWTH, (100,)),
}
AS_THEY_MEET = {
    "one by one": Pattern(1, 100_000, ALIKE, (10,), (1_000, 100_000)),
    "in bursts of 32": Pattern(32, 300_000, ALIKE, (10,), (1_000, 100_000)),
}
SIZE = 128
FOR_JOINING = 0.003  # seconds for each room: four times what one took on a busy machine
STRIDE = 7919  # a prime, so that all rooms are visited, and neighbours in time are none in number
ENOUGH = 10_000  # rooms; the memory of fewer is lost in what a process needs anyway


def _cases(subjects: Sequence[Subject], scale: Scale) -> list[Case]:
    return [
        Case(f"{many:,} rooms, {how}", contender.name, partial(_measure, contender, many, pattern, what))
        for how, pattern in (SAME_BATCHES | AS_THEY_MEET).items()
        for what in [Flow(scale.count(pattern.messages), SIZE, deadline=scale.deadline)]
        for many in _numbers(pattern, scale)
        for subject in subjects
        if subject.is_swergio
        for contender in subject.contenders(("plain",))
    ]


def _numbers(pattern: Pattern, scale: Scale) -> list[int]:
    several = sorted(pattern.rooms + pattern.more * scale.full)
    return list(dict.fromkeys(scale.count(many, 5) if scale.factor < 1 else many for many in several))


def _measure(contender: Contender, rooms: int, pattern: Pattern, what: Flow) -> Outcome:
    try:
        with Stage(contender) as stage:
            return _run(stage, rooms, pattern, what)
    except RoleFailed as exc:
        return Outcome(problem=str(exc))


def _run(stage: Stage, rooms: int, pattern: Pattern, what: Flow) -> Outcome:
    here = "benchmarks.workloads.rooms"
    visited = max(1, min(rooms, what.messages // pattern.burst))
    receiver = stage.add("receiver", play=f"{here}:receiver", rooms=rooms)
    receiver.hear("started", what.deadline)
    before = _memory(stage.broker, receiver)
    receiver.hear("ready", max(what.deadline, FOR_JOINING * rooms))
    joined = _memory(stage.broker, receiver)
    sender = stage.add(
        "sender", play=f"{here}:sender", rooms=rooms, visited=visited, burst=pattern.burst, types=pattern.types
    )
    sender.hear("ready", max(what.deadline, FOR_JOINING * visited))
    opened = _memory(stage.broker, receiver)
    make_heard([receiver], [sender], what.deadline)
    outcome = timed(stage, [receiver], [sender], what)
    if not outcome.sound or rooms < ENOUGH:
        return outcome
    hub, member = (after - first for first, after in zip(before, joined, strict=True))
    memory = {"hub": hub / rooms / 1e3, "member": member / rooms / 1e3}
    return Outcome({**outcome.figures, **memory, "channel": (opened[0] - joined[0]) / visited / 1e3})


def _memory(broker: Process | None, receiver: Process) -> tuple[int, int]:
    return (broker.memory() if broker else None) or 0, receiver.memory() or 0


def receiver(place: list[Any], rooms: int, **_: str) -> None:
    """
    Be a member of all the rooms, and count what comes in each.
    """
    import swergio

    audience = Audience(1, "text", SIZE, rooms)
    tally = audience.tallies[0]
    read, number = tally.read, {name: at for at, name in enumerate(_names(rooms))}
    component = swergio.Component("receiver", place[0], **place[3])
    tally.heard.update(range(1, rooms))  # the first room hears for all of them

    def take(message: swergio.Message) -> None:
        tally.note(read(message.data)[0], number[message.room])

    say(started=True)
    for name in number:
        component.on(name)(take)
    with component:
        say(ready=True)
        threading.Event().wait()


def sender(place: list[Any], rooms: int, visited: int, burst: int, types: list[str], **_: str) -> None:
    """
    Send to one room after the other.
    """
    import swergio

    everything = _names(rooms)
    names = [everything[number * STRIDE % rooms] for number in range(visited)]
    orders, supply = Orders(), _supply(visited, burst, [MessageType(type) for type in types])
    with swergio.Component("sender", place[0], **place[3]) as component:
        send = component.send
        for name in names:
            send(name, f"{0:06d}{PROBE}")
        component.flush()
        say(ready=True)
        while True:
            many = orders.next().get("send")
            began = time.perf_counter()
            if many is None:
                send(names[0], f"{0:06d}{PROBE}")
            else:
                for room, type, body in islice(supply, many):
                    send(names[room], body, type=type)
            component.flush()
            say(sent=many or 0, began=began)


def _names(rooms: int) -> list[str]:
    return [f"room-{number}" for number in range(rooms)]


def _supply(rooms: int, burst: int, types: Sequence[MessageType]) -> Iterator[tuple[int, MessageType, Any]]:
    """
    Yield rooms, types and bodies, for ever.
    """
    ring = ring_of("text", SIZE)
    for round_ in count():
        first, type = round_ * burst, types[round_ % len(types)]
        bodies = [ring[number % len(ring)] for number in range(first, first + burst)]
        for room in range(rooms):
            for body in bodies:
                yield room, type, body


ROOMS = Workload(
    "rooms",
    "Many rooms",
    (
        Column("cpu", "CPU µs/message", 2),
        Column("cpu sender", "sender", 2),
        Column("cpu broker", "hub", 2),
        Column("cpu receiver", "member", 2),
        Column("rate", "messages/s"),
        Column("hub", "hub's kB/room", 2),
        Column("channel", "hub's kB/channel", 2),
        Column("member", "member's kB/room", 2),
    ),
    less_is_more=True,
    cases=_cases,
    axis="rooms",
)
