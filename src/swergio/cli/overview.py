"""What ``swergio top`` knows: reports, indicators and rooms as they came, and the state that is shown of them.

No I/O and no clock: whoever calls says what time it is, on any clock that does not go back. What comes from others may
be anything: what cannot be read is counted, and nothing here grows without a bound.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from swergio.errors import ConfigurationError
from swergio.reports import NodeReport, Report, read
from swergio.stats import Stats

HISTORY = 32  # values of a KPI
MAX_INSTANCES = 4096
MAX_INDICATORS = 256
PATIENCE = 3  # intervals without a report, and one second
FORGOTTEN_AFTER = 60.0
LEAST = 1.0  # seconds that a snapshot takes, so that whoever reports late and a KPI have time to come
NOBODY = 3.0  # seconds after which nobody can be expected to report

TROUBLES = ("lost", "dropped", "failed", "undeliverable", "reconnects")


@dataclass(slots=True)
class Seen:
    """
    The newest two reports of an instance, and when they came.
    """

    first_at: float
    at: float
    latest: Report
    before: Report | None = None

    @property
    def seconds(self) -> float:
        """
        Between the two reports, by the clock of the component.
        """
        return 0.0 if self.before is None else self.latest.uptime - self.before.uptime

    def rate(self, counter: str) -> float | None:
        """
        How much a counter grew in a second; None if there is but one report.
        """
        if self.before is None or self.seconds <= 0:
            return None
        grown: int = getattr(self.latest.counts, counter) - getattr(self.before.counts, counter)
        return max(0.0, grown / self.seconds)

    @property
    def share(self) -> float | None:
        """
        The part of its time that its handlers took, 0 to 1.
        """
        if self.before is None or self.seconds <= 0:
            return None
        taken = self.latest.handler_seconds - self.before.handler_seconds
        return min(1.0, max(0.0, taken / self.seconds))

    def due(self, patience: float) -> float:
        """
        When the next report, or the one after so many intervals, should have come.
        """
        return self.at + patience * self.latest.interval + 1.0


@dataclass(frozen=True, slots=True)
class ComponentRow:
    """
    A component as it is shown. Rates are per second; None if there is but one report.

    Attributes:
        state: ``"here"``, ``"silent"`` if its reports are overdue, or ``"closed"``.
        handler_share: The part of its time that its handlers took, 0 to 1.
        handling: Seconds that its handler has been at what it is at.
        outbox: Messages that are sent and not acknowledged.
        waiting: Messages that wait for a handler, or are with one.
        totals: Its counters since it began.
    """

    instance: str
    name: str
    state: str
    uptime: float
    sent: float | None
    received: float | None
    handled: float | None
    sent_bytes: float | None
    received_bytes: float | None
    handler_share: float | None
    handling: float
    outbox: int
    waiting: int
    open_passes: int
    totals: Stats


@dataclass(frozen=True, slots=True)
class NodeRow:
    """
    A node or process of an instance; see `NodeReport`.
    """

    instance: str
    report: NodeReport


@dataclass(frozen=True, slots=True)
class RoomRow:
    """
    A room: its members as (instance, mode, group), and the bytes that it holds.
    """

    room: str
    members: tuple[tuple[str, str, str | None], ...]
    held: int


@dataclass(frozen=True, slots=True)
class IndicatorRow:
    """
    The newest values of a KPI, the last one at the end.
    """

    instance: str
    kpi: str
    values: tuple[float, ...]
    step: int | None


@dataclass(frozen=True, slots=True)
class State:
    """
    What is shown.

    Attributes:
        unreadable: Messages in ``_stats`` and ``_logging`` that are no reports and no KPIs.
    """

    components: tuple[ComponentRow, ...]
    nodes: tuple[NodeRow, ...]
    rooms: tuple[RoomRow, ...]
    indicators: tuple[IndicatorRow, ...]
    unreadable: int


class Overview:
    """
    What came, of a whole deployment.

    Args:
        now: The time.
    """

    def __init__(self, now: float) -> None:
        self.seen: dict[str, Seen] = {}
        self.rooms: tuple[RoomRow, ...] = ()
        self.unreadable = 0
        self._begun = now
        self._indicators: dict[tuple[str, str], tuple[deque[float], int | None]] = {}

    # -- what comes -----------------------------------------------------------------------------------------------

    def report(self, sender: str, data: object, now: float) -> None:
        """
        Take a report of an instance.
        """
        try:
            report = read(data)
        except ConfigurationError:
            self.unreadable += 1
            return
        seen = self.seen.get(sender)
        if seen is None:
            self.seen[sender] = Seen(now, now, report)
            self._forget(now)
        else:
            seen.before, seen.latest, seen.at = seen.latest, report, now

    def _forget(self, now: float) -> None:
        for instance in [name for name, seen in self.seen.items() if now > seen.due(PATIENCE) + FORGOTTEN_AFTER]:
            del self.seen[instance]
        while len(self.seen) > MAX_INSTANCES:
            del self.seen[min(self.seen, key=lambda instance: self.seen[instance].at)]

    def indicator(self, sender: str, data: object) -> None:
        """
        Take a KPI.
        """
        kpi = data.get("kpi") if isinstance(data, Mapping) else None
        value = data.get("value") if isinstance(data, Mapping) else None
        if not isinstance(kpi, str) or isinstance(value, bool) or not isinstance(value, int | float):
            self.unreadable += 1
            return
        assert isinstance(data, Mapping)
        step = data.get("step")
        values, _ = self._indicators.pop((sender, kpi), (deque[float](maxlen=HISTORY), None))
        values.append(float(value))
        self._indicators[sender, kpi] = (values, step if isinstance(step, int) else None)
        if len(self._indicators) > MAX_INDICATORS:
            del self._indicators[next(iter(self._indicators))]

    def found(self, rooms: Iterable[Mapping[str, Any]]) -> None:
        """
        Take what ``component.rooms()`` returned.
        """
        self.rooms = tuple(
            RoomRow(
                room["room"], tuple((str(who), str(mode), group) for who, mode, group in room["members"]), room["held"]
            )
            for room in rooms
        )

    # -- what is shown --------------------------------------------------------------------------------------------

    def complete(self, now: float) -> bool:
        """
        Whether a snapshot can be taken: everybody who reports has done so twice, or is overdue.
        """
        if now < self._begun + LEAST:
            return False
        if not self.seen:
            return now >= self._begun + NOBODY
        return all(seen.before or seen.latest.closing or now > seen.due(1.0) for seen in self.seen.values())

    def state(self, now: float) -> State:
        """
        Return what is to be shown now.
        """
        self._forget(now)
        rows = tuple(self._component(instance, seen, now) for instance, seen in sorted(self.seen.items()))
        return State(
            rows,
            tuple(self._nodes()),
            tuple(sorted(self.rooms, key=lambda room: room.room)),
            tuple(
                IndicatorRow(instance, kpi, tuple(values), step)
                for (instance, kpi), (values, step) in sorted(self._indicators.items())
            ),
            self.unreadable,
        )

    def standing(self, instance: str, now: float) -> str | None:
        """
        Return how an instance is: ``"here"``, ``"silent"`` or ``"closed"``; None if it never reported.
        """
        seen = self.seen.get(instance)
        if seen is None:
            return None
        return "closed" if seen.latest.closing else "silent" if now > seen.due(PATIENCE) else "here"

    def _component(self, instance: str, seen: Seen, now: float) -> ComponentRow:
        latest = seen.latest
        return ComponentRow(
            instance=instance,
            name=instance.partition("#")[0],
            state=self.standing(instance, now) or "",
            uptime=latest.uptime,
            **{name: seen.rate(name) for name in ("sent", "received", "handled", "sent_bytes", "received_bytes")},
            handler_share=seen.share,
            handling=latest.handling,
            outbox=latest.outbox,
            waiting=latest.waiting,
            open_passes=latest.passes.count if latest.passes else 0,
            totals=latest.counts,
        )

    def _nodes(self) -> Iterable[NodeRow]:
        for instance, seen in sorted(self.seen.items()):
            for report in seen.latest.passes.nodes if seen.latest.passes else ():
                yield NodeRow(instance, report)


def as_record(state: State) -> dict[str, Any]:
    """
    Return the state for programs, as JSON takes it.
    """
    return {
        "components": [flat(row) | {"totals": flat(row.totals)} for row in state.components],
        "nodes": [{"instance": row.instance} | flat(row.report) for row in state.nodes],
        "rooms": [flat(row) for row in state.rooms],
        "kpis": [flat(row) | {"value": row.values[-1]} for row in state.indicators],
        "unreadable": state.unreadable,
    }


def flat(row: Any) -> dict[str, Any]:
    """
    Return the fields of a dataclass as they are, nested ones too.
    """
    return {field.name: getattr(row, field.name) for field in fields(row)}


def sparkline(values: Iterable[float]) -> str:
    """
    Return figures as a line of bars, from the smallest to the largest; what is no finite number is a dot.
    """
    figures = list(values)
    finite = [value for value in figures if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    bars = "▁▂▃▄▅▆▇█"

    def bar(value: float) -> str:
        if not math.isfinite(value):
            return "·"
        part = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5  # halves: no overflow
        return bars[min(len(bars) - 1, int(part * len(bars)))]

    return "".join(map(bar, figures))
