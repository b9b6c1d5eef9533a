"""
What a run says on a terminal: tables, and how it stands to the targets.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table as Grid

from benchmarks.harness import Table
from benchmarks.machine import sentence
from benchmarks.targets import Verdict, judge
from benchmarks.workloads import WORKLOADS, Workload

if TYPE_CHECKING:
    from rich.console import Console

WORDS = {"met": "[green]met[/]", "missed": "[red]missed[/]", "no result": "[red]no result[/]"}
LEGEND = "median (lowest–highest); ✗ a run was not sound, and has no figure; ~ something else used the machine"


def show(console: Console, table: Table, machine: dict[str, object], against: str) -> None:
    """
    Print a table for each workload.
    """
    for name, workload in WORKLOADS.items():
        for variant in table.variants(name):
            console.print(_grid(table, workload, variant, against))
    console.print(sentence(machine), style="dim", soft_wrap=True)
    console.print(LEGEND, style="dim")


def _grid(table: Table, workload: Workload, variant: str, against: str) -> Grid:
    title = f"{workload.title}: {variant}" if variant else workload.title
    grid = Grid(title=title, title_justify="left", title_style="bold")
    grid.add_column("")
    heads, *lines = rows(table, workload, variant, against)
    for head in heads[1:]:
        grid.add_column(head, justify="right")
    for line in lines:
        grid.add_row(*map(escape, line))
    return grid


def rows(table: Table, workload: Workload, variant: str, against: str) -> list[list[str]]:
    """
    Return a table as cells: the heads of its columns, then a row for each contender.
    """
    contenders = table.contenders(workload.name, variant)
    shown = [column for column in workload.columns if _is_there(table, workload, variant, column.key)]
    compared = against in contenders and bool(shown)
    heads = [column.head for column in shown] + ([f"to {against}"] if compared else [])
    lines = [["", *heads]]
    for who in contenders:
        cells = [table.text(workload.name, variant, who, column.key, column.digits) for column in shown]
        if compared:
            places = [(workload.name, variant, name) for name in (who, against)]
            ratios = table.ratio(places[0], places[1], shown[0].key)
            cells.append(f"× {statistics.median(ratios):.2f}" if ratios else "")
        lines.append([who, *cells])
    return lines


def _is_there(table: Table, workload: Workload, variant: str, key: str) -> bool:
    first = workload.columns[0].key
    runs = [run for who in table.contenders(workload.name, variant) for run in table.runs(workload.name, variant, who)]
    return key == first or any(key in run.outcome.figures for run in runs)


def show_targets(console: Console, table: Table) -> list[Verdict]:
    """
    Print how each target stands; return that.
    """
    grid = Grid(title="Targets", title_justify="left", title_style="bold")
    for head in ("target", "contender", "wanted", "measured", ""):
        grid.add_column(head)
    verdicts = judge(table)
    for row in target_rows(verdicts):
        *cells, word = row
        grid.add_row(*(escape(cell) for cell in cells), WORDS.get(word, word))
    console.print(grid)
    if any(record.disturbed for record in table.records):
        console.print("Something else used the machine meanwhile: these are no verdicts.", style="bold red")
    counts = {word: sum(verdict.word == word for verdict in verdicts) for word in ("met", "missed", "no result")}
    left = sum(verdict.word == "not measured" for verdict in verdicts)
    console.print(", ".join(f"{count} {word}" for word, count in counts.items()) + f", {left} not measured")
    return verdicts


def target_rows(verdicts: Sequence[Verdict]) -> Iterator[list[str]]:
    """
    Yield the rows of the table of targets; what was not measured is left out.
    """
    for target, value, word in verdicts:
        if word == "not measured":
            continue
        unit = target.unit or "×"
        yield [target.what, target.one[2], target.wanted(), "" if value is None else f"{value:.3g} {unit}", word]
