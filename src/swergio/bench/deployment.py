"""
The core workloads against a deployment that stands: what ``swergio bench`` runs.

Its rooms have names of their own, so that those who use the deployment notice nothing but the load. Each run is made of
processes on this host; what the broker costs is its own host's to tell.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from swergio.bench.measures import Flow, flow, round_trip
from swergio.bench.outcome import Outcome
from swergio.bench.stage import Contender

COMPONENTS = "swergio.bench.components"
FACES = {"plain": f"{COMPONENTS}:Plain", "async": f"{COMPONENTS}:Async"}
MIB = 1 << 20

REQUESTS, TEXTS, ARRAYS, DELIVERIES = 2_000, 200_000, 200, 200_000
MEMBERS = 4
DEADLINE = 120.0


class Workload(NamedTuple):
    """
    One core workload.

    Attributes:
        name: What it is.
        face: Which handlers it has: plain functions, or ``async def``.
        shows: Its figures, with what they are in; the first is the one that matters most.
        measure: Runs it.
    """

    name: str
    face: str
    shows: dict[str, str]
    measure: Callable[[], Outcome]


class Result(NamedTuple):
    """
    What came of the runs of one workload.
    """

    workload: Workload
    outcomes: list[Outcome]


def workloads(url: str | None, scale: float = 1.0) -> list[Workload]:
    """
    Return the core workloads.

    Args:
        url: The deployment; by default the settings' own, or the user's hub.
        scale: What all counts are multiplied by.
    """
    mark = f"-{secrets.token_hex(4)}"
    trip, rate, arrays = {"p50": "µs", "p99": "µs", "p999": "µs"}, {"rate": "/s", "cpu": "µs"}, {"megabytes": "MB/s"}
    found = []
    for face, client in FACES.items():
        who = Contender(name=f"swergio, {face} handlers", client=client, url=url or "", mark=mark)
        run = partial(round_trip, who, _count(REQUESTS, scale), deadline=DEADLINE)
        found.append(Workload("round trip, 64 B", face, trip, run))
        flows = {
            "throughput, 128 B": (Flow(_count(TEXTS, scale), deadline=DEADLINE), rate),
            "arrays, 1 MiB": (Flow(_count(ARRAYS, scale), MIB, arrays=True, deadline=DEADLINE), arrays),
            f"fan-out to {MEMBERS}, 128 B": (
                Flow(_count(DELIVERIES // MEMBERS, scale), members=MEMBERS, deadline=DEADLINE),
                rate,
            ),
        }
        found += [Workload(name, face, shows, partial(flow, who, what)) for name, (what, shows) in flows.items()]
    return found


def _count(usual: int, scale: float) -> int:
    return max(20, int(usual * scale))


def measure(every: Sequence[Workload], repeat: int, note: Callable[[int], None]) -> list[Result]:
    """
    Run each workload ``repeat`` times, in alternation.

    Args:
        every: The workloads.
        repeat: How often.
        note: Called after each run, with how many there were.
    """
    results = [Result(workload, []) for workload in every]
    for turn in range(repeat):
        for at, result in enumerate(results, 1):
            result.outcomes.append(result.workload.measure())
            note(turn * len(results) + at)
    return results
