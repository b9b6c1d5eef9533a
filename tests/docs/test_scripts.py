"""The programs of the README, run as what they are: scripts, in processes of their own, on a hub started on demand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import swergio
from swergio.testing import eventually
from tests.docs.programs import ROOT, output_of, programs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no hub on demand on Windows")

README = programs("README.md")
DEADLINE = 30

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """
    A function that starts a program. Those that still run at the end are told to stop, and must end well.
    """
    running = []

    def start(name: str) -> subprocess.Popen[str]:
        (tmp_path / name).write_text(README[name], "utf-8")
        process = subprocess.Popen([sys.executable, "-W", "error", name], stdout=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield start
    for process in running:
        process.terminate()
    assert [process.wait(DEADLINE) for process in running] == [0] * len(running)
    for process in running:
        assert process.stdout is not None
        process.stdout.close()


def wait_for_member(name: str, room: str) -> None:
    """
    Return when a component of a name is in a room.
    """
    with swergio.Component("visitor") as visitor:
        there = lambda: any(member.instance.name == name for member in visitor.members(room))  # noqa: E731
        eventually(there, f"{name} is in {room!r}", DEADLINE)


def wait_until_connected(name: str) -> None:
    """
    Return when a component of a name is connected, though in no room.
    """

    def answers() -> bool:
        try:
            visitor.request("knock", None, to=name, wait=False, timeout=0.01)
        except swergio.NoMembers:
            return False
        except swergio.RequestTimeout:
            pass
        return True

    with swergio.Component("visitor") as visitor:
        eventually(answers, f"{name} is connected", DEADLINE)


def test_two_programs_talk_if_the_world_is_first(start: Start) -> None:
    start("world.py")
    wait_for_member("world", "galactic_chat")
    assert start("universe.py").communicate(timeout=DEADLINE)[0] == "Hello Universe!\n"


def test_two_programs_talk_if_the_universe_is_first(start: Start) -> None:
    universe = start("universe.py")
    wait_until_connected("universe")
    start("world.py")
    assert universe.communicate(timeout=DEADLINE)[0] == "Hello Universe!\n"


def test_the_process_learns_and_prints_what_the_readme_says(start: Start) -> None:
    for name, room in (("forecaster", "features"), ("shop", "forecast")):
        start(f"{name}.py")
        wait_for_member(name, room)
    assert start("trainer.py").communicate(timeout=DEADLINE)[0] == output_of("README.md", "trainer.py")


def test_no_page_has_a_program_that_is_not_run_here() -> None:
    run_elsewhere = {"write-a-transport.md"}
    others = [f"docs/{page.name}" for page in ROOT.glob("docs/*.md") if page.name not in run_elsewhere]
    assert README.keys() == {"world.py", "universe.py", "forecaster.py", "shop.py", "trainer.py"}
    for name, source in [program for page in others for program in programs(page).items()]:
        assert source == README[name]
