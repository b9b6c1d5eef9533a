"""
Both ends of a ZeroMQ link, and raw sockets to hold against either.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import zmq

from swergio.hub.link import LinkOptions
from swergio_transports.zeromq import dial, listen
from tests.transports.recorder import DEFAULTS, PATIENCE, Owners, Recorder, link_of

HELLO = [b"", b"\x01swergio\x01"]
WELCOME = [b"", b"\x02swergio\x01"]


@asynccontextmanager
async def listening(
    url: str, options: LinkOptions = DEFAULTS, kind: type[Recorder] = Recorder
) -> AsyncIterator[tuple[str, Owners]]:
    """
    A listener, and the owners of its links, which are ended with it.
    """
    owners = Owners(kind)
    listener = await listen(url, owners, options)
    try:
        yield listener.url, owners
    finally:
        for owner in owners.all:
            link_of(owner).abort()
            await owner.until_lost()
        await listener.close()


@asynccontextmanager
async def pair(
    url: str, options: LinkOptions = DEFAULTS, kind: type[Recorder] = Recorder
) -> AsyncIterator[list[Recorder]]:
    """
    Both ends of a link, the dialling one first.
    """
    async with listening(url, options, kind) as (where, owners):
        here = Recorder()
        here.link = await dial(where, here, options)
        yield [here, await owners.number(0)]
        here.link.abort()
        await here.until_lost()


@contextmanager
def raw_socket(kind: int, url: str | None = None) -> Iterator[zmq.Socket[bytes]]:
    """
    A ZeroMQ socket that knows nothing of swergio, connected to a URL of ours.
    """
    with zmq.Context() as context, context.socket(kind) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        if url is not None:
            socket.connect(url.removeprefix("zmq+"))
        yield socket


async def receive(socket: zmq.Socket[bytes]) -> list[bytes]:
    """
    Return what a raw socket receives next.
    """
    assert await asyncio.to_thread(socket.poll, int(PATIENCE * 1000))
    return socket.recv_multipart()


@contextmanager
def watched_end(socket: zmq.Socket[bytes]) -> Iterator[Callable[[], Awaitable[None]]]:
    """
    Yield a function that returns when the connection of a raw socket is gone.
    """
    monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)

    async def ended() -> None:
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.to_thread(monitor.poll, int(PATIENCE * 1000))

    yield ended
    socket.disable_monitor()
    monitor.close(0)
