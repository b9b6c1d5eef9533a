"""A deployment in which nothing moves unless it is told to: real components and a real hub, without sockets and clocks.

Everything between ``send`` and the handler is what a user runs, but for the wire. A link keeps what it was given until
`Deployment.settle`, or the path that is measured, takes it further; the loop's clock stands until
`Deployment.pass_time` moves it; plain handlers run where `handle` is called. So each part can be run alone, the same
way each time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar
from unittest.mock import patch

import swergio
import swergio.asyncio
from swergio.core import Core
from swergio.hub import Accept, Hub, HubTransport, Link, LinkEvents, LinkOptions, Listener
from swergio.hub.link import Buffer
from swergio.settings import load

T = TypeVar("T")

URL = "memory://still"
SOON = 0.03  # all that waits for company (acknowledgements, reports, what handlers finished) waits 20 ms
NOT_THE_LOOP = -1  # no thread has this identity


class SteppedLoop(asyncio.SelectorEventLoop):
    """
    An event loop that runs what is ready, and no more, and whose clock is moved by hand.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__()

    def time(self) -> float:
        """
        Return the time that it was moved to.
        """
        return self.now

    @property
    def busy(self) -> bool:
        """
        Whether something is to be run in its next turn.
        """
        return bool(self._ready)  # type: ignore[attr-defined]

    def turn(self) -> None:
        """
        Run what is ready now.
        """
        self.call_soon(self.stop)
        self.run_forever()


class StillLink(Link):
    """
    One end of a connection; ``came`` holds the packets for it, as buffers, until `deliver`.
    """

    def __init__(self, loop: SteppedLoop) -> None:
        self.peer = URL
        self.writable = True
        self.came: deque[Sequence[Buffer]] = deque()
        self.other: StillLink
        self.owner: LinkEvents
        self.ending = False
        self._loop = loop

    @property
    def received_at(self) -> float:  # type: ignore[override]
        """
        Now: it is never silent.
        """
        return self._loop.now

    def send(self, packet: Sequence[Buffer]) -> None:
        """
        Keep a packet for the other end.
        """
        self.other.came.append(packet)

    def close(self, reason: str = "") -> None:
        """
        Nothing ends here.
        """

    def abort(self) -> None:
        """
        What breaks a link here, before the end, is a mistake in what is measured.
        """
        if not self.ending:
            raise AssertionError(f"the link of {self.owner} was given up")

    def take(self) -> bytes:
        """
        Return the next packet for this end, in one piece as most wires bring it.
        """
        return b"".join(self.came.popleft())

    def deliver(self) -> None:
        """
        Hand over everything that came.
        """
        while self.came:
            self.owner.packet_received(self.take())


class StillListener(Listener):
    """
    What a hub of a still deployment listens with.
    """

    url = URL

    async def close(self) -> None:
        """
        Nothing ends here.
        """


class Deployment:
    """
    A hub and its components, on a loop of their own.
    """

    def __init__(self) -> None:
        self.loop = SteppedLoop()
        self.links: dict[str, StillLink] = {}  # by name of the component: its end; ``other`` is the hub's
        self.cores: list[Core] = []
        self._accept: Accept
        self._dialling = ""
        self._transport = _transport_of(self)
        self.hub = Hub(load(URL))
        with patch("swergio.hub.server.find", lambda url: self._transport):
            self.run(self.hub.start([URL]))

    # -- making ---------------------------------------------------------------------------------------------------

    def plain(self, name: str, **settings: Any) -> swergio.Component:
        """
        Make a component with the plain face, to be opened when its handlers are registered.
        """
        return swergio.Component(name, URL, **settings)

    def awaited(self, name: str, **settings: Any) -> swergio.asyncio.Component:
        """
        Make a component with the asyncio face, likewise.
        """
        return swergio.asyncio.Component(name, URL, **settings)

    def open(self, *components: swergio.Component | swergio.asyncio.Component) -> None:
        """
        Connect components. What a plain one sends counts as sent by another thread than the loop's.
        """
        for component in components:
            core = component._core
            self._dialling = core.instance.name
            with patch("swergio.core.find", lambda url: self._transport):
                self.run(core.open())
            if isinstance(component, swergio.Component):
                core._thread = NOT_THE_LOOP
            self.cores.append(core)
        self.pass_time()

    def connect(self, events: LinkEvents) -> Link:
        """
        Give a component its end of a link to the hub.
        """
        here, there = StillLink(self.loop), StillLink(self.loop)
        here.other, there.other = there, here
        here.owner, there.owner = events, self._accept(there)
        self.links[self._dialling] = here
        return here

    def listen(self, accept: Accept) -> Listener:
        """
        Have links accepted by the hub.
        """
        self._accept = accept
        return StillListener()

    # -- moving ---------------------------------------------------------------------------------------------------

    def run(self, flow: Coroutine[Any, Any, T]) -> T:
        """
        Let everything happen until a coroutine has its result.
        """
        task = self.loop.create_task(flow)
        self.settle()
        return task.result()

    def settle(self) -> None:
        """
        Let everything happen that needs no time.
        """
        moved = True
        while moved:
            moved = self.loop.busy
            if moved:
                self.loop.turn()
            for link in self.links.values():
                for end in (link.other, link):
                    moved |= bool(end.came)
                    end.deliver()
            for core in self.cores:
                moved |= handle(core)

    def pass_time(self, seconds: float = SOON) -> None:
        """
        Move the clock, and let everything happen that was waiting for it.
        """
        self.settle()
        self.loop.now += seconds
        self.loop.turn()
        self.settle()

    def close(self) -> None:
        """
        End without a word.
        """
        for link in self.links.values():
            link.ending = True
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.turn()
        self.loop.close()


def handle(core: Core) -> bool:
    """
    Run the plain handlers for what was queued for them, here; whether there was anything.
    """
    waiting = core.dispatcher._queue
    if waiting.empty():
        return False
    waiting.put(None)
    core.dispatcher.run()
    return True


def _transport_of(deployment: Deployment) -> type[HubTransport]:
    class StillTransport(HubTransport):
        copies = False  # arrays travel, as between hosts

        @classmethod
        async def dial(cls, url: str, events: LinkEvents, options: LinkOptions) -> Link:
            return deployment.connect(events)

        @classmethod
        async def listen(cls, url: str, accept: Accept, options: LinkOptions) -> Listener:
            return deployment.listen(accept)

    return StillTransport
