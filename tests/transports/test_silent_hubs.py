"""
What listens where a hub is looked for, and says nothing.
"""

from __future__ import annotations

import asyncio

import pytest

import swergio
from swergio.asyncio import Component
from swergio.hub.link import Link, LinkOptions, Packet
from swergio.transport import find
from tests.transports.conftest import Run

DEADLINE = 20.0


class Silent:
    """
    The other end of one link: it takes what comes, and notes when the link is gone.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.heard = asyncio.Event()
        self.gone = asyncio.Event()

    def packet_received(self, packet: Packet) -> None:
        self.heard.set()

    def writable_again(self) -> None:
        pass

    def link_lost(self, reason: str, *, final: bool = False) -> None:
        self.gone.set()


@pytest.mark.parametrize("url", ["ws://127.0.0.1:0", "zmq+tcp://127.0.0.1:0", "memory://silent"])
def test_a_component_that_gives_up_leaves_no_connection(run: Run, url: str) -> None:
    async def main() -> None:
        others: list[Silent] = []

        def accept(link: Link) -> Silent:
            others.append(Silent(link))
            return others[-1]

        listener = await find(url).listen(url, accept, LinkOptions())
        lonely = Component("lonely", listener.url, connect_timeout=1)
        starting = asyncio.create_task(lonely.start())
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(swergio.ConnectFailed, match="within 1 s"):
                await starting
            await asyncio.gather(*(other.gone.wait() for other in others))
        assert any(other.heard.is_set() for other in others), "it never connected"
        await listener.close()

    run(main())
