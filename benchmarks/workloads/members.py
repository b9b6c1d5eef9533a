"""
Many members of one room: what each costs the broker while nothing happens, and while everyone gets everything.

The members are awaited clients, several hundred in a process: they are what is measured against, not what is measured.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from benchmarks.subjects import Subject
from benchmarks.workloads.case import Case, Column, Scale, Workload
from swergio.bench.measures import Flow, audience, make_heard, speakers, timed
from swergio.bench.outcome import Outcome
from swergio.bench.processes import Process, RoleFailed
from swergio.bench.stage import Contender, Stage

MANY = 1000
SETTLE = 1.0
IDLE = 10.0  # seconds; two heartbeats of each member, at the usual setting


def _cases(subjects: Sequence[Subject], scale: Scale) -> list[Case]:
    several = (10, 100, MANY) if scale.full else (MANY,)
    return [
        case
        for many in several
        for subject in subjects
        if subject.crowds
        for contender in subject.contenders(("async",))
        for case in _of(contender, scale.count(many, 2), subject, scale)
    ]


def _of(contender: Contender, many: int, subject: Subject, scale: Scale) -> list[Case]:
    count = scale.count(subject.pace / many, 10)
    what = Flow(count, members=many, deadline=scale.deadline)
    seconds = max(IDLE * min(scale.factor, 1), 0.1)
    return [
        Case(f"{many:,} idle", contender.name, partial(_idle, contender, what, seconds)),
        Case(f"{many:,} busy", contender.name, partial(_busy, contender, what)),
    ]


def _idle(contender: Contender, what: Flow, seconds: float) -> Outcome:
    try:
        with Stage(contender) as stage:
            before = _memory(stage.broker)
            audience(stage, what)
            time.sleep(SETTLE)
            held, spent = _memory(stage.broker) - before, _cpu(stage.broker)
            time.sleep(seconds)
            spent = _cpu(stage.broker) - spent
    except RoleFailed as exc:
        return Outcome(problem=str(exc))
    return Outcome({"memory": held / what.members / 1e3, "broker": spent / seconds * 100})


def _busy(contender: Contender, what: Flow) -> Outcome:
    try:
        with Stage(contender) as stage:
            before = _memory(stage.broker)
            receivers, senders = audience(stage, what), speakers(stage, what)
            make_heard(receivers, senders, what.deadline)
            outcome = timed(stage, receivers, senders, what)
            held = _memory(stage.broker) - before
    except RoleFailed as exc:
        return Outcome(problem=str(exc))
    return Outcome({**outcome.figures, "memory": held / what.members / 1e3}) if outcome.sound else outcome


def _memory(broker: Process | None) -> int:
    return (broker.memory() if broker else None) or 0


def _cpu(broker: Process | None) -> float:
    return (broker.cpu() if broker else None) or 0.0


MEMBERS = Workload(
    "members",
    "Many members of one room",
    (
        Column("memory", "broker's kB/member", 1),
        Column("broker", "broker's CPU %, idle", 2),
        Column("rate", "deliveries/s"),
        Column("cpu", "CPU µs/delivery", 2),
    ),
    less_is_more=True,
    cases=_cases,
)
