"""
One process of a component: started in a group of its own, heard line by line, waited for, and ended with its children.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from swergio.readiness import READY

LINE_LIMIT = 64 * 1024
LAST_WORDS = 1.0  # for what a process that has ended left in the pipe


class Lines(asyncio.Protocol):
    """
    Cuts what a process prints into lines.

    Args:
        tell: Called with each line. One that has no end after 64 KiB is told as far as it goes.

    Attributes:
        last: The last line that was not empty.
        ended: Done when nobody holds the other end of the pipe any more.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._rest = b""
        self.last = ""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """
        See `asyncio.Protocol`.
        """
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        # A bar of progress writes over itself: what it showed before is of no use to anyone.
        self._rest = rest[rest[:-1].rfind(b"\r") + 1 :]
        if len(self._rest) > LINE_LIMIT:
            self._line(self._rest)
            self._rest = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """
        See `asyncio.Protocol`.
        """
        if self._rest:
            self._line(self._rest)
        if not self.ended.done():
            self.ended.set_result(None)

    def _line(self, line: bytes) -> None:
        text = line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")
        self.last = text if text.strip() else self.last
        self._tell(text)


class Running:
    """
    A process that was started.

    Attributes:
        pid: Its id, which is its group's too.
        ready: Done when it said that it is ready, with what it said.
        ended: Done when it has ended, with its exit code, which is minus the number of the signal that killed it.
    """

    def __init__(self, process: Process, lines: Lines, output: asyncio.ReadTransport, whistle: Whistle) -> None:
        self._process = process
        self._lines = lines
        self._output = output
        self._whistle = whistle
        self.pid = process.pid
        self.ready = whistle.heard
        self.ended = asyncio.create_task(process.wait(), name=f"end of {process.pid}")

    @property
    def last_line(self) -> str:
        """
        The last that it printed.
        """
        return self._lines.last

    async def stop(self, grace: float, hurry: asyncio.Event) -> bool:
        """
        End the process, and whatever it started that is still in its group: SIGTERM, then SIGKILL.

        Args:
            grace: Seconds in between.
            hurry: When this is set, there is no more grace.

        Returns:
            Whether it had to be killed.
        """
        if not self.ended.done():
            self._tell_group(signal.SIGTERM)
            rushed = asyncio.create_task(hurry.wait())
            await asyncio.wait({self.ended, rushed}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
            rushed.cancel()
        killed = not self.ended.done()
        if killed:
            self._tell_group(signal.SIGKILL)
        await self.ended
        # A child that is closing down in good order holds the pipe.
        await asyncio.wait({self._lines.ended}, timeout=LAST_WORDS)
        self._tell_group(signal.SIGKILL)
        await asyncio.wait({self._lines.ended}, timeout=LAST_WORDS)
        self._output.close()  # who still holds it has left the group, and is no child any more
        self._whistle.close()
        return killed

    def _tell_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


class Whistle:
    """
    The pipe with a name in which a process says that it is ready; see `swergio.readiness`.

    Attributes:
        path: Where it is.
        heard: Done when something was said, with the first line of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._loop = asyncio.get_running_loop()
        self.heard: asyncio.Future[str] = self._loop.create_future()
        os.mkfifo(path, 0o600)
        # Open for writing too: else it reads as ended whenever nobody else has it open.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._loop.add_reader(self._descriptor, self._read)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            said = os.read(self._descriptor, 4096).decode(errors="replace")
            # In the next turn of the loop: what was printed before this was said is told before it.
            self._loop.call_soon(self._hear, said.partition("\n")[0])

    def _hear(self, said: str) -> None:
        if not self.heard.done():
            self.heard.set_result(said)

    def close(self) -> None:
        """
        Listen no more. Closing twice does nothing.
        """
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
            self.path.unlink(missing_ok=True)


async def start(
    command: tuple[str, ...], folder: Path, environment: Mapping[str, str], whistle: Path, tell: Callable[[str], None]
) -> Running:
    """
    Start a process.

    Args:
        command: The program and its arguments.
        folder: Its working folder.
        environment: All of its variables, but the one that names the pipe.
        whistle: Where to make that.
        tell: Called with each line that it prints, to its standard output or error: one pipe keeps their order.

    Raises:
        OSError: the system does not start it.
    """
    loop = asyncio.get_running_loop()
    heard = Whistle(whistle)
    try:
        reader, writer = os.pipe()
        try:
            output, lines = await loop.connect_read_pipe(lambda: Lines(tell), os.fdopen(reader, "rb", 0))
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    cwd=folder,
                    env={**environment, READY: str(whistle)},
                    stdin=DEVNULL,
                    stdout=writer,
                    stderr=writer,
                    # A session of its own: Ctrl-C in the terminal is for the swarm, which stops it in its turn; and its
                    # children are in its group, which can be told to end as a whole.
                    start_new_session=True,
                )
            except BaseException:
                output.close()
                raise
        finally:
            os.close(writer)
    except BaseException:
        heard.close()
        raise
    return Running(process, cast("Any", lines), output, heard)
