"""
An owner of a link that writes down what it is told, and raw ends to hold against it.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from swergio.hub.link import Link, LinkOptions, Packet

PATIENCE = 20.0
DEFAULTS = LinkOptions()


def joined(packet: Packet) -> bytes:
    return b"".join(packet) if isinstance(packet, list) else bytes(packet)


class Recorder:
    """
    What a link told its owner; ``link`` is set by whoever has it.
    """

    def __init__(self, link: Link | None = None) -> None:
        self.link = link
        self.packets: list[bytes] = []
        self.lost: list[tuple[str, bool]] = []
        self.resumed = 0
        self._changed = asyncio.Event()

    def packet_received(self, packet: Packet) -> None:
        assert not self.lost
        self.packets.append(joined(packet))
        self._changed.set()

    def writable_again(self) -> None:
        assert not self.lost
        self.resumed += 1
        self._changed.set()

    def link_lost(self, reason: str, *, final: bool = False) -> None:
        self.lost.append((reason, final))
        self._changed.set()

    async def until(self, what: str, reached: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not reached():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"no {what} in {PATIENCE:g} s: {len(self.packets)} packets, resumed {self.resumed} times, {self.lost}"
            ) from None

    async def until_packets(self, count: int) -> list[bytes]:
        await self.until(f"{count} packets", lambda: len(self.packets) >= count)
        return self.packets

    async def until_lost(self) -> str:
        await self.until("end of the link", lambda: bool(self.lost))
        return self.lost[0][0]


def link_of(owner: Recorder) -> Link:
    assert owner.link is not None
    return owner.link


class Echo(Recorder):
    """
    Sends every packet back.
    """

    def packet_received(self, packet: Packet) -> None:
        super().packet_received(packet)
        link_of(self).send((joined(packet),))


class Owners:
    """
    What a listener calls: makes an owner for each link, and keeps them in order.
    """

    def __init__(self, kind: type[Recorder] = Recorder) -> None:
        self.all: list[Recorder] = []
        self._kind = kind
        self._new = asyncio.Event()

    def __call__(self, link: Link) -> Recorder:
        self.all.append(self._kind(link))
        self._new.set()
        return self.all[-1]

    async def number(self, index: int) -> Recorder:
        async with asyncio.timeout(PATIENCE):
            while len(self.all) <= index:
                self._new.clear()
                await self._new.wait()
        return self.all[index]


def upgrade_request(*headers: str, path: str = "/") -> bytes:
    key = base64.b64encode(b"0123456789abcdef").decode()
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: swergio",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@asynccontextmanager
async def raw_stream(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = url.rpartition("/")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def http(url: str, request: bytes) -> str:
    """
    Send a request, and return all that comes back until the other end closes.
    """
    async with raw_stream(url) as (reader, writer), asyncio.timeout(PATIENCE):
        writer.write(request)
        try:
            return (await reader.read()).decode(errors="replace")
        except ConnectionError:
            return ""


@asynccontextmanager
async def raw_peer(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """
    A stream on which the handshake is done, and nothing else.
    """
    async with raw_stream(url) as (reader, writer):
        writer.write(upgrade_request())
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        yield reader, writer
