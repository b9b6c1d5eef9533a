"""A bare relay of the library websockets: one send for each message and member."""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as listen

from benchmarks.peers.relay import Rooms, path_of
from swergio.bench.clients import Awaited, Take
from swergio.bench.role import Orders, run_loop, say

# Compression makes arrays 20 times slower; pings and limits are what none of the relays has.
BARE: dict[str, Any] = {"compression": None, "max_size": None, "ping_interval": None}


def serve(loop: str) -> None:
    """
    Relay until told to end.
    """
    Orders()
    run_loop(_serve, loop)


async def _serve() -> None:
    rooms: Rooms[ServerConnection] = Rooms()

    async def relay(connection: ServerConnection) -> None:
        assert connection.request is not None
        path = connection.request.path
        others = rooms.enter(path, connection)
        try:
            async for message in connection:
                for other in others:
                    await other.send(message)
        finally:
            rooms.leave(path, connection)

    async with listen(relay, "127.0.0.1", 0, **BARE) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        say(ready=True, url=f"ws://127.0.0.1:{port}")
        await asyncio.Event().wait()


class Client(Awaited):
    """
    A connection to the relay.
    """

    async def connect(self) -> None:
        """
        Connect; its own methods are the way to send and receive.
        """
        self._connection = await connect(self.place.url + path_of(self.place), proxy=None, **BARE)
        self.send = self._connection.send  # type: ignore[method-assign, assignment]
        self.receive = self._connection.recv  # type: ignore[method-assign]

    async def send(self, body: Any) -> None:
        """
        Send a frame.
        """
        await self._connection.send(body)

    async def listen(self, take: Take) -> None:
        """
        Iterate over the frames.
        """
        async for body in self._connection:
            take(body)
