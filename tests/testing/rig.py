"""An echo server, a proxy before it, and clients: what the tests of the fault proxy stand on.

All of them share one loop whose clock the test moves, so a delay of an hour takes no time, and "nothing comes" is
seen by giving the loop many turns in which it would have come.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, Literal, cast

from swergio.testing import FaultProxy


class MovableClock(asyncio.SelectorEventLoop):
    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def run(scenario: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=MovableClock) as runner:
        runner.run(scenario)


async def turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def advance(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MovableClock)
    loop.ahead += seconds
    await turns()


async def until(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110  what a peer got and how it ended has no event of its own
                await asyncio.sleep(0)
    except TimeoutError:
        raise AssertionError(f"not in 10 s: {what}") from None


class Peer(asyncio.Protocol):
    """
    One end of a connection: what it got, read by read, and how it ended; echoes if it should.
    """

    transport: asyncio.Transport

    def __init__(self, *, echo: bool, among: list[Peer] | None = None) -> None:
        self.echo = echo
        self.among = [] if among is None else among
        self.reads: list[bytes] = []
        self.ended: Literal["closed", "reset"] | None = None
        self.at_end = False
        self.stays_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.among.append(self)

    def data_received(self, data: bytes) -> None:
        self.reads.append(data)
        if self.echo:
            self.transport.write(data)

    def eof_received(self) -> bool:
        self.at_end = True
        return self.stays_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = "reset" if exc else "closed"

    @property
    def got(self) -> bytes:
        return b"".join(self.reads)

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    async def gets(self, data: bytes) -> None:
        await until(lambda: len(self.got) >= len(data), f"{data!r}; got {self.got!r}")
        assert self.got == data

    async def ends(self, how: Literal["closed", "reset"]) -> None:
        await until(lambda: self.ended, "the end of the connection")
        assert self.ended == how


class Rig:
    """
    An echo server, a proxy before it, and clients.
    """

    def __init__(self) -> None:
        self.served: list[Peer] = []
        self.clients: list[Peer] = []
        self.server: asyncio.Server
        self.proxy: FaultProxy

    def serve(self) -> Peer:
        return Peer(echo=True, among=self.served)

    async def connect(self, *, reaches: bool = True) -> Peer:
        loop = asyncio.get_running_loop()
        address = self.proxy.address
        before = len(self.served)
        client = Peer(echo=False, among=self.clients)
        if isinstance(address, Path):
            await loop.create_unix_connection(lambda: client, str(address))
        else:
            await loop.create_connection(lambda: client, *address)
        if reaches:
            await until(lambda: len(self.served) > before, "a connection at the server")
        return client


@contextlib.asynccontextmanager
async def rig(
    *, target: Path | None = None, listen: tuple[str, int] | Path = ("127.0.0.1", 0), seed: int = 7
) -> AsyncIterator[Rig]:
    loop = asyncio.get_running_loop()
    made = Rig()
    if target is None:
        made.server = await loop.create_server(made.serve, "127.0.0.1", 0)
        where: tuple[Any, ...] = made.server.sockets[0].getsockname()
    else:
        made.server = await loop.create_unix_server(made.serve, str(target))
        where = (target,)
    try:
        async with FaultProxy(*where, listen=listen, seed=seed) as made.proxy:
            yield made
    finally:
        made.server.close()
        for peer in made.served + made.clients:
            peer.transport.abort()
        await until(lambda: all(peer.ended for peer in made.served + made.clients), "the end of all connections")
    assert asyncio.all_tasks() == {asyncio.current_task()}
