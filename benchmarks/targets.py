"""
The targets, and how a run stands to them. Ratios are taken turn by turn, within one run; their median is judged.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.harness import Table
from benchmarks.subjects import SOCKETS, shares_memory
from benchmarks.workloads.rooms import GROWTH, SAME_BATCHES

Place = tuple[str, str, str]  # workload, variant, contender

THROUGHPUT, ROUND_TRIP, FAN_OUT, ARRAYS = "throughput", "round-trip", "fan-out", "arrays"
FLAT = 1.15  # "flat" is said of what grows by less than the spread of two runs


class Target(NamedTuple):
    """
    One target.

    Attributes:
        what: What it is about.
        one: Which case.
        key: Which of its figures.
        limit: What the figure, its ratio or its difference is held to.
        at_most: Whether that is the most or the least.
        other: What it is compared with: the figure of another case, or nothing.
        difference: Compare by difference, not by ratio.
        unit: Of the figure, where it is held to a limit itself.
    """

    what: str
    one: Place
    key: str
    limit: float
    at_most: bool = False
    other: Place | None = None
    difference: bool = False
    unit: str = ""

    def wanted(self) -> str:
        """
        Return it as text.
        """
        sign = "≤" if self.at_most else "≥"
        if self.other is None:
            return f"{sign} {self.limit:g} {self.unit}"
        if self.difference:
            return f"{sign} {self.limit:g} {self.unit} above {self.other[2]}"
        same = self.other[2] == self.one[2]
        return f"{sign} {self.limit:g} × {self.other[1] if same else self.other[2]}"

    def value(self, table: Table) -> float | None:
        """
        Return what was measured; None if it was not, or not soundly.
        """
        runs = [run.outcome for run in table.runs(*self.one)]
        if not runs or not all(run.sound and self.key in run.figures for run in runs):
            return None
        if self.other is None:
            return statistics.median(run.figures[self.key] for run in runs)
        if self.difference:
            others = [run.outcome for run in table.runs(*self.other)]
            if not others or not all(run.sound for run in others):
                return None
            pairs = zip(runs, others, strict=False)
            return statistics.median(one.figures[self.key] - other.figures[self.key] for one, other in pairs)
        ratios = table.ratio(self.one, self.other, self.key)
        return statistics.median(ratios) if ratios else None


class Verdict(NamedTuple):
    """
    How a target stands: ``met``, ``missed``, ``no result`` (a run was not sound), or ``not measured``.
    """

    target: Target
    value: float | None
    word: str


def judge(table: Table) -> list[Verdict]:
    """
    Return how each target stands.
    """
    return [_judge(target, table) for target in targets()]


def _judge(target: Target, table: Table) -> Verdict:
    value = target.value(table)
    if value is None:
        measured = table.runs(*target.one) and (target.other is None or table.runs(*target.other))
        return Verdict(target, None, "no result" if measured else "not measured")
    met = value <= target.limit if target.at_most else value >= target.limit
    return Verdict(target, value, "met" if met else "missed")


SUBJECTS = ("swergio ws", "swergio ws+speed", "swergio zmq+ipc", "swergio redis")


def targets() -> Iterator[Target]:
    """
    Yield the targets, in the order of their table.
    """
    yield from _compared("throughput", THROUGHPUT, "128 B", "rate", _THROUGHPUT)
    for subject, most in zip(SUBJECTS, (2.6, 2.2, 2.3, 4.0), strict=True):
        yield Target("CPU per message", (THROUGHPUT, "128 B", f"{subject} plain"), "cpu", most, at_most=True, unit="µs")
    yield from _compared("round trip, async", ROUND_TRIP, "pinned", "p50", _ROUND_TRIP, face="async", at_most=True)
    for subject in SUBJECTS:
        plain, other = ((ROUND_TRIP, "pinned", f"{subject} {face}") for face in ("plain", "async"))
        yield Target("round trip, plain", plain, "p50", 40, at_most=True, other=other, difference=True, unit="µs")
    yield from _compared("fan-out to 8", FAN_OUT, "8 members", "rate", _FAN_OUT)
    yield from _arrays()
    for subject in SUBJECTS:
        yield from _growth(f"{subject} plain", f"{subject} async")
    yield from _startup()


Wanted = dict[str, list[tuple[float, str]]]

_THROUGHPUT: Wanted = {
    "swergio ws": [(6, "websockets")],
    "swergio ws+speed": [(1.8, "zenoh"), (4, "nats-py")],
    "swergio zmq+ipc": [(1.6, "zenoh")],
    "swergio redis": [(2, "nats-py")],
}
_ROUND_TRIP: Wanted = {
    "swergio ws": [(1.4, "websockets")],
    "swergio ws+speed": [(1.1, "nats-py")],
    "swergio zmq+ipc": [(1.5, "pyzmq")],
    "swergio redis": [(1.3, "redis-py")],
}
_FAN_OUT: Wanted = {
    "swergio ws": [(8, "websockets")],
    "swergio ws+speed": [(1.8, "zenoh")],
    "swergio zmq+ipc": [(1.7, "zenoh")],
    "swergio redis": [(3, "nats-py")],
}
_ARRAYS: Wanted = {
    "swergio ws": [(1.2, "websockets")],
    "swergio ws+speed": [(1.7, "picows")],
    "swergio zmq+ipc": [(1.15, "pyzmq")],
    "swergio redis": [(3, "redis-py")],
}


def _compared(
    what: str,
    workload: str,
    variant: str,
    key: str,
    wanted: Wanted,
    face: str = "plain",
    at_most: bool = False,
) -> Iterator[Target]:
    for subject, ratios in wanted.items():
        for limit, peer in ratios:
            one, other = (workload, variant, f"{subject} {face}"), (workload, variant, peer)
            yield Target(what, one, key, limit, at_most=at_most, other=other)


def _arrays() -> Iterator[Target]:
    """
    Yield what arrays of 1 MiB are held to: by sockets; and through shared memory, where this swergio has it.
    """
    own = SOCKETS if shares_memory() else ""
    for subject, ratios in _ARRAYS.items():
        mark = own if "redis" not in subject else ""
        yield from _compared("1 MiB arrays", ARRAYS, "1 MiB", "megabytes", {subject: ratios}, face=f"plain{mark}")
    for subject in SUBJECTS[:-1] if own else ():
        for limit, other in ((3, f"swergio zmq+ipc plain{SOCKETS}"), (1, "zenoh")):
            places = [(ARRAYS, "1 MiB", who) for who in (f"{subject} plain", other)]
            yield Target("1 MiB arrays, one host", places[0], "megabytes", limit, other=places[1])


def _growth(plain: str, crowd: str) -> Iterator[Target]:
    """
    Yield what must not grow, or not by much.
    """
    yield Target("a pass through 2 nodes", ("pass", "as a pass", plain), "messages", 6, at_most=True, unit="messages")
    one, other = (("pass", variant, plain) for variant in ("as a pass", "its messages alone"))
    yield Target("a pass, time", one, "time", 1.2, at_most=True, other=other)
    for how in SAME_BATCHES:
        few, *more = (("rooms", f"{rooms:,} rooms, {how}", plain) for rooms in GROWTH)
        for many in more:
            yield Target(f"CPU per message, {many[1]}", many, "cpu", FLAT, at_most=True, other=few)
    for members in (8, 64):
        many, few = ((FAN_OUT, variant, plain) for variant in (f"{members} members", "1 member"))
        yield Target(f"CPU per delivery, {members} members", many, "cpu", FLAT, at_most=True, other=few)
    yield Target("an idle member", ("members", "1,000 idle", crowd), "memory", 40, at_most=True, unit="kB")


def _startup() -> Iterator[Target]:
    own, bare = ("startup", "", "import swergio"), ("startup", "", "import asyncio")
    yield Target("import", own, "time", 80, at_most=True, other=bare, difference=True, unit="ms")
    yield Target("swergio --help", ("startup", "", "swergio --help"), "time", 250, at_most=True, unit="ms")
