"""
``swergio up``, run as a program.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.swarm.test_swarm import DEADLINE, MEMBER, gone

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no swarms on Windows")

UP = [sys.executable, "-c", "from swergio.cli import main; main()", "up"]

HELLO = """
hub: true
components:
  world: {script: world.py}
  universe: {script: universe.py, main: true}
"""

WORLD = """
import swergio

world = swergio.Component("world")
world.on("galactic_chat", "DATA/TEXT")(lambda message: "Hello Universe!")
world.run()
"""

UNIVERSE = """
import swergio

with swergio.Component("universe") as universe:
    print(universe.request("galactic_chat", "Hello World!", wait=False))
"""

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


def test_it_ends_with_its_main_component(place: Path) -> None:
    (place / "world.py").write_text(WORLD)
    (place / "universe.py").write_text(UNIVERSE)
    (place / "swarm.yaml").write_text(HELLO)
    done = up()
    lines = re.sub(r":\d+", ":N", done.stdout).splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    assert lines[:2] == ["hub      | listening on ws://127.0.0.1:N", "swergio  | hub is ready"]
    assert lines[2] == "swergio  | world is ready"
    assert set(lines[3:5]) == {"universe | Hello Universe!", "swergio  | universe is ready"}
    assert lines[5:] == ["swergio  | universe ended", "swergio  | world is stopped", "swergio  | hub is stopped"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_all_and_leave_nothing(place: Path, number: int) -> None:
    (place / "member.py").write_text(MEMBER)
    member = {"script": "member.py", "arguments": "member", "replicas": 2}
    write(hub=True, components={"member": member, "plain": PLAIN})
    with started(until="pid") as (program, lines):
        program.send_signal(number)
        rest, errors = program.communicate(timeout=DEADLINE)

    assert (program.returncode, errors) == (0, "")
    said = "".join(lines) + rest
    assert {"member-0 | closed", "member-1 | closed", "swergio  | plain is stopped"} <= set(said.splitlines())
    assert said.endswith("swergio  | hub is stopped\n")
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


def test_names_are_coloured_where_that_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    write(components={"one": {"command": ["echo", "\x1b[31mred\x1b[0m"]}})
    assert "one     | red\n" in up().stdout

    monkeypatch.setenv("FORCE_COLOR", "1")
    done = up().stdout
    assert "\x1b[36mone     | \x1b[0m\x1b[31mred\x1b[0m" in done
    assert "\x1b[1mswergio | \x1b[0mone ended" in done
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in up().stdout
