"""A bare relay of the library picows: frames are passed on in the callback that brings them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect, ws_create_server

from benchmarks.peers.relay import Rooms, path_of
from swergio.bench.clients import Awaited, Take
from swergio.bench.role import Orders, run_loop, say

BARE: dict[str, Any] = {"enable_auto_ping": False, "max_frame_size": 1 << 30}
TURN = 64  # sends between looks at the loop, which has to read too


def serve(loop: str) -> None:
    """
    Relay until told to end.
    """
    Orders()
    run_loop(_serve, loop)


async def _serve() -> None:
    rooms: Rooms[Relayed] = Rooms()
    server = await ws_create_server(lambda request: Relayed(rooms, request), "127.0.0.1", 0, **BARE)
    say(ready=True, url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await asyncio.Event().wait()


class Relayed(WSListener):
    """
    One connection of the relay; while one that it sends to is full, nothing is read from it.
    """

    def __init__(self, rooms: Rooms[Relayed], request: Any) -> None:
        self._rooms = rooms
        self._path = request.path.decode()
        self._sources: set[WSTransport] = set()
        self._paused: set[WSTransport] = set()
        self.transport: WSTransport | None = None
        self.full = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self._others = self._rooms.enter(self._path, self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._rooms.leave(self._path, self)
        self.resume_writing()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.BINARY:
            return
        body = frame.get_payload_as_bytes()
        for other in self._others:
            other.transport.send(WSMsgType.BINARY, body)  # type: ignore[union-attr]
            if other.full:
                other.hold(transport)

    def hold(self, source: WSTransport) -> None:
        """
        Have a source wait until this one takes more.
        """
        if source not in self._paused:
            self._paused.add(source)
            source.underlying_transport.pause_reading()

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        for source in self._paused:
            source.underlying_transport.resume_reading()
        self._paused.clear()


class Client(WSListener, Awaited):
    """
    A connection to the relay.
    """

    def __init__(self, place: Any) -> None:
        Awaited.__init__(self, place)
        self._take: Take = self._answer
        self._due: asyncio.Future[bytes] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    async def connect(self) -> None:
        """
        Connect.
        """
        self._transport, _ = await ws_connect(lambda: self, self.place.url + path_of(self.place), **BARE)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.BINARY:
            self._take(frame.get_payload_as_bytes())

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def send(self, body: Any) -> None:
        """
        Send a frame.
        """
        self._transport.send(WSMsgType.BINARY, body)
        await self._writable.wait()

    async def send_all(self, bodies: Iterable[Any]) -> None:
        """
        Send frames for as long as they are taken.
        """
        send, binary, writable = self._transport.send, WSMsgType.BINARY, self._writable
        for number, body in enumerate(bodies):
            send(binary, body)
            if not writable.is_set():
                await writable.wait()
            elif not number % TURN:
                await asyncio.sleep(0)

    async def listen(self, take: Take) -> None:
        """
        Have the callback take what comes.
        """
        self._take = take
        await asyncio.Event().wait()

    async def echo(self) -> None:
        """
        Send back in the callback.
        """
        transport = self._transport
        await self.listen(lambda body: transport.send(WSMsgType.BINARY, body))

    async def ask(self, body: Any) -> Any:
        """
        Send, and wait for the callback.
        """
        self._due = asyncio.get_running_loop().create_future()
        self._transport.send(WSMsgType.BINARY, body)
        return await self._due

    def _answer(self, body: bytes) -> None:
        if self._due is not None and not self._due.done():
            self._due.set_result(body)
