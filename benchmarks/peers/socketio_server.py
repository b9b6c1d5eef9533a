"""The library python-socketio: its asyncio server under uvicorn, and its asyncio client, over WebSocket alone."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import socketio
import uvicorn

from swergio.bench.clients import Awaited, Take
from swergio.bench.role import Orders, run_loop, say

LARGEST = 1 << 28


def serve(loop: str) -> None:
    """
    Serve until told to end.
    """
    Orders()
    run_loop(_serve, loop)


async def _serve() -> None:
    server = socketio.AsyncServer(async_mode="asgi", max_http_buffer_size=LARGEST, transports=["websocket"])

    @server.on("enter")
    async def enter(session: str, room: str) -> bool:
        await server.enter_room(session, room)
        return True

    @server.on("pass on")
    async def pass_on(session: str, room: str, body: Any) -> None:
        await server.emit("message", body, room=room, skip_sid=session)

    application = socketio.ASGIApp(server)
    config = uvicorn.Config(application, log_level="error", ws_max_size=LARGEST, ws_per_message_deflate=False)
    own = socket.create_server(("127.0.0.1", 0))
    say(ready=True, url=f"http://127.0.0.1:{own.getsockname()[1]}")
    await uvicorn.Server(config).serve([own])


class Client(Awaited):
    """
    A client, in the room that it listens to.
    """

    async def connect(self) -> None:
        """
        Connect, and enter the room.
        """
        self._client = socketio.AsyncClient(reconnection=False)
        self._room = self.place.sends or ""
        self._due: asyncio.Future[Any] | None = None
        self._take: Take = self._answer
        self._client.on("message", self._arrived)
        await self._client.connect(self.place.url, transports=["websocket"])
        if self.place.listens:
            await self._client.call("enter", self.place.listens)

    def _arrived(self, body: Any) -> None:
        self._take(body)

    async def send(self, body: Any) -> None:
        """
        Emit.
        """
        await self._client.emit("pass on", (self._room, body))
        await asyncio.sleep(0)  # emit only queues, without a bound

    async def listen(self, take: Take) -> None:
        """
        Have the event handler take what comes.
        """
        self._take = take
        await asyncio.Event().wait()

    async def echo(self) -> None:
        """
        Emit what comes.
        """
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._take = queue.put_nowait
        while True:
            await self.send(await queue.get())

    async def ask(self, body: Any) -> Any:
        """
        Emit, and wait for what comes back.
        """
        self._due = asyncio.get_running_loop().create_future()
        await self._client.emit("pass on", (self._room, body))
        return await self._due

    def _answer(self, body: Any) -> None:
        if self._due is not None and not self._due.done():
            self._due.set_result(body)
