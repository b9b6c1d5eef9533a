"""A swarm on an event loop: starts components one after the other, watches them, and stops them together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from swergio.errors import ComponentFailed, ConfigurationError
from swergio.readiness import READY, REPLICA
from swergio.swarm.description import HUB, Description, hub_command
from swergio.swarm.keeper import Keeper, Status
from swergio.swarm.programs import Program

log = logging.getLogger("swergio.swarm")

_GUARD = Path(__file__).with_name("guard.py")


class Supervisor:
    """
    Runs the components of a description; used in an ``async with`` block, at whose end nothing of it is left.

    Args:
        description: What to run.
        tell: Called with each line that a component prints, and with what becomes of it: a name, "" for the swarm
            itself, and the line.

    Attributes:
        url: Where the hub of the swarm is, or what the description says; None if the settings of each component do.
    """

    def __init__(self, description: Description, tell: Callable[[str, str], None]) -> None:
        self.description = description
        self._output = tell
        self._keepers: dict[str, list[Keeper]] = {}
        self._folder = Path()
        self._whistles = 0
        self._guard: subprocess.Popen[bytes] | None = None
        self._changed = asyncio.Event()
        self._token = secrets.token_urlsafe(32)
        self.url: str | None = description.url

    # -- life -----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if sys.platform == "win32":
            raise ConfigurationError("a swarm cannot be run on Windows", "a system with process groups and named pipes")
        self._folder = Path(tempfile.mkdtemp(prefix="swergio-swarm-"))  # mode 0700
        command = [sys.executable, "-I", "-S", str(_GUARD), str(self._folder)]
        self._guard = subprocess.Popen(  # noqa: S603, ASYNC220  our own program, before anything else runs here
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop()
        finally:
            guard, self._guard = self._guard, None
            assert guard is not None
            assert guard.stdin is not None
            with contextlib.suppress(OSError):
                guard.stdin.close()
            await asyncio.to_thread(guard.wait)  # it has nothing left to end
            shutil.rmtree(self._folder, ignore_errors=True)

    def _note(self, group: int) -> None:
        assert self._guard is not None
        assert self._guard.stdin is not None
        with contextlib.suppress(OSError):  # somebody killed the guard
            self._guard.stdin.write(f"{group:+d}\n".encode())
            self._guard.stdin.flush()

    def _tell(self, name: str, line: str) -> None:
        try:
            self._output(name, line)
        except Exception:
            # Whoever cannot take a line does not keep components from being watched, and stopped.
            log.exception("a line of %s cannot be told", name or "the swarm")

    # -- starting and stopping ------------------------------------------------------------------------------------

    async def start(self, names: Iterable[str] | None = None) -> None:
        """
        Start components in the order of the description, each when the one before is ready; in the end all are.

        Those that run already are left alone; the hub is started first, if there is to be one.

        Args:
            names: Which; None for all.

        Raises:
            ComponentFailed: one could not be started, or failed for good. The others run on.
            ConfigurationError: there is no component of a name.
        """
        wanted = self._programs(names)
        started: list[Keeper] = []
        if self.description.hub is not None and not self._is_kept(HUB):
            await self._start(self.description.hub, started)
            self._settle_hub()
        for program in wanted:
            if not self._is_kept(program.name):
                await self._start(program, started)

    def _programs(self, names: Iterable[str] | None) -> list[Program]:
        known = self.description.programs
        wanted = list(known) if names is None else list(names)
        for name in wanted:
            if name not in known:
                there = ", ".join(known) or "a component that was added"
                raise ConfigurationError(f"the swarm has no component {name!r}", f"one of {there}")
        return [known[name] for name in known if name in wanted]

    def _is_kept(self, name: str) -> bool:
        return any(not keeper.task.done() for keeper in self._keepers.get(name, ()))

    async def _start(self, program: Program, started: list[Keeper]) -> None:
        keepers = [self._keeper(label, number, program) for number, label in enumerate(labels_of(program))]
        self._keepers[program.name] = keepers
        started += keepers
        await self._until(lambda: all(keeper.ready.done() or keeper.task.done() for keeper in keepers), started)
        if program.delay:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(program.delay):
                    await self._until(lambda: False, started)

    async def _until(self, holds: Callable[[], bool], watched: list[Keeper]) -> None:
        """
        Wait until something holds.

        Raises:
            ComponentFailed: one of those that are watched failed meanwhile.
        """
        while True:
            self._changed.clear()
            for keeper in watched:
                if keeper.task.done():
                    keeper.task.result()
            if holds():
                return
            await self._changed.wait()

    def _keeper(self, label: str, number: int, program: Program) -> Keeper:
        self._whistles += 1
        whistle = self._folder / f"ready-{self._whistles}"
        environment = self._environment(program) | {REPLICA: str(number)}
        keeper = Keeper(label, program, environment, whistle, self._tell, self._note)
        for future in (keeper.ready, keeper.task):
            future.add_done_callback(lambda _: self._changed.set())
        return keeper

    def _environment(self, program: Program) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in {READY, REPLICA}}
        inherited.setdefault("PYTHONUNBUFFERED", "1")  # else lines come when there are some thousand characters of them
        hub = self.description.hub
        told: dict[str, str] = {}
        # A component with a deployment of its own has nothing to do with this hub, and shall not be shown its token.
        if hub is not None and (program.name == HUB or "SWERGIO_URL" not in program.environment):
            told["SWERGIO_TOKEN"] = self.token
            inherited.pop("SWERGIO_TOKEN_FILE", None)
            if program.name != HUB and self.url:
                told["SWERGIO_URL"] = self.url
        return {**inherited, **told, **program.environment}

    @property
    def token(self) -> str:
        """
        What the hub of the swarm asks for: the token of the settings, if there is one, else one of its own.
        """
        return self.description.token or self._token

    def _settle_hub(self) -> None:
        (keeper,) = self._keepers[HUB]
        urls = keeper.said.split()
        if not urls:
            raise ComponentFailed(HUB, "ended before it listened")
        self.url = self.description.url or urls[0]
        # Should it have to be started again, then where the components look for it.
        keeper.program = replace(keeper.program, command=hub_command(urls))

    async def stop(self, names: Iterable[str] | None = None) -> None:
        """
        Stop components, all at once, and then the hub, if all are meant; return when they are gone.
        """
        if names is None:
            rest = [name for name in self._keepers if name != HUB]
            await self._stop(rest)
            await self._stop([HUB] if HUB in self._keepers else [])
        else:
            await self._stop([program.name for program in self._programs(names) if program.name in self._keepers])

    async def _stop(self, names: list[str]) -> None:
        keepers = [keeper for name in names for keeper in self._keepers[name]]
        await asyncio.gather(*(keeper.stop() for keeper in keepers))
        for keeper in keepers:
            keeper.task.exception()  # who cared has heard of it from `start` or `wait`

    def hurry(self) -> None:
        """
        Have `stop` kill what still runs.
        """
        for keepers in self._keepers.values():
            for keeper in keepers:
                keeper.hurry()

    # -- watching -------------------------------------------------------------------------------------------------

    async def wait(self) -> None:
        """
        Return when all components have ended, or those that are ``main``, whatever the hub does.

        Raises:
            ComponentFailed: one failed for good, which is the first that did.
        """
        kept = {name: keepers for name, keepers in self._keepers.items() if name != HUB}
        leading = [name for name in kept if self.description.programs[name].main] or list(kept)
        awaited = [keeper.task for name in leading for keeper in kept[name]]
        everyone = [keeper for keepers in self._keepers.values() for keeper in keepers]
        await self._until(lambda: all(task.done() for task in awaited), everyone)

    @property
    def statuses(self) -> list[Status]:
        """
        How it stands with each process, in the order of their starts.
        """
        return [keeper.status for keepers in self._keepers.values() for keeper in keepers]


def labels_of(program: Program) -> list[str]:
    """
    Return what the processes of a component are called.
    """
    if program.replicas == 1:
        return [program.name]
    return [f"{program.name}-{number}" for number in range(program.replicas)]
