"""
Runs of a measurement: what is wrong in one is its result, whatever goes wrong.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from swergio.bench import measures
from swergio.bench.measures import Flow, flow, round_trip
from swergio.bench.outcome import Outcome, fault, spread
from swergio.bench.processes import Process, RoleFailed, python
from swergio.bench.stage import Contender
from swergio.hub import HubThread

pytestmark = pytest.mark.long  # processes, whose start is most of it

ROOT = Path(__file__).parent.parent.parent
FEW = Flow(100)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with HubThread(["ws://127.0.0.1:0"]) as hub:
        yield hub.urls[0]


def contender(url: str, client: str = "swergio.bench.components:Plain") -> Contender:
    return Contender(name="it", client=client, url=url, environment={"PYTHONPATH": str(ROOT)})


def test_a_run_has_figures(url: str) -> None:
    outcome = flow(contender(url), FEW)

    assert outcome.sound, outcome.fault
    assert {"rate", "megabytes"} <= outcome.figures.keys()
    assert "cpu" in outcome.figures or not os.path.exists("/proc")  # noqa: PTH110


@pytest.mark.parametrize(
    ("client", "counts", "said"),
    [
        ("Losing", (1, 0, 0), "1 lost"),
        ("Doubling", (0, 1, 0), "1 duplicated"),
        ("Swapping", (0, 0, 1), "1 reordered"),
    ],
)
def test_a_run_in_which_a_message_went_wrong_has_no_figures(
    url: str, client: str, counts: tuple[int, int, int], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "STALL", 1.0)
    outcome = flow(contender(url, f"tests.bench.faulty:{client}"), FEW)

    assert (outcome.lost, outcome.duplicated, outcome.reordered) == counts
    assert not outcome.sound
    assert (dict(outcome.figures), outcome.fault) == ({}, said)


def test_a_role_that_dies_tells_why(url: str) -> None:
    outcome = flow(contender(url, "tests.bench.faulty:Dying"), FEW)

    assert outcome.problem is not None
    assert outcome.fault.startswith("the sender of it has ended")
    assert "RuntimeError: no more of this" in outcome.problem


def test_a_role_that_hangs_is_ended(url: str) -> None:
    began = time.monotonic()
    outcome = flow(contender(url, "tests.bench.faulty:Stuck"), Flow(100, deadline=8.0))

    assert outcome.fault == "the sender of it did not say 'sent' in 8 s"
    assert time.monotonic() - began < 60


def test_round_trips_of_both_faces(url: str) -> None:
    for face in ("Plain", "Async"):
        outcome = round_trip(contender(url, f"swergio.bench.components:{face}"), 30)
        assert outcome.sound, outcome.problem
        assert 0 < outcome.figures["p50"] <= outcome.figures["p99"] <= outcome.figures["p999"]


def test_a_role_ends_with_whoever_started_it(url: str) -> None:
    told = {"play": "swergio.bench.roles:echo", "client": "swergio.bench.components:Plain", "loop": "asyncio"}
    with Process("echo", python({**told, "place": [url, "a", "b", {}]})) as echo:
        echo.hear("ready")
        echo.hang_up()
        with pytest.raises(RoleFailed, match="the echo has ended"):
            echo.hear("anything")


def test_runs_together_are_as_sound_as_the_worst() -> None:
    good, bad = Outcome({"rate": 2.0}), Outcome(lost=3)

    assert spread([good, Outcome({"rate": 4.0}), Outcome({"rate": 3.0})], "rate") == (3.0, 2.0, 4.0)
    assert spread([good, bad], "rate") is None
    assert (fault([good, bad]), fault([good])) == ("1 of 2 runs: 3 lost", "")
