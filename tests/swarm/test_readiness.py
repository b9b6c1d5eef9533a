"""
How a program says that it is ready, and what becomes of programs whose swarm is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import swergio
from swergio.readiness import READY, tell_ready
from swergio.swarm import guard

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no swarms on Windows")

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"


@pytest.fixture
def pipe(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = place / "ready"
    os.mkfifo(path)
    monkeypatch.setenv(READY, str(path))
    return path


def test_the_first_component_that_is_in_its_rooms_says_so(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    first, second = (swergio.Component(name, "memory://ready") for name in ("first", "second"))
    first.on("room")(lambda message: None)
    with first, second:
        assert READY not in os.environ
        assert os.read(reader, 4096).decode() == f"{first.instance}\n"
        assert os.read(reader, 4096) == b""
    os.close(reader)


def test_one_that_cannot_connect_says_nothing(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(swergio.ConnectFailed):
        swergio.Component("lost", "ws://127.0.0.1:1", connect_timeout=0.1).start()
    assert os.environ[READY] == str(pipe)
    assert os.read(reader, 4096) == b""
    os.close(reader)


@pytest.mark.parametrize("waits", ["nobody", "nothing"])
def test_nobody_has_to_wait_for_it(pipe: Path, waits: str) -> None:
    if waits == "nothing":
        pipe.unlink()
    tell_ready("somebody")
    assert READY not in os.environ


def test_the_guard_kills_what_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "GRACE", 0.2)
    command = [sys.executable, "-c", DEAF]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as program:
        assert program.stdout is not None
        program.stdout.readline()
        guard.end({program.pid})
        assert program.wait(30) == -signal.SIGKILL
    guard.end({program.pid})  # which is no more
