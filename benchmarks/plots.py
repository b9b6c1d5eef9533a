"""
Draws each workload: bars for one variant, curves over several.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from benchmarks.harness import Table
from benchmarks.workloads import WORKLOADS, Workload
from swergio.bench.outcome import spread

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def draw(folder: Path, table: Table) -> list[Path]:
    """
    Write a picture for each workload that was run; return their names.
    """
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, workload in WORKLOADS.items():
        variants = table.variants(name)
        if not variants:
            continue
        points = [_number(variant) for variant in variants]
        curve = bool(workload.axis) and len(set(points)) == len(variants) > 1
        figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
        (_curves if curve else _bars)(axes, table, workload)
        axes.set_title(workload.title)
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=120)
        plt.close(figure)
    return files


def _curves(axes: Any, table: Table, workload: Workload) -> None:
    column = workload.columns[0]
    lines: dict[str, list[tuple[float, float]]] = {}
    for variant in table.variants(workload.name):
        for who in table.contenders(workload.name, variant):
            found = _median(table, workload, variant, who)
            if found is not None:
                lines.setdefault(who, []).append((_number(variant), found))
    for who, points in lines.items():
        axes.loglog(*zip(*points, strict=True), marker="o", label=who, ls="-" if who.startswith("swergio") else ":")
    axes.set_xlabel(workload.axis)
    axes.set_ylabel(column.head)
    axes.grid(visible=True, which="major", alpha=0.3)
    if lines:
        axes.legend(fontsize="small")


def _bars(axes: Any, table: Table, workload: Workload) -> None:
    bars = [
        (f"{who} {variant}".strip(), found, who.startswith("swergio"))
        for variant in table.variants(workload.name)
        for who in table.contenders(workload.name, variant)
        if (found := _median(table, workload, variant, who)) is not None
    ]
    for at, (_, value, own) in enumerate(bars):
        axes.barh(at, value, color="tab:blue" if own else "tab:gray")
    axes.set_yticks(range(len(bars)), [name for name, *_ in bars], fontsize="small")
    axes.invert_yaxis()
    axes.set_xlabel(workload.columns[0].head)


def _median(table: Table, workload: Workload, variant: str, who: str) -> float | None:
    outcomes = [run.outcome for run in table.runs(workload.name, variant, who)]
    found = spread(outcomes, workload.columns[0].key)
    return found.median if found else None


def _number(variant: str) -> float:
    match = re.match(r"([\d,]+) ?(\w*)", variant)
    return float(match[1].replace(",", "")) * UNITS.get(match[2], 1) if match else 0.0
