"""
A question and its answer, one at a time.

Pinned, all processes share one core: there is nothing to wake, and the figure is steady. Unpinned, waking idle cores
doubles it on many machines, and spreads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks.subjects import Subject
from benchmarks.workloads.case import Case, Column, Scale, Workload
from swergio.bench.measures import round_trip

COUNT = 3000
SLOW = 10.0  # round trips a second, of those that take 88 ms
CORES = {"pinned": 0, "unpinned": None}


def _cases(subjects: Sequence[Subject], scale: Scale) -> list[Case]:
    return [
        Case(where, contender.name, partial(round_trip, contender, _count(subject, scale), 64, core, scale.deadline))
        for where, core in CORES.items()
        if scale.full or where == "pinned"
        for subject in subjects
        for contender in subject.contenders(("async", "plain"))
    ]


def _count(subject: Subject, scale: Scale) -> int:
    return scale.count(COUNT if subject.pace > 5000 else 10 * SLOW)


ROUND_TRIP = Workload(
    "round-trip",
    "Round trip of 64 bytes",
    (Column("p50", "p50 µs"), Column("p99", "p99 µs"), Column("p999", "p99.9 µs"), Column("cpu", "CPU µs", 0)),
    less_is_more=True,
    cases=_cases,
)
