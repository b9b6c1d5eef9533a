"""
The words in which workloads are told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.subjects import Subject
from swergio.bench.outcome import Outcome


class Scale(NamedTuple):
    """
    How large the runs are.

    Attributes:
        factor: What all counts are multiplied by.
        full: Whether all variants are run, or only those that targets speak of.
        deadline: Seconds that a part of a run may take.
        faces: The faces of swergio, where a workload does not need both.
    """

    factor: float = 1.0
    full: bool = False
    deadline: float = 120.0
    faces: tuple[str, ...] = ("plain",)

    def count(self, usual: float, least: int = 20) -> int:
        """
        Return a count to scale.
        """
        return max(least, int(usual * self.factor))


class Case(NamedTuple):
    """
    One thing that is run.

    Attributes:
        variant: Which variant of the workload.
        contender: Who, as tables call it.
        measure: Runs it.
    """

    variant: str
    contender: str
    measure: Callable[[], Outcome]


class Column(NamedTuple):
    """
    A figure of a workload, as tables show it: its key, its head, and how many digits behind the point.
    """

    key: str
    head: str
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Workload:
    """
    A workload.

    Attributes:
        name: What it is called on the command line.
        title: What tables call it.
        columns: Its figures; the first is the one that is compared and drawn.
        cases: Lists the cases for some subjects.
        less_is_more: Whether less of the first figure is better.
        axis: What the variants grow in, if they are points of a curve.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    cases: Callable[[Sequence[Subject], Scale], list[Case]]
    less_is_more: bool = False
    axis: str = ""
