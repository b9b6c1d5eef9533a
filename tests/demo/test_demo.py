from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import swergio
from swergio.demo import STEPS
from swergio.demo.run import run_demo
from swergio.demo.stage import Stage

if TYPE_CHECKING:
    from tests.demo.conftest import HubProcess


@pytest.mark.long
def test_the_process_trained_model_beats_its_rivals_through_the_rooms(hub: HubProcess) -> None:
    result = run_demo(hub.url)
    cost = {name: score.cost for name, score in result.scores.items()}
    assert cost["process"] <= 0.7 * cost["constant_offset"]
    assert cost["process"] < cost["hourly_offset"]


def test_json_has_the_promised_keys_and_nothing_else_is_printed(
    hub: HubProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    run_demo(hub.url, steps=3, seeds=2, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    contenders = ["accuracy", "constant_offset", "hourly_offset", "process"]
    assert list(printed) == ["transport", "seeds", "seconds", "messages", *contenders]
    assert (printed["transport"], printed["seeds"]) == ("ws", 2)
    assert all(set(printed[name]) == {"forecast_error", "cost"} for name in contenders)
    # In a step, a batch is asked for and told, a pass through k components takes 2k + 2 messages, and the loss is told.
    # A training has 3 steps, a restart and the year (asked for and answered), a forecast of the year and its result.
    accuracy = 3 * (2 + 4 + 1) + 2 + 2 + 2 + 1
    process = 3 * (2 + 6 + 1) + 2 + 2 + 3 + 1
    assert printed["messages"] == 2 * (accuracy + process)


def test_a_table_is_printed_and_a_plot_is_drawn(
    hub: HubProcess, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run_demo(hub.url, steps=3, plot=tmp_path / "demo.svg")
    printed = capsys.readouterr().out
    for words in ("accuracy", "+ constant offset", "+ hourly offsets", "process", "1 seed", "messages over ws"):
        assert words in printed
    assert (tmp_path / "demo.svg").read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.long
def test_training_reaches_its_result_while_the_hub_is_killed_at_five_points(hub: HubProcess) -> None:
    points = [
        ("accuracy", 0),
        ("accuracy", STEPS // 2),
        ("process", 0),
        ("process", STEPS // 3),
        ("process", STEPS // 2),
    ]

    def strike(message: swergio.Message) -> None:
        if points and (message.data["kpi"], message.data["step"]) >= points[0]:
            del points[0]
            hub.kill()
            hub.start()

    saboteur = swergio.Component("saboteur", hub.url)
    saboteur.on("_logging", swergio.MessageType.KPI)(strike)
    with saboteur:
        cost = {name: score.cost for name, score in run_demo(hub.url).scores.items()}
    assert points == []
    assert cost["process"] <= 0.7 * cost["constant_offset"]
    assert cost["process"] < cost["hourly_offset"]


def test_a_program_that_ends_is_told(hub: HubProcess) -> None:
    with Stage(hub.url, lambda goal, loss: None) as stage, pytest.raises(swergio.PassFailed, match="'trainer' ended"):
        stage.train("no such goal", seed=0, steps=1)


def test_one_demo_at_a_time_runs_on_a_deployment(hub: HubProcess) -> None:
    with Stage(hub.url, lambda goal, loss: None), pytest.raises(swergio.NameTaken):
        run_demo(hub.url, steps=1)


def test_no_program_is_left_behind(hub: HubProcess) -> None:
    with Stage(hub.url, lambda goal, loss: None) as stage:
        stage.start("weather", "year")
        programs = list(stage._programs.values())
    assert [program.returncode for program in programs] == [0]
