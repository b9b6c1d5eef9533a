"""
The WebSocket transport against the client and the server of websockets: that it speaks the real protocol.
"""

from __future__ import annotations

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from swergio_transports.websocket import dial, listen
from tests.transports.conftest import Run
from tests.transports.recorder import DEFAULTS, Echo, Owners, Recorder

pytestmark = pytest.mark.usefixtures("engine")

LOOPBACK = "ws://127.0.0.1:0"
SWERGIO = [Subprotocol("swergio")]


def test_a_stranger_can_speak_to_a_listener(run: Run) -> None:
    async def scenario() -> None:
        owners = Owners(Echo)
        listener = await listen(LOOPBACK, owners, DEFAULTS)
        async with connect(listener.url, subprotocols=SWERGIO, proxy=None, max_size=None) as connection:
            for size in (0, 1, 126, 65_536, 3_000_000):
                await connection.send(bytes(size))
                assert await connection.recv() == bytes(size)
            assert await (await connection.ping()) >= 0
            await connection.send([b"in", b"", b"parts"])
            assert await connection.recv() == b"inparts"
        assert "1000" in await owners.all[0].until_lost()
        await listener.close()

    run(scenario())


def test_a_strange_server_can_be_dialled(run: Run) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def scenario() -> None:
        async with serve(echo, "127.0.0.1", 0, subprotocols=SWERGIO, max_size=None) as server:
            here = Recorder()
            link = await dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", here, DEFAULTS)
            sizes = (0, 1, 126, 65_536, 3_000_000)
            for size in sizes:
                link.send((bytes(size),))
            assert [len(packet) for packet in await here.until_packets(len(sizes))] == list(sizes)
        assert await here.until_lost() == "closed by the peer: 1001 (going away)"

    run(scenario())


@pytest.mark.parametrize(("code", "final"), [(4401, True), (4000, False), (1008, False)])
def test_a_refusal_for_good_is_told_as_final(run: Run, code: int, final: bool) -> None:
    async def refuse(connection: ServerConnection) -> None:
        await connection.send(b"sorry")
        await connection.close(code, "no")

    async def scenario() -> None:
        async with serve(refuse, "127.0.0.1", 0, subprotocols=SWERGIO) as server:
            here = Recorder()
            await dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", here, DEFAULTS)
            await here.until_lost()
            assert here.packets == [b"sorry"]
            assert [was_final for _, was_final in here.lost] == [final]

    run(scenario())
