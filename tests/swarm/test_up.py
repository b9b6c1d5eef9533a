"""
``swergio up``, run as a program.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.docs.programs import ROOT, output_of, programs
from tests.swarm.test_swarm import DEADLINE, MEMBER, gone

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no swarms on Windows")

UP = [sys.executable, "-c", "from swergio.cli import main; main()", "up"]

PLAIN = {"command": [sys.executable, "-c", "import os, time; print('pid', os.getpid(), flush=True); time.sleep(100)"]}


def up(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*UP, *arguments], capture_output=True, text=True, timeout=DEADLINE * 2, check=False)


@contextmanager
def started(*, until: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """
    Run the file until a line has something in it; yields the program, and the lines so far.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(UP, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as program:
        try:
            yield program, read(program, until)
        finally:
            program.kill()


def read(program: subprocess.Popen[str], until: str) -> list[str]:
    assert program.stdout is not None
    lines = []
    for line in program.stdout:
        lines.append(line)
        if until in line:
            break
    return lines


def write(**file: Any) -> None:
    Path("swarm.yaml").write_text(json.dumps(file), "utf-8")  # which is YAML


@pytest.mark.long
def test_the_swarm_of_the_readme_ends_with_its_main_component(place: Path) -> None:
    for name, text in programs("README.md").items():
        (place / name).write_text(text)
    page = (ROOT / "README.md").read_text("utf-8")
    (file,) = re.findall(r"^```yaml\n# swarm\.yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (place / "swarm.yaml").write_text(file)
    done = up()
    lines = re.sub(r":\d+", ":N", done.stdout).splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in lines if not line.startswith("trainer")] == [
        "hub        | listening on ws://127.0.0.1:N",
        *(f"swergio    | {name} is ready" for name in ("hub", "shop", "forecaster", "trainer")),
        "swergio    | trainer ended",
        *(line for line in lines[-3:-1] if line.endswith(("shop is stopped", "forecaster is stopped"))),
        "swergio    | hub is stopped",
    ]
    told = [line.removeprefix("trainer    | ") for line in lines if line.startswith("trainer")]
    assert "\n".join(told) + "\n" == output_of("README.md", "trainer.py")


@pytest.mark.long
def test_the_example_on_one_machine() -> None:
    # A quarter of the steps do: a day costs 0.914 then, where 1.1 is allowed.
    text = (
        (ROOT / "examples/hosts/swarm.yaml")
        .read_text("utf-8")
        .replace("trainer.py,", "trainer.py, arguments: --steps 100,")
    )
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "examples/hosts", folder, dirs_exist_ok=True)
        Path(folder, "swarm.yaml").write_text(text, "utf-8")
        done = up(f"{folder}/swarm.yaml")

    assert (done.returncode, done.stderr) == (0, "")
    assert "trainer    | 100 steps, 0 messages lost; a day costs 0." in done.stdout


def test_ctrl_c_stops_all_the_hub_last_and_leaves_nothing(place: Path) -> None:
    (place / "member.py").write_text(MEMBER)
    member = {"script": "member.py", "arguments": "member", "replicas": 2}
    write(hub=True, components={"member": member, "plain": PLAIN})
    with started(until="pid") as (program, lines):
        program.send_signal(signal.SIGINT)
        rest, errors = program.communicate(timeout=DEADLINE)

    assert (program.returncode, errors) == (0, "")
    said = "".join(lines) + rest
    assert {"member-0 | closed", "member-1 | closed", "swergio  | plain is stopped"} <= set(said.splitlines())
    assert said.endswith("swergio  | hub is stopped\n")
    gone(int(lines[-1].split()[-1]))


def test_sigterm_stops_all_too() -> None:
    write(components={"plain": PLAIN})
    with started(until="pid") as (program, lines):
        program.send_signal(signal.SIGTERM)
        rest, errors = program.communicate(timeout=DEADLINE)

    assert (program.returncode, rest, errors) == (0, "swergio | plain is stopped\n", "")
    gone(int(lines[-1].split()[-1]))


def test_a_second_ctrl_c_waits_for_nobody() -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, lambda *_: print('no', flush=True)); print('deaf', flush=True)"
    loop = "\nwhile True: signal.pause()"
    write(components={"deaf": {"command": [sys.executable, "-c", deaf + loop], "stop_timeout": 1000}})
    with started(until="| deaf\n") as (program, _):
        program.send_signal(signal.SIGINT)
        read(program, "| no\n")
        program.send_signal(signal.SIGINT)
        said, _ = program.communicate(timeout=DEADLINE)

    assert program.returncode == 0
    assert said.splitlines() == ["swergio | deaf was killed, since it did not end", "swergio | deaf is stopped"]


def test_one_that_fails_stops_the_others_and_is_the_exit_code(place: Path) -> None:
    (place / "broken.py").write_text("print('no luck')\nraise SystemExit(3)\n")
    write(components={"plain": PLAIN, "broken": "broken.py"})
    done = up()

    assert done.returncode == 1
    assert done.stderr == "swergio: component 'broken' ended with exit code 3; the last it said: no luck\n"
    assert "swergio | plain is stopped" in done.stdout
    gone(*map(int, re.findall(r"pid (\d+)", done.stdout)))


def test_it_ends_when_nobody_reads_any_more() -> None:
    write(components={"plain": PLAIN, "more": {"command": ["sh", "-c", "while :; do echo more; done"]}})
    with started(until="pid") as (program, lines):
        assert program.stdout is not None
        program.stdout.close()
        assert program.stderr is not None
        assert (program.wait(DEADLINE), program.stderr.read()) == (0, "")
    gone(int(lines[-1].split()[-1]))


def test_one_alone() -> None:
    write(components={"one": {"command": "echo 1"}, "two": {"command": "echo 2"}})
    done = up("--only", "two")

    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if not line.startswith("swergio")] == ["two     | 2"]


def test_a_mistake_is_one_line_and_nothing_is_started(place: Path) -> None:
    (place / "other.yaml").write_text("components: {one: {command: echo 1, restart: maybe}}")
    done = up("other.yaml")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "swergio: other.yaml: components.one.restart.policy is 'maybe'; expected never, on-failure or always\n"
    )
