"""What a component can tell of its passes: which are open and wait for whom, which were given up, and what they took.

The bookkeeper writes here what ends badly, and the ledger counts what ends well. Times are taken while somebody
listens, and not otherwise; everything else is put together when it is asked for.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from swergio.passes.records import Record
from swergio.passes.tallies import Tally
from swergio.reports import (
    MAX_NODES,
    MAX_OPEN,
    MAX_ORPHANS,
    NodeReport,
    OpenReport,
    OrphanReport,
    PassesReport,
    WaitsFor,
)

LONGEST_REASON = 200
MOST_NAMED = 8  # of those who owe feedback on one message


class Told(Protocol):
    """
    Whoever opened a record, as far as it is told of.
    """

    @property
    def tally(self) -> Tally:
        """
        The counts of its node or process.
        """

    @property
    def root(self) -> str:
        """
        The id of the pass.
        """

    @property
    def waits_for(self) -> WaitsFor:
        """
        What it waits for.
        """

    @property
    def ends(self) -> float:
        """
        When it is given up, by the monotonic clock, unless its record ends before; infinity: never.
        """


T = TypeVar("T", bound=Told)


class Orphan(NamedTuple):
    """
    A record that was given up, at a time of the monotonic clock.
    """

    root: str
    record: str
    node: str
    room: str
    reason: str
    missing: tuple[str, ...]
    at: float


class Journal:
    """
    What there is to tell of the passes of a component. Written from any thread, read on the loop.

    Attributes:
        timed: Somebody listens: times are to be taken.
    """

    def __init__(self) -> None:
        self.timed = False
        self._kinds: dict[Tally, Literal["node", "process"]] = {}
        self._orphans: deque[Orphan] = deque(maxlen=MAX_ORPHANS)

    def of_node(self, name: str, sources: tuple[str, ...], sink: str) -> Tally:
        """
        Return the tally of a new node.
        """
        tally = Tally(name, sources, sink)
        self._kinds[tally] = "node"
        return tally

    def of_process(self, source: str, sink: str) -> Tally:
        """
        Return the tally of the process between two rooms: a program may make it anew for each of its passes.
        """
        for tally, kind in self._kinds.items():
            if kind == "process" and (tally.sources, tally.sink) == ((source,), sink):
                return tally
        tally = Tally(f"{source} → {sink}", (source,), sink)
        self._kinds[tally] = "process"
        return tally

    def orphaned(self, record: Record[T], reason: str, missing: Sequence[str] = ()) -> None:
        """
        Note that a record was given up; one that goes on with the part that came is closed.
        """
        owner = record.owner
        if record.terms.partial and record.got:
            owner.tally.closed += 1
            return
        owner.tally.orphaned += 1
        self._orphans.append(
            Orphan(
                owner.root, record.id, owner.tally.name, record.room, reason[:LONGEST_REASON],
                tuple(missing[:MOST_NAMED]), time.monotonic(),
            )
        )  # fmt: skip

    def told(self, open_records: Sequence[Record[Any]]) -> PassesReport | None:
        """
        Return what is to be told now, of these records that feedback is owed on among others.
        """
        if not self._kinds:
            return None
        now = time.monotonic()
        counts = Counter(record.owner.tally for record in open_records)
        oldest = sorted(open_records, key=lambda record: record.since)[:MAX_OPEN]
        return PassesReport(
            nodes=tuple(self._nodes(counts)),
            count=len(open_records),
            open=tuple(_open(record, now) for record in oldest),
            orphans=tuple(_orphan(orphan, now) for orphan in tuple(self._orphans)),
        )

    def _nodes(self, counts: Counter[Tally]) -> Iterable[NodeReport]:
        for tally, kind in list(self._kinds.items())[:MAX_NODES]:
            p50, p99 = tally.quantiles(0.5, 0.99)
            yield NodeReport(
                tally.name, kind, tally.sources, tally.sink,
                counts[tally], tally.closed, tally.orphaned, p50, p99,
            )  # fmt: skip


def _open(record: Record[T], now: float) -> OpenReport:
    owner = record.owner
    waits_for, ends = owner.waits_for, min(record.deadline, owner.ends)
    owing = sorted(record.outstanding or ()) if waits_for != "pullback" else []
    return OpenReport(
        root=owner.root,
        id=record.id,
        node=owner.tally.name,
        room=record.room,
        waits_for=waits_for,
        owing=tuple(owing[:MOST_NAMED]),
        got=record.got,
        age=now - record.since,
        left=None if math.isinf(ends) else max(0.0, ends - now),
    )


def _orphan(orphan: Orphan, now: float) -> OrphanReport:
    return OrphanReport(
        orphan.root, orphan.record, orphan.node, orphan.room, orphan.reason, orphan.missing, now - orphan.at
    )  # fmt: skip
