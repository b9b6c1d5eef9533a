"""
Keeps one process of a component alive, as its restart policy says.

Theory of operation. A keeper is one task. It goes round in `_keep`: start the process, wait until it is ready, wait
until it ends or is to be stopped, clean up, and decide whether there is a next time. Nobody else touches the process.
Two futures tell the others: ``ready``, when the process was ready for the first time; and the task itself, which
returns when there is nothing more to keep, and raises `ComponentFailed` if that is bad.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from swergio.errors import ComponentFailed
from swergio.swarm import process

if TYPE_CHECKING:
    from swergio.swarm.programs import Program

LONGEST_PAUSE = 30.0
CALM = 60.0  # who lived so long had not failed to start: restarts are counted anew

_chance = random.Random()


class State(StrEnum):
    """
    How it stands with a process of a swarm.
    """

    STARTING = "starting"
    READY = "ready"
    PAUSING = "waiting for its restart"
    ENDED = "ended"
    STOPPED = "stopped"
    FAILED = "failed"


class Status(NamedTuple):
    """
    How it stands with a process of a swarm, in numbers.

    Attributes:
        name: The component, with the number of the replica if there are several.
        state: What it does.
        pid: Its process, while there is one.
        restarts: How often it was started again.
        exit_code: Of the last one that ended; minus the number of the signal that killed it.
    """

    name: str
    state: State
    pid: int | None
    restarts: int
    exit_code: int | None


class Keeper:
    """
    Keeps one process.

    Args:
        name: What it is called.
        program: What it is.
        environment: All of its variables.
        whistle: Where the pipe is to be by which it says that it is ready.
        tell: Called with what it prints, and with what becomes of it: the name of who says so, and a line.
        note: Called with the group of the process when it begins, and with minus that when it has ended.

    Attributes:
        said: What the process said when it was ready: the instance, or the URLs of a hub.
        ready: Done when the process was ready for the first time.
        task: Done when there is nothing more to keep.
    """

    def __init__(
        self,
        name: str,
        program: Program,
        environment: Mapping[str, str],
        whistle: Path,
        tell: Callable[[str, str], None],
        note: Callable[[int], None],
    ) -> None:
        self.name = name
        self.program = program
        self._environment = environment
        self._whistle = whistle
        self._print = tell
        self._note = note
        self._state = State.STARTING
        self._pid: int | None = None
        self._restarts = 0
        self._exit_code: int | None = None
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self.said = ""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._run(), name=f"swarm {name}")

    @property
    def status(self) -> Status:
        """
        How it stands with it.
        """
        return Status(self.name, self._state, self._pid, self._restarts, self._exit_code)

    async def stop(self) -> None:
        """
        End the process and keep it no more; returns when it is gone. What it had failed at before is not told again.
        """
        self._stopping.set()
        await asyncio.wait({self.task})

    def hurry(self) -> None:
        """
        Have `stop` kill it without any grace.
        """
        self._stopping.set()
        self._hurry.set()

    async def _run(self) -> None:
        try:
            await self._keep()
        except ComponentFailed:
            self._state = State.FAILED
            raise

    async def _keep(self) -> None:
        failures = 0
        restart = self.program.restart
        while True:
            began = asyncio.get_running_loop().time()
            problem, words = await self._live()
            if self._stopping.is_set():
                self._state = State.STOPPED
                return
            if restart.policy == "never" or (restart.policy == "on-failure" and not problem):
                if problem:
                    raise ComponentFailed(self.name, problem, words)
                self._state = State.ENDED
                return
            failures = 1 if asyncio.get_running_loop().time() - began > CALM else failures + 1
            if failures > restart.limit:
                reason = f"{problem or 'ended'}, after {restart.limit} restarts in a row"
                raise ComponentFailed(self.name, reason, words)
            await self._pause(failures)

    async def _pause(self, failures: int) -> None:
        # What died together, such as with a broker, shall not come back all in one moment.
        pause = min(self.program.restart.pause * 2 ** (failures - 1), LONGEST_PAUSE) * _chance.uniform(0.75, 1)
        self._state = State.PAUSING
        self._print("", f"{self.name} is started again in {pause:.1f} s")
        await self._until(timeout=pause)
        self._restarts += 1

    async def _live(self) -> tuple[str, str]:
        """
        Start the process, and see it through; return what was wrong with it, if anything, and its last words.
        """
        self._state = State.STARTING
        program = self.program
        if self._stopping.is_set():
            return "", ""
        try:
            running = await process.start(
                program.command,
                program.folder,
                self._environment,
                self._whistle,
                lambda line: self._print(self.name, line),
            )
        except (OSError, ValueError) as exc:  # ValueError: there is a NUL in what it is told
            return f"cannot be started: {exc}", ""
        self._pid = running.pid
        self._note(running.pid)
        try:
            problem = await self._see_through(running)
        finally:
            if await running.stop(program.stop_timeout, self._hurry):
                self._print("", f"{self.name} was killed, since it did not end")
            self._note(-running.pid)
            self._pid = None
            self._exit_code = running.ended.result()
        return problem or self._end(self._exit_code), running.last_line

    async def _see_through(self, running: process.Running) -> str:
        """
        Wait until the process is ready, and then until it ends or is to be stopped; return what it did not do in time.
        """
        timeout = self.program.ready_timeout
        if self.program.joins:
            await self._until(running.ready, running.ended, timeout=timeout)
            if not (running.ready.done() or running.ended.done() or self._stopping.is_set()):
                self._print("", f"{self.name} is not ready after {timeout:g} s, and is stopped")
                return f"was not ready after {timeout:g} s (no component of it was connected and in its rooms)"
        if running.ready.done() or not self.program.joins:
            self._state = State.READY
            self.said = running.ready.result() if running.ready.done() else ""
            self._print("", f"{self.name} is {'ready' if self.program.joins else 'running'}")
            if not self.ready.done():
                self.ready.set_result(None)
        await self._until(running.ended)
        return ""

    def _end(self, code: int) -> str:
        """
        Tell how the process ended, and return what was wrong with that.
        """
        if self._stopping.is_set():
            self._print("", f"{self.name} is stopped")
            return ""
        how = (
            "ended"
            if not code
            else f"ended with exit code {code}"
            if code > 0
            else f"was ended by {_signal_name(-code)}"
        )
        self._print("", f"{self.name} {how}")
        return how if code else ""

    async def _until(self, *done: asyncio.Future[Any], timeout: float | None = None) -> None:
        """
        Wait for the first of several, at most so many seconds, or until this is to be stopped.
        """
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({*done, stopping}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
