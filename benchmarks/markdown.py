"""
Writes the tables of a run into a page of the documentation, between two marks that it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import Table
from benchmarks.machine import sentence
from benchmarks.report import LEGEND, rows, target_rows
from benchmarks.targets import judge
from benchmarks.workloads import WORKLOADS

BEGIN = "<!-- figures of a run: begin -->"
END = "<!-- figures of a run: end -->"


def write(page: Path, table: Table, machine: dict[str, object], against: str) -> None:
    """
    Put the tables where the page has its marks.

    Raises:
        SystemExit: it has none.
    """
    text = page.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} does not hold the lines {BEGIN!r} and {END!r}")
    page.write_text(f"{before}{BEGIN}\n\n{tables(table, machine, against)}\n{END}{after}", "utf-8")


def tables(table: Table, machine: dict[str, object], against: str) -> str:
    """
    Return the tables as Markdown.
    """
    parts = [f"{sentence(machine)}.", f"{LEGEND[0].upper()}{LEGEND[1:]}."]
    for name, workload in WORKLOADS.items():
        if variants := table.variants(name):
            parts.append(f"### {workload.title}")
        for variant in variants:
            (_, *heads), *lines = rows(table, workload, variant, against)
            parts.append(_table([variant, *heads], lines))
    if targets := list(target_rows(judge(table))):
        parts += ["### Targets", _table(["target", "contender", "wanted", "measured", ""], targets)]
    return "\n\n".join(parts) + "\n"


def _table(heads: Sequence[object], lines: Sequence[Sequence[object]]) -> str:
    every = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in every)
