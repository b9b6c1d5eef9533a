"""
What one run of a measurement came to, and several runs together.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    One run.

    Attributes:
        figures: What was measured, by name: ``rate`` (a second), ``cpu`` (µs a message, all processes), ``p50``, ...
        lost, duplicated, reordered: Messages with which something was wrong.
        problem: Why there are no figures, if there are none.
    """

    figures: Mapping[str, float] = field(default_factory=dict)
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    problem: str | None = None

    @property
    def sound(self) -> bool:
        """
        Whether its figures count: it ran, and every message came once, in order.
        """
        return self.problem is None and not (self.lost or self.duplicated or self.reordered)

    @property
    def fault(self) -> str:
        """
        What was wrong with it, in a few words; empty if nothing was.
        """
        if self.problem is not None:
            return self.problem.splitlines()[0]
        counts = {"lost": self.lost, "duplicated": self.duplicated, "reordered": self.reordered}
        return ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)


class Spread(NamedTuple):
    """
    A figure over several runs.
    """

    median: float
    low: float
    high: float


def spread(outcomes: Sequence[Outcome], name: str) -> Spread | None:
    """
    Return a figure over several runs; None if one of them is not sound, or has no such figure.
    """
    if not all(outcome.sound and name in outcome.figures for outcome in outcomes) or not outcomes:
        return None
    values = [outcome.figures[name] for outcome in outcomes]
    return Spread(statistics.median(values), min(values), max(values))


def fault(outcomes: Sequence[Outcome]) -> str:
    """
    Return what was wrong, in how many of the runs; empty if nothing was.
    """
    faults = [outcome.fault for outcome in outcomes if not outcome.sound]
    return f"{len(faults)} of {len(outcomes)} runs: {faults[0]}" if faults else ""
