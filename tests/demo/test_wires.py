"""The demo on every transport: not a line of it is another, and its result is the same."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.live.deployments import DEPLOYMENTS, deployed

from swergio.demo.judge import judge
from swergio.demo.run import run_demo

if TYPE_CHECKING:
    from tests.demo.conftest import HubProcess

    from swergio.demo.run import Result

pytestmark = pytest.mark.long

STEPS = 10


@pytest.fixture(params=DEPLOYMENTS[1:])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with deployed(request.param) as url:
        yield url


@pytest.fixture(scope="module")
def over_websocket(hub: HubProcess) -> Result:
    return run_demo(hub.url, steps=STEPS)


def test_the_demo_has_the_same_result_over_another_transport(over_websocket: Result, url: str) -> None:
    result = run_demo(url, steps=STEPS)
    assert result.messages == over_websocket.messages
    for name, score in over_websocket.scores.items():
        assert result.scores[name].cost == pytest.approx(score.cost, rel=1e-9)


def test_the_demo_has_the_same_result_in_one_process(over_websocket: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWERGIO_URL", "memory://demo")
    names = ("weather", "forecaster", "site", "trainer")
    programs = {name: importlib.reload(importlib.import_module(f"swergio.demo.{name}")) for name in names}
    with ExitStack() as stack:
        for name in ("weather", "forecaster", "trainer"):
            stack.enter_context(getattr(programs[name], name))
        accuracy = programs["trainer"].train("accuracy", 0, STEPS)
        stack.enter_context(programs["site"].site)
        process = programs["trainer"].train("process", 0, STEPS)
    for name, score in judge(accuracy, process).items():
        assert score.cost == pytest.approx(over_websocket.scores[name].cost, rel=1e-9)
