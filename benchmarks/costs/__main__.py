"""Count what the hot paths cost, and compare it with what is recorded.

python -m benchmarks.costs [--path "hub to 8" ...] [--calls] [--record] [--profile]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path as File

from benchmarks.costs.counting import NoValgrind, Profile, calls, instructions
from benchmarks.costs.paths import PATHS, Path
from benchmarks.costs.records import RECORDED, TOLERANCE, Change, Records

FINE, SLOWER, UNKNOWN = 0, 1, 2
SHOWN = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Return 0 if nothing is above its tolerance, 1 if something is, 2 if there is nothing to count or to compare with.
    """
    asked = _parser().parse_args(arguments)
    names = asked.path or list(PATHS)
    records = Records(asked.file)
    paths = {name: PATHS[name]() for name in names}
    counted = {"calls": {name: calls(path) for name, path in paths.items()}}
    if not asked.calls:
        try:
            counted["instructions"] = instructions(names)
        except NoValgrind as exc:
            print(exc, file=sys.stderr)
            return UNKNOWN
    if asked.profile:
        for kind, profiles in counted.items():
            for name, profile in profiles.items():
                print(f"{name}: {_functions(kind, paths[name], profile)}")
    totals = {kind: {name: one.total for name, one in profiles.items()} for kind, profiles in counted.items()}
    changes = [change for kind in totals for change in records.compare(kind, totals[kind])]
    print(_table(paths, counted, changes))
    if asked.record:
        for kind, counts in totals.items():
            records.record(kind, counts, whole=asked.path is None)
        print(f"Recorded in {asked.file}.")
        return FINE
    return _judge(records, changes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.costs", description=__doc__)
    parser.add_argument("--path", action="append", choices=PATHS, metavar="NAME", help=f"only this: {', '.join(PATHS)}")
    parser.add_argument("--calls", action="store_true", help="count calls only, which needs no valgrind and is quick")
    parser.add_argument("--record", action="store_true", help="write what is counted to the file")
    parser.add_argument("--profile", action="store_true", help="show the functions that the counts come from")
    parser.add_argument("--file", type=File, default=RECORDED, help="the file with the records")
    return parser


def _table(paths: dict[str, Path], counted: dict[str, dict[str, Profile]], changes: Sequence[Change]) -> str:
    by_path = {(change.kind, change.name): change for change in changes}
    kinds = list(counted)
    lines = [f"{'path':<16}" + "".join(f"{kind:>14} {'recorded':>12} {'change':>8} {'spread':>7}" for kind in kinds)]
    for name, path in paths.items():
        cells = [_cells(by_path[kind, name], counted[kind][name], path.units) for kind in kinds]
        lines.append(f"{name:<16}" + "".join(cells) + f"  per {path.unit}")
    return "\n".join(lines)


def _cells(change: Change, profile: Profile, units: int) -> str:
    recorded = "-" if change.recorded is None else f"{change.recorded / units:,.1f}"
    moved = "" if change.relative is None else f"{change.relative:+.1%}"
    return f"{change.counted / units:>14,.1f} {recorded:>12} {moved:>8} {profile.spread:>7.2%}"


def _functions(kind: str, path: Path, profile: Profile) -> str:
    lines = [f"{kind} per {path.unit}"]
    for function, count in profile.functions.most_common(SHOWN):
        lines.append(f"{count / path.units:>14,.2f} {count / profile.total:>7.1%}  {function}")
    return "\n".join(lines) + "\n"


def _judge(records: Records, changes: Sequence[Change]) -> int:
    differences = records.differences()
    if differences:
        print(f"Another environment than that of the records: {'; '.join(differences)}.")
    unknown = [change for change in changes if change.recorded is None]
    slower = [change for change in changes if change.slower]
    for change in slower:
        print(
            f"{change.name}: {change.relative:+.1%} {change.kind}, more than the tolerance {TOLERANCE[change.kind]:.0%}"
        )
    if slower:
        because = "; part of it may come from the environment: record the commit before it too" if differences else ""
        print(f"If it is worth it, say why in the commit, and record it with --record{because}.")
        return SLOWER
    if unknown:
        print(f"Not recorded for this Python: {', '.join(sorted({change.name for change in unknown}))}. Use --record.")
        return UNKNOWN
    return FINE


if __name__ == "__main__":
    sys.exit(main())
