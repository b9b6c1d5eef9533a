"""Transports with one fault each, to test the conformance suite with: the memory transport behind something that errs.

A fault is planted so narrowly that one test of the suite can see it, by its nature where that is possible, and
otherwise by the room, whose name begins with that of the test.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from swergio.codec.batch import Batch
from swergio.errors import ConnectFailed
from swergio.hub import Link, LinkEvents, LinkOptions
from swergio.messages import Kind
from swergio.testing.conformance import Deployment, Limits
from swergio.transport import Context, Guarantees, Inbound, Manner, Past, Transport
from swergio_transports.memory.listener import dial
from swergio_transports.memory.transport import MemoryTransport
from tests.conformance.deployments import served, silence

_numbers = itertools.count()


def deploy(scheme: str, limits: Limits) -> Iterator[Deployment]:
    """
    Yield a deployment of the faulty transport that has this scheme; the hub is a sound one.
    """
    name = f"faulty-{next(_numbers)}"
    with served(f"memory://{name}", limits) as hub:
        yield Deployment(
            f"{scheme}://{name}", break_connections=hub.break_connections, restart=hub.restart, kill=silence
        )


class Strict(MemoryTransport):
    """
    The memory transport, but for the hub that it would start.
    """

    @classmethod
    async def dial(cls, url: str, events: LinkEvents, options: LinkOptions) -> Link:
        return await dial(url, events, options)


class Faulty:
    """
    A transport, and the events of the one inside; what a subclass does not define is handed on both ways.
    """

    guarantees = Guarantees()

    def __init__(self, context: Context) -> None:
        url = str(context.settings.url)
        settings = context.settings.model_copy(update={"url": "memory://" + url.partition("://")[2]})
        self.outbox = context.outbox
        self.events = context.events
        self.inner = Strict(replace(context, settings=settings, events=self))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner if hasattr(Transport, name) else self.events, name)


class Drops(Faulty):
    """
    Loses one batch of a room, without a word.
    """

    has_dropped = False

    def delivered(self, inbound: Inbound) -> None:
        if inbound.room.startswith("messages_of_one_sender_arrive") and inbound.first > 1 and not self.has_dropped:
            self.has_dropped = True
            self.inner.consumed(inbound.receipt)
        else:
            self.events.delivered(inbound)


class Reorders(Faulty):
    """
    Has a quick lane for requests: they overtake what was sent before them.
    """

    def delivered(self, inbound: Inbound) -> None:
        kind = Batch(inbound.payload, inbound.count).kind
        if kind is Kind.MESSAGE:
            asyncio.get_running_loop().call_later(0.05, self.events.delivered, inbound)
        else:
            self.events.delivered(inbound)


class Duplicates(Faulty):
    """
    Delivers one direct batch twice.
    """

    has_doubled = False

    def delivered(self, inbound: Inbound) -> None:
        self.events.delivered(inbound)
        if inbound.room.startswith("direct_messages_keep") and not self.has_doubled:
            self.has_doubled = True
            self.events.delivered(replace(inbound, receipt=None))

    def consumed(self, receipt: Any) -> None:
        if receipt is not None:
            self.inner.consumed(receipt)


class Echoes(Faulty):
    """
    Gives every sender its own messages, whether it asked or not.
    """

    async def join(self, room: str, manner: Manner, past: Past) -> None:
        await self.inner.join(room, manner if manner.group else manner._replace(echo=True), past)


class Forgets(Faulty):
    """
    Forgets to join when it is a member of 16 rooms already.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.rooms: set[str] = set()

    async def join(self, room: str, manner: Manner, past: Past) -> None:
        self.rooms.add(room)
        if len(self.rooms) <= 16:
            await self.inner.join(room, manner, past)


class Deaf(Faulty):
    """
    Does not end while several messages are not acknowledged.
    """

    async def close(self) -> None:
        if self.outbox.unacknowledged >= 3:
            await asyncio.sleep(12)
        await self.inner.close()


class LibraryError(Exception):
    """
    What a client library raises.
    """


class Leaks(Faulty):
    """
    Raises what its library does, instead of what swergio promises, where there is nobody to connect to.
    """

    async def connect(self) -> None:
        try:
            await self.inner.connect()
        except ConnectFailed as exc:
            if type(exc) is not ConnectFailed:  # it was refused: somebody is there
                raise
            raise LibraryError("no route to host") from exc


class Sloppy(Faulty):
    """
    Three small faults at once: it does not count what a lossy member skips, does not report what a restart took along,
    and does not withdraw a request that was given up.
    """

    fails: ClassVar = (
        "test_a_lossy_member_slows_nobody_and_counts_what_it_skipped",
        "test_what_a_restart_took_along_is_reported",
        "test_a_request_that_was_given_up_reaches_nobody_later",
    )

    def dropped(self, room: str, count: int) -> None:
        pass

    def lost(self, loss: Any) -> None:
        pass

    def withdraw(self, channel: int, number: int) -> None:
        pass
