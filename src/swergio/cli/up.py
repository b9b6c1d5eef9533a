"""``swergio up``."""

from __future__ import annotations

import asyncio
import contextlib
import signal
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
    description = Description(file)
    printer = Printer()
    printer.expect([label for program in description.programs.values() for label in labels_of(program)])
    asyncio.run(_run(Supervisor(description, lambda name, line: printer(name or OWN_NAME, line)), components or None))


async def _run(supervisor: Supervisor, components: list[str] | None) -> None:
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            supervisor.hurry()  # whoever says it twice means it
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows, where nothing is started anyway
            loop.add_signal_handler(number, stop)
    async with supervisor:
        work = asyncio.create_task(_work(supervisor, components))
        told = asyncio.create_task(stopping.wait())
        await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if work.done():
            work.result()
        work.cancel()
        await asyncio.wait({work})


async def _work(supervisor: Supervisor, components: list[str] | None) -> None:
    await supervisor.start(components)
    await supervisor.wait()
