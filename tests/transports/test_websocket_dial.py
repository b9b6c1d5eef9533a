"""
Dialling a WebSocket URL at which all is not well.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.server import ServerConnection, serve

from swergio.errors import AccessRefused, ConfigurationError, ConnectFailed
from swergio.hub.link import LinkOptions
from swergio_transports.websocket import dial
from tests.transports.conftest import Run
from tests.transports.recorder import DEFAULTS, PATIENCE, Recorder

if TYPE_CHECKING:
    from websockets.http11 import Request, Response

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]


async def attempt(handler: Handler, options: LinkOptions = DEFAULTS) -> Recorder:
    """
    Dial a server that only ``handler`` speaks for; it is over when both are.
    """
    owner, over = Recorder(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            over.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        await dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", owner, options)
    finally:
        server.close()
        await over.wait()
    return owner


def answering(response: bytes) -> Handler:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)

    return answer


def test_nobody_listens(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def scenario() -> None:
        with pytest.raises(ConnectionRefusedError):
            await dial(f"ws://127.0.0.1:{port}", Recorder(), DEFAULTS)

    run(scenario())


def test_nobody_answers(run: Run) -> None:
    async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def scenario() -> None:
        with pytest.raises(TimeoutError, match=r"no WebSocket handshake with ws://127.0.0.1:\d+ in 0.1 s"):
            await attempt(silence, LinkOptions(handshake_timeout=0.1))

    run(scenario())


@pytest.mark.parametrize(
    ("response", "error", "reason"),
    [
        (b"", ConnectFailed, "connect to ws://.*: "),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ConnectFailed, "valid HTTP response"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 6\r\n\r\nlater\n", ConnectFailed, "HTTP 503 Busy: later$"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ConnectFailed, "HTTP 200 OK$"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", ConnectFailed, "HTTP 302 Found"),
        (b"HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\n\r\n", ConnectFailed, "Connection header"),
        (b"HTTP/1.1 500 \x1b[31m\r\n\r\nred\x07", ConnectFailed, "valid HTTP response"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\n\x1b[31", ConnectFailed, r"HTTP 500 No: \?\[31"),
        (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", AccessRefused, "token"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 7\r\n\r\nnot you", AccessRefused, "HTTP 403 No: not you"),
    ],
)
def test_the_answer_is_another_one(run: Run, response: bytes, error: type[ConnectFailed], reason: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConnectFailed, match=reason) as caught:
            await attempt(answering(response))
        assert type(caught.value) is error

    run(scenario())


def test_a_websocket_server_that_does_not_speak_swergio_is_told_apart(run: Run) -> None:
    async def scenario() -> None:
        async with serve(ServerConnection.wait_closed, "127.0.0.1", 0) as server:
            with pytest.raises(ConnectFailed, match="does not speak swergio"):
                await dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", Recorder(), DEFAULTS)

    run(scenario())


def test_the_token_travels_in_a_header(run: Run) -> None:
    seen: list[str | None] = []

    def look(connection: ServerConnection, request: Request) -> Response:
        seen.append(request.headers.get("Authorization"))
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "seen")

    async def scenario() -> None:
        async with serve(ServerConnection.wait_closed, "127.0.0.1", 0, process_request=look) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for token in ("hunter2", None):
                with pytest.raises(ConnectFailed, match="seen"):
                    await dial(url, Recorder(), LinkOptions(token=token))
        assert seen == ["Bearer hunter2", None]

    run(scenario())


@pytest.mark.parametrize("token", ["", " padded", "a\r\nX-Admin: yes", "schlüssel"])
def test_a_token_that_cannot_be_a_header_is_refused(run: Run, token: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match="token"):
            await dial("ws://127.0.0.1:1", Recorder(), LinkOptions(token=token))

    run(scenario())


def test_a_cancelled_call_leaves_no_connection(run: Run) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def watch(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        gone.set()

    async def scenario() -> None:
        call = asyncio.create_task(attempt(watch))
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await gone.wait()

    run(scenario())
