"""``swergio bench``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

import swergio
from swergio.bench.deployment import Result, measure, workloads
from swergio.bench.outcome import fault, spread
from swergio.errors import ConfigurationError, MissingExtra


def run(url: str | None, *, scale: float, repeat: int, as_json: bool) -> None:
    """
    Measure a deployment, and print what came of it; exit code 1 if a message was lost, came twice or out of order.

    Raises:
        ConfigurationError: processes cannot share the deployment.
        ConnectFailed: there is none.
        MissingExtra: NumPy is not installed.
    """
    if url is not None and url.startswith("memory:"):
        raise ConfigurationError(f"{url!r} is within one process", "a deployment that several processes can reach")
    if find_spec("numpy") is None:
        raise MissingExtra("the arrays of the benchmark need numpy", remedy="Run: pip install 'swergio[numpy]'")
    every = workloads(url, scale)
    # Connected all the while: what is wrong with the deployment is told at once, and a hub on demand stays.
    with swergio.Component("swergio-bench", url), Console(stderr=True).status("") as status:
        status.update(f"{len(every) * repeat} runs")
        results = measure(every, repeat, lambda done: status.update(f"{done} of {len(every) * repeat} runs are done"))
    _tell(results, as_json=as_json)


def _tell(results: Sequence[Result], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"swergio": version("swergio"), "results": [_record(result) for result in results]}))
    else:
        console = Console()
        console.print(_table(results))
        console.print("Median (lowest–highest). CPU: of sender and members, for each delivery.", style="dim")
    if any(fault(result.outcomes) for result in results):
        sys.exit(1)


def _table(results: Sequence[Result]) -> Table:
    table = Table("", "handlers", box=None, pad_edge=False)
    table.add_column("", justify="right")
    for workload, outcomes in results:
        if problem := fault(outcomes):
            table.add_row(workload.name, workload.face, Text(f"✗ {problem}", style="red"))
            continue
        for at, (figure, unit) in enumerate(workload.shows.items()):
            row = (workload.name, workload.face) if not at else ("", "")
            table.add_row(*row, _figure(outcomes, figure, unit))
    return table


def _figure(outcomes: Sequence[Any], figure: str, unit: str) -> str:
    found = spread(outcomes, figure)
    if found is None:
        return ""
    digits = 2 if found.median < 10 else 0
    text = f"{figure} " if figure != "rate" else ""
    text += f"{found.median:,.{digits}f} {unit}"
    return text if len(outcomes) == 1 else f"{text} ({found.low:,.{digits}f}–{found.high:,.{digits}f})"


def _record(result: Result) -> dict[str, Any]:
    """
    Return a result for programs: a run that was not sound has no figures, and says what was wrong.
    """
    runs = [
        {
            "ok": outcome.sound,
            "figures": dict(outcome.figures),
            "lost": outcome.lost,
            "duplicated": outcome.duplicated,
            "reordered": outcome.reordered,
            "problem": outcome.problem,
        }
        for outcome in result.outcomes
    ]
    return {"workload": result.workload.name, "handlers": result.workload.face, "runs": runs}
