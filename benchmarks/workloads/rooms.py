"""
Many rooms: one sender, one member of all of them, and messages that go to one room after another.

In bursts, 32 messages go to a room before the next one gets its own; one by one, each message goes to another room
than the one before, so that none shares anything with a neighbour. (Of 10 rooms, each has its next message before the
first has left, and messages of a room travel together: what there is to compare with are 1,000 rooms.)

A room that the run visits has had a message before: the first one tells the hub of a channel, which is not what is
measured.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count, islice
from typing import Any

from benchmarks.subjects import Subject
from benchmarks.workloads.case import Case, Column, Scale, Workload
from swergio.bench.counting import PROBE, ring_of
from swergio.bench.measures import Flow, make_heard, timed
from swergio.bench.outcome import Outcome
from swergio.bench.processes import RoleFailed
from swergio.bench.role import Orders, say
from swergio.bench.roles import Audience
from swergio.bench.stage import Contender, Stage

BURSTS = {"in bursts": 32, "one by one": 1}
COUNTS = {"in bursts": 300_000, "one by one": 60_000}
SIZE = 128
JOINERS = 32  # joins wait for the hub, and overlap: 0.7 ms each, where one after another they took 1.8
FOR_JOINING = 0.003  # seconds for each room: four times what one took on a busy machine
FEW = {"in bursts": 10, "one by one": 1_000}
STRIDE = 7919  # a prime, so that all rooms are visited, and neighbours in time are none in number


def _cases(subjects: Sequence[Subject], scale: Scale) -> list[Case]:
    several = (10, 100, 1_000, 10_000, 100_000) if scale.full else (10, 1_000, 100_000)
    return [
        Case(f"{many:,} rooms, {how}", contender.name, partial(_measure, contender, many, burst, what))
        for how, burst in BURSTS.items()
        for what in [Flow(scale.count(COUNTS[how]), SIZE, deadline=scale.deadline)]
        for many in dict.fromkeys(scale.count(many, 5) if scale.factor < 1 else many for many in several)
        for subject in subjects
        if subject.is_swergio
        for contender in subject.contenders(("plain",))
    ]


def _measure(contender: Contender, rooms: int, burst: int, what: Flow) -> Outcome:
    here = "benchmarks.workloads.rooms"
    try:
        with Stage(contender) as stage:
            receiver = stage.add("receiver", play=f"{here}:receiver", rooms=rooms)
            receiver.hear("ready", max(what.deadline, FOR_JOINING * rooms))
            visited = max(1, min(rooms, what.messages // burst))
            sender = stage.add("sender", play=f"{here}:sender", rooms=rooms, burst=burst, visited=visited)
            sender.hear("ready", max(what.deadline, FOR_JOINING * visited))
            make_heard([receiver], [sender], what.deadline)
            return timed(stage, [receiver], [sender], what)
    except RoleFailed as exc:
        return Outcome(problem=str(exc))


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

    with component, ThreadPoolExecutor(JOINERS) as pool:
        list(pool.map(component.join, number))
        for name in number:
            component.on(name)(take)
        say(ready=True)
        threading.Event().wait()


def sender(place: list[Any], rooms: int, burst: int, visited: int, **_: str) -> None:
    """
    Send to one room after the other.
    """
    import swergio

    everything = _names(rooms)
    names = [everything[number * STRIDE % rooms] for number in range(visited)]
    orders, supply = Orders(), _supply(visited, burst)
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
                for room, body in islice(supply, many):
                    send(names[room], body)
            component.flush()
            say(sent=many or 0, began=began)


def _names(rooms: int) -> list[str]:
    return [f"room-{number}" for number in range(rooms)]


def _supply(rooms: int, burst: int) -> Iterator[tuple[int, Any]]:
    """
    Yield rooms and bodies, for ever.
    """
    ring = ring_of("text", SIZE)
    for round_ in count():
        first = round_ * burst
        bodies = [ring[number % len(ring)] for number in range(first, first + burst)]
        for room in range(rooms):
            for body in bodies:
                yield room, body


ROOMS = Workload(
    "rooms",
    "Many rooms",
    (Column("cpu", "CPU µs/message", 2), Column("rate", "messages/s")),
    less_is_more=True,
    cases=_cases,
    axis="rooms",
)
