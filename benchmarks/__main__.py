"""
Measure swergio beside what one would take instead, in one run: ``python -m benchmarks --help``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.harness import Record, Table, measure
from benchmarks.machine import BUSY, describe, look_around
from benchmarks.subjects import FACES, Subject, all_subjects
from benchmarks.workloads import WORKLOADS, Scale

QUICK = 0.1
WIDE = 160  # columns, where nobody says how many there are
USUAL = ("round-trip", "throughput", "arrays", "fan-out")
OF_TARGETS = ("round-trip", "throughput", "arrays", "fan-out", "members", "rooms", "pass", "startup")


def main() -> None:
    """
    Do what the command line says.
    """
    options = read_options()
    console = Console(stderr=True, highlight=False)
    if options.list:
        list_all(console)
        return
    for name in [name for name in os.environ if name.startswith("SWERGIO_") and name != "SWERGIO_REDIS_SERVER"]:
        del os.environ[name]  # it is the defaults that are measured
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # processes are ended on the way out
    if options.read:
        told = json.loads(options.read.read_text("utf-8"))
        records, machine = [Record.from_json(record) for record in told["runs"]], told["machine"]
        whole = True
    else:
        machine = describe() | {"busy": check_quiet(console, anyway=options.busy_anyway)}
        records, whole = run(options, console)
    publish(options, records, machine)
    if not whole:
        sys.exit(130)


def read_options() -> argparse.Namespace:
    """
    Read the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; usually {', '.join(USUAL)}")
    add("--subject", action="append", metavar="NAME", help="whom to measure; may be given again; 'all'")
    add("--face", action="append", choices=FACES, help="handlers of swergio, where a workload does not need both")
    add("--repeat", type=int, default=3, help="turns of everything, in alternation")
    add("--quick", action="store_true", help="one turn of a tenth: to see that it runs, not what it gives")
    add("--full", action="store_true", help="all variants, not only those that targets speak of")
    add("--factor", type=float, default=1.0, help="multiply all counts")
    add("--deadline", type=float, default=120.0, help="seconds that a part of a run may take")
    add("--targets", action="store_true", help="run what the targets need, and judge them")
    add("--against", default="websockets", metavar="NAME", help="whom ratios in tables are to")
    add("--busy-anyway", action="store_true", help="measure though something else uses the machine")
    add("--read", type=Path, metavar="FILE", help="show what --json wrote, and measure nothing")
    add("--json", type=Path, metavar="FILE", help="write every single run there")
    add("--plot", type=Path, metavar="FOLDER", help="draw pictures there")
    add("--markdown", type=Path, metavar="FILE", help="write the tables into this page, between its marks")
    add("--list", action="store_true", help="list workloads and subjects, and what each of these needs")
    options = parser.parse_args()
    unknown = [name for name in options.workloads if name not in WORKLOADS]
    if unknown:
        parser.error(f"no workload {unknown[0]!r}; there are {', '.join(WORKLOADS)}")
    known = [subject.name for subject in all_subjects()]
    for name in options.subject or ():
        if name not in {*known, "all"}:
            parser.error(f"no subject {name!r}; there are {', '.join(known)}")
    return options


def list_all(console: Console) -> None:
    """
    Say what there is to measure.
    """
    for name, workload in WORKLOADS.items():
        console.print(f"{name:12} {workload.title}")
    for subject in all_subjects():
        console.print(f"{subject.name:24} {subject.missing() or 'ready'}")


def check_quiet(console: Console, *, anyway: bool) -> float:
    """
    Return how many cores others use; ends the program if that is too much, unless that is meant.
    """
    busy = look_around()
    if busy > BUSY:
        problem = f"Something else uses {busy:.1f} cores: figures taken now would mean little."
        if not anyway:
            raise SystemExit(f"{problem} Stop it, or measure all the same with --busy-anyway.")
        console.print(f"{problem} They are marked with ~.", style="bold red")
    return busy


def choose(options: argparse.Namespace, console: Console) -> list[Subject]:
    """
    Return the subjects that are wanted and installed; says which are not, and what helps.
    """
    chosen = []
    for subject in all_subjects():
        named = subject.name in (options.subject or ()) or "all" in (options.subject or ())
        if named or (not options.subject and subject.usual):
            if lacking := subject.missing() or subject.prepare():
                console.print(f"without {subject.name}: {lacking}", style="yellow")
            else:
                chosen.append(subject)
    return chosen


def run(options: argparse.Namespace, console: Console) -> tuple[list[Record], bool]:
    """
    Measure; return the runs, and whether they are all: Ctrl-C ends this early.
    """
    names = options.workloads or (OF_TARGETS if options.targets else USUAL)
    factor = options.factor * (QUICK if options.quick else 1)
    scale = Scale(factor, options.full, options.deadline, tuple(options.face or ["plain"]))

    records: list[Record] = []

    def note(record: Record) -> None:
        records.append(record)
        outcome = record.outcome
        figures = ", ".join(f"{name} {value:,.4g}" for name, value in outcome.figures.items() if outcome.sound)
        console.print(f"{record.workload} {record.variant}, {record.contender}: ", style="bold", end="", markup=False)
        console.print(figures or f"✗ {outcome.problem or outcome.fault}", markup=False, soft_wrap=True)

    repeat = 1 if options.quick else options.repeat
    try:
        measure([WORKLOADS[name] for name in names], choose(options, console), scale, repeat, note)
    except KeyboardInterrupt:
        console.print("Interrupted; this is what there is.", style="bold red")
        return records, False
    return records, True


def publish(options: argparse.Namespace, records: list[Record], machine: dict[str, Any]) -> None:
    """
    Print the tables, and write what is to be written.
    """
    from benchmarks import markdown, plots, report

    table, console = Table(records), Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    report.show(console, table, machine, options.against)
    if options.targets:
        report.show_targets(console, table)
    if options.json:
        told = {"machine": machine, "runs": [record.as_json() for record in records]}
        options.json.write_text(json.dumps(told, indent=1), "utf-8")
    if options.markdown:
        markdown.write(options.markdown, table, machine, options.against)
    if options.plot:
        plots.draw(options.plot, table)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
