"""What ``swergio passes`` knows: the passes that components told of, put together, and where each of them waits.

Each component knows only the messages that it sent on itself. They belong together by the id of their pass. A pass
waits where one of its messages is owed feedback by somebody who has none of its own open: whoever has is waiting too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from swergio.cli.overview import Overview, flat
from swergio.reports import OpenReport, OrphanReport


@dataclass(frozen=True, slots=True)
class Step:
    """
    A message of a pass that is open at an instance.
    """

    instance: str
    report: OpenReport


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """
    Where a pass waits.

    Attributes:
        at: Who waits there.
        standing: How it is: ``"here"`` or ``"silent"``.
        step: What it waits for.
        owing: Each who is waited for, and what is known of how it is.
    """

    at: str
    standing: str
    step: OpenReport
    owing: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OpenPass:
    """
    A pass that is open.

    Attributes:
        root: Its id, that of its first message.
        began: The instance that sent that.
        age: Seconds that the oldest of its messages has been open.
        left: Seconds until the first of them is given up; None if none of them has an end.
        steps: All of its open messages that are told of, the oldest first.
        waits: Where it waits: one place, or several after a fan-out.
    """

    root: str
    began: str
    age: float
    left: float | None
    steps: tuple[Step, ...]
    waits: tuple[Whereabouts, ...]


@dataclass(frozen=True, slots=True)
class Orphan:
    """
    A pass that an instance gave up.
    """

    instance: str
    report: OrphanReport


@dataclass(frozen=True, slots=True)
class Passes:
    """
    The passes of a deployment.

    Attributes:
        open: Those that are told of, the oldest first.
        orphans: Those that were given up, the newest first.
        untold: Open messages beyond what components tell, which is their oldest 16.
    """

    open: tuple[OpenPass, ...]
    orphans: tuple[Orphan, ...]
    untold: int


def passes(overview: Overview, now: float) -> Passes:
    """
    Put together what the components told of their passes.
    """
    by_root: dict[str, list[Step]] = defaultdict(list)
    orphans: list[Orphan] = []
    untold = 0
    for instance, seen in overview.seen.items():
        told = seen.latest.passes
        if told is None or seen.latest.closing:
            continue
        since = now - seen.at
        orphans += [Orphan(instance, orphan) for orphan in told.orphans]
        untold += max(0, told.count - len(told.open))
        for report in told.open:
            by_root[report.root].append(Step(instance, _aged(report, since)))
    opened = [_open(overview, root, steps, now) for root, steps in by_root.items()]
    return Passes(
        tuple(sorted(opened, key=lambda one: -one.age)),
        tuple(sorted(orphans, key=lambda orphan: orphan.report.ago)),
        untold,
    )


def _aged(report: OpenReport, seconds: float) -> OpenReport:
    told = flat(report)
    told["age"] += seconds
    if report.left is not None:
        told["left"] = max(0.0, report.left - seconds)
    return OpenReport(**told)


def _open(overview: Overview, root: str, steps: list[Step], now: float) -> OpenPass:
    steps.sort(key=lambda step: -step.report.age)
    ends = [step.report.left for step in steps if step.report.left is not None]
    waiting = {step.instance for step in steps}
    return OpenPass(
        root=root,
        began=root.rsplit("/", 2)[0],
        age=steps[0].report.age,
        left=min(ends, default=None),
        steps=tuple(steps),
        waits=tuple(_whereabouts(overview, steps, waiting, now)),
    )


def _whereabouts(overview: Overview, steps: Sequence[Step], waiting: set[str], now: float) -> Iterable[Whereabouts]:
    last = [step for step in steps if _is_last(overview, step.report, waiting)] or steps
    for step in last:
        report = step.report
        owing = [who for who in report.owing if not _instances(overview, report.room, who) & waiting] or report.owing
        standing = overview.standing(step.instance, now) or ""
        yield Whereabouts(step.instance, standing, report, tuple((who, _how(overview, who, now)) for who in owing))


def _is_last(overview: Overview, report: OpenReport, waiting: set[str]) -> bool:
    """
    Whether somebody owes who waits for nobody; or nobody owes that is known.
    """
    return not report.owing or any(not _instances(overview, report.room, who) & waiting for who in report.owing)


def _instances(overview: Overview, room: str, who: str) -> set[str]:
    """
    Return the instances that a name in a list of those who owe stands for: itself, or the members of its group.
    """
    if not who.startswith("*"):
        return {who}
    members = (row.members for row in overview.rooms if row.room == room)
    return {instance for there in members for instance, _, group in there if group == who[1:]}


def _how(overview: Overview, who: str, now: float) -> str:
    if who.startswith("*"):
        return "a group"
    standing = overview.standing(who, now)
    if standing != "here":
        return {"silent": "silent", "closed": "closed"}.get(standing or "", "does not report")
    latest = overview.seen[who].latest
    if latest.handling >= 0.1:
        return f"at its handler for {latest.handling:.1f} s, {latest.waiting} messages wait"
    return f"{latest.waiting} messages wait" if latest.waiting else "idle"


def as_record(found: Passes) -> dict[str, Any]:
    """
    Return the passes for programs, as JSON takes it.
    """
    return {
        "open": [
            flat(one)
            | {
                "steps": [{"instance": step.instance} | flat(step.report) for step in one.steps],
                "waits": [
                    {
                        "at": place.at,
                        "standing": place.standing,
                        "owing": dict(place.owing),
                        "for": place.step.waits_for,
                        "room": place.step.room,
                    }
                    for place in one.waits
                ],
            }
            for one in found.open
        ],
        "orphaned": [{"instance": orphan.instance} | flat(orphan.report) for orphan in found.orphans],
        "untold": found.untold,
    }
