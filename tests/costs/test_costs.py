"""
The cost guards: the hot paths make no more calls than is recorded, and the tool notices if they do.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from benchmarks.costs.__main__ import FINE, SLOWER, UNKNOWN, main
from benchmarks.costs.counting import calls, instructions
from benchmarks.costs.paths import PATHS
from benchmarks.costs.records import TOLERANCE, Records

from swergio.outbox import Outbox
from tests.costs import planted

RECORDS = Records()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """
    A file that has the calls of a lone ``send``.
    """
    file = tmp_path / "recorded.json"
    assert main(["--calls", "--path", "send alone", "--record", "--file", str(file)]) == FINE
    return file


@pytest.mark.skipif(not RECORDS.here, reason="nothing is recorded for this Python: python -m benchmarks.costs --record")
@pytest.mark.parametrize("name", PATHS)
def test_a_hot_path_makes_no_more_calls_than_recorded(name: str) -> None:
    counted = calls(PATHS[name]())
    (change,) = RECORDS.compare("calls", {name: counted.total})

    # `python -m benchmarks.costs --calls --profile --path ...` shows which; `--record`, if they are worth it.
    assert not change.slower, f"{change.recorded} calls became {change.counted}: {counted.functions.most_common(40)}"


def test_every_path_counts_the_same_each_time() -> None:
    assert len({calls(PATHS["send"]()).total for _ in range(2)}) == 1


def test_one_call_more_for_each_message_is_noticed(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Outbox, "add", planted.wrapped)

    assert main(["--calls", "--path", "send alone", "--file", str(file)]) == SLOWER
    assert "send alone: +" in capsys.readouterr().out


def test_an_unchanged_run_passes(file: Path) -> None:
    assert main(["--calls", "--path", "send alone", "--file", str(file)]) == FINE


def test_what_is_not_recorded_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--calls", "--path", "send", "--file", str(file)]) == UNKNOWN
    assert "Not recorded for this Python: send." in capsys.readouterr().out


def test_another_environment_is_told_and_compared_nevertheless(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = json.loads(file.read_text("utf-8"))
    for version in recorded.values():
        version["environment"]["msgpack"] = "0.5"
    file.write_text(json.dumps(recorded), "utf-8")

    assert main(["--calls", "--path", "send alone", "--file", str(file)]) == FINE
    assert "recorded with 0.5" in capsys.readouterr().out


def test_recording_one_path_keeps_the_others(file: Path) -> None:
    main(["--calls", "--path", "acknowledge", "--record", "--file", str(file)])
    assert Records(file).here["calls"].keys() == {"send alone", "acknowledge"}


def test_without_valgrind_it_says_how_to_get_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["--path", "send alone", "--file", str(file)]) == UNKNOWN
    assert "apt-get install valgrind" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(600)  # valgrind executes each instruction in software
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="instructions are counted by valgrind")
def test_instructions_of_one_call_more_for_each_message_are_noticed() -> None:
    once, again, slower = instructions(planted.PATHS, planted.__name__).values()

    assert abs(again.total / once.total - 1) < TOLERANCE["instructions"]
    assert slower.total > once.total * (1 + TOLERANCE["instructions"])
