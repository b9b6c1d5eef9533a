"""``swergio up``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from swergio.swarm import Description, Printer
from swergio.swarm.output import OWN_NAME
from swergio.swarm.supervisor import Supervisor, labels_of


def run(file: Path, components: list[str]) -> None:
    """
    Run a swarm until its components have ended, one has failed, or Ctrl-C or SIGTERM.

    Raises:
        ComponentFailed: one failed.
        ConfigurationError: the file is wrong.
    """
    asyncio.run(_Up(Description(file)).run(components or None))


class _Up:
    def __init__(self, description: Description) -> None:
        self._supervisor = Supervisor(description, self._tell)
        self._stopping = asyncio.Event()
        self._printer = Printer()
        self._printer.expect([label for program in description.programs.values() for label in labels_of(program)])

    async def run(self, components: list[str] | None) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows, where nothing is started anyway
                loop.add_signal_handler(number, self._stop)
        async with self._supervisor:
            work = asyncio.create_task(self._work(components))
            told = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            if work.done():
                work.result()
            work.cancel()
            await asyncio.wait({work})

    async def _work(self, components: list[str] | None) -> None:
        await self._supervisor.start(components)
        await self._supervisor.wait()

    def _stop(self) -> None:
        if self._stopping.is_set():
            self._supervisor.hurry()  # whoever says it twice means it
        self._stopping.set()

    def _tell(self, name: str, line: str) -> None:
        try:
            self._printer(name or OWN_NAME, line)
        except BrokenPipeError:  # nobody reads any more, as behind "| head"
            with open(os.devnull, "wb") as nothing:  # noqa: PTH123
                os.dup2(nothing.fileno(), sys.stdout.fileno())
            self._stopping.set()
