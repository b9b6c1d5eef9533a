"""A deployment that gives killed components up soon, and workers in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

import swergio
from swergio.hub import HubThread
from swergio.settings import load
from swergio.testing import eventually
from tests.gymnasium.worlds import SETTINGS

Work: TypeAlias = "Callable[[str, int], list[subprocess.Popen[bytes]]]"


@pytest.fixture
def url() -> Iterator[str]:
    """
    The URL of a hub of its own, on WebSocket.
    """
    with HubThread(["ws://127.0.0.1:0"], load("memory://", **SETTINGS)) as hub:
        yield hub.urls[0]


@pytest.fixture
def work(url: str) -> Iterator[Work]:
    """
    A function that starts workers, and returns when they are in their room. They are killed with the test.
    """
    programs: list[subprocess.Popen[bytes]] = []

    def start(room: str, count: int) -> list[subprocess.Popen[bytes]]:
        command = [sys.executable, str(Path(__file__).with_name("worlds.py")), url, room]
        programs.extend(subprocess.Popen(command) for _ in range(count))

        def all_there() -> bool:
            return len(visitor.members(room)) == sum(program.poll() is None for program in programs)

        with swergio.Component("visitor", url) as visitor:
            eventually(all_there, "the workers are there", 60)
        return programs[-count:]

    yield start
    for program in programs:
        program.kill()
        program.wait()
