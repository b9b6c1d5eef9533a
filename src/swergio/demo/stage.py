"""The programs of the demo while they run, and the component that watches them."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import swergio
from swergio.demo.climate import Array
from swergio.settings import load

ROOMS = ("features", "forecast", "cost", "training_days", "year", "restart")
JOIN_LIMIT = 30.0
TRAINING_LIMIT = 600.0
STOP_LIMIT = 5.0


class Stage:
    """
    Starts the programs of the demo, and stops them again; used in a ``with`` block.

    Args:
        url: The deployment; None for the one of the settings, or the user's own hub.
        on_step: Called with the goal and the loss of each training step, on the thread of the handlers.
    """

    def __init__(self, url: str | None, on_step: Callable[[str, float], None]) -> None:
        self._url = url
        self._on_step = on_step
        self._trained: queue.SimpleQueue[Array] = queue.SimpleQueue()
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()
        self._demo = swergio.Component("demo", url, unique=True)
        self._demo.on("trained")(self._take_forecast)
        self._demo.on("_logging", swergio.MessageType.KPI)(self._take_step)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._demo)
            stack.callback(self._stop_all)
            for room in ROOMS:
                self._demo.join(room, observe=True)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def transport(self) -> str:
        """
        The scheme of the URL that the demo runs on.
        """
        return (load(self._url).url or "ws://").partition("://")[0]

    @property
    def messages(self) -> int:
        """
        How many messages went through the rooms: an observer sees them all, or counts those that it skipped.
        """
        stats = self._demo.stats
        return stats.received + stats.dropped

    def start(self, name: str, room: str) -> None:
        """
        Start one of the programs, and return when it is in its room.
        """
        self._run(name)
        deadline = time.monotonic() + JOIN_LIMIT
        while not any(member.instance.name == name for member in self._demo.members(room)):
            self._check_programs()
            if time.monotonic() > deadline:
                raise swergio.NoMembers(room, JOIN_LIMIT)
            time.sleep(0.02)

    def train(self, goal: str, seed: int, steps: int) -> Array:
        """
        Have the forecaster trained, and return its forecasts for every day of the year.
        """
        self._run("trainer", goal, "--seed", str(seed), "--steps", str(steps))
        forecast = self._next_forecast()
        _await_end(self._programs["trainer"])
        del self._programs["trainer"]
        return forecast

    def _next_forecast(self) -> Array:
        deadline = time.monotonic() + TRAINING_LIMIT
        while time.monotonic() < deadline:
            try:
                return self._trained.get(timeout=0.5)
            except queue.Empty:
                self._check_programs()
        raise swergio.RequestTimeout("trained", TRAINING_LIMIT)

    def _run(self, name: str, *arguments: str) -> None:
        environment = os.environ if self._url is None else {**os.environ, "SWERGIO_URL": self._url}
        command = [sys.executable, "-m", f"swergio.demo.{name}", *arguments]
        self._programs[name] = subprocess.Popen(command, env=environment)  # noqa: S603  our own programs

    def _check_programs(self) -> None:
        for name, program in self._programs.items():
            if program.poll():
                reason = f"the program {name!r} ended with exit code {program.returncode}; above is what it said"
                raise swergio.PassFailed("features", reason, (name,))

    def _stop_all(self) -> None:
        for program in self._programs.values():
            program.terminate()
        for program in self._programs.values():
            _await_end(program)

    def _take_forecast(self, message: swergio.Message) -> None:
        self._trained.put(message.data["forecast"].copy())

    def _take_step(self, message: swergio.Message) -> None:
        if message.sender.name == "trainer":
            self._on_step(message.data["kpi"], message.data["value"])


def _await_end(program: subprocess.Popen[bytes]) -> None:
    try:
        program.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
