"""
Runs cases in alternation, and keeps what came of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from benchmarks.machine import BUSY, Others
from benchmarks.subjects import Subject
from benchmarks.workloads import Scale, Workload
from swergio.bench.outcome import Outcome, fault, spread


@dataclass(frozen=True, slots=True)
class Record:
    """
    One run of one case.

    Attributes:
        workload, variant, contender: Which case.
        turn: In which turn; what was measured in one turn is compared.
        outcome: What came of it.
        others: How many cores others used meanwhile; None where the system does not tell.
    """

    workload: str
    variant: str
    contender: str
    turn: int
    outcome: Outcome
    others: float | None = None

    def as_json(self) -> dict[str, Any]:
        """
        Return it for a file: a run that is not sound has no figures, and says why.
        """
        told = asdict(self)
        outcome: dict[str, Any] = told.pop("outcome")
        return {**told, "ok": self.outcome.sound, "disturbed": self.disturbed, **outcome}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Record:
        """
        Return what `as_json` made.
        """
        names = ("figures", "lost", "duplicated", "reordered", "problem")
        outcome = Outcome(**{name: told[name] for name in names})
        own = ("workload", "variant", "contender", "turn", "others")
        return cls(outcome=outcome, **{name: told[name] for name in own})

    @property
    def disturbed(self) -> bool:
        """
        Whether something else used the machine so much that the run means little.
        """
        return self.others is not None and self.others > BUSY


def measure(
    workloads: Sequence[Workload],
    subjects: Sequence[Subject],
    scale: Scale,
    repeat: int,
    note: Callable[[Record], None],
) -> None:
    """
    Run every case ``repeat`` times, and hand each run to ``note``.

    All contenders of a variant have their turn before the first has its next one: what changes on the machine
    meanwhile changes for all of them. The very first run is thrown away: fresh memory is slow at its first touch.
    """
    for at, workload in enumerate(workloads):
        cases = workload.cases(subjects, scale)
        if repeat > 1 and cases and not at:
            cases[0].measure()
        for variant, turn in product(dict.fromkeys(case.variant for case in cases), range(repeat)):
            for case in [case for case in cases if case.variant == variant]:
                others = Others()
                outcome = case.measure()
                note(Record(workload.name, variant, case.contender, turn, outcome, others.cores()))


class Table:
    """
    Records by case.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self._runs: dict[tuple[str, str, str], list[Record]] = {}
        for record in records:
            self._runs.setdefault((record.workload, record.variant, record.contender), []).append(record)

    def variants(self, workload: str) -> list[str]:
        """
        Return the variants of a workload, in their order.
        """
        return list(dict.fromkeys(variant for name, variant, _ in self._runs if name == workload))

    def contenders(self, workload: str, variant: str) -> list[str]:
        """
        Return whom a variant was run with, in their order.
        """
        return [who for name, which, who in self._runs if (name, which) == (workload, variant)]

    def runs(self, workload: str, variant: str, contender: str) -> list[Record]:
        """
        Return the runs of one case, in their order.
        """
        return self._runs.get((workload, variant, contender), [])

    def text(self, workload: str, variant: str, contender: str, key: str, digits: int) -> str:
        """
        Return a figure for people: median and spread, or what was wrong.
        """
        runs = self.runs(workload, variant, contender)
        outcomes = [run.outcome for run in runs]
        found = spread(outcomes, key)
        if found is None:
            return fault(outcomes) and f"✗ {fault(outcomes)}"
        mark = " ~" if any(run.disturbed for run in runs) else ""
        text = f"{found.median:,.{digits}f}"
        if len(runs) > 1:
            text += f" ({found.low:,.{digits}f}–{found.high:,.{digits}f})"
        return text + mark

    def ratio(self, first: tuple[str, str, str], second: tuple[str, str, str], key: str) -> list[float]:
        """
        Return the ratios of a figure of two cases, turn by turn; none if one of the runs is not sound.
        """
        pairs = list(zip(self.runs(*first), self.runs(*second), strict=False))
        if not all(one.outcome.sound and other.outcome.sound for one, other in pairs):
            return []
        values = [(one.outcome.figures.get(key), other.outcome.figures.get(key)) for one, other in pairs]
        return [one / other for one, other in values if one is not None and other]
