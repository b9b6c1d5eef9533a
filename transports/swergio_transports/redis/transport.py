"""The transport: what a component asks for, and the connections, timers and tasks that do it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from swergio.channels import Channel
from swergio.codec.frames import rows, unpack
from swergio.errors import ConfigurationError, ConnectFailed, NameTaken, ProtocolError, SwergioError
from swergio.transport import NOTHING, Context, Guarantees, Manner, Past, Transport, Will
from swergio_transports.redis.access import Access, Limits
from swergio_transports.redis.address import Kind, parse
from swergio_transports.redis.broker import Broker
from swergio_transports.redis.errors import BrokerLost, BrokerRefused
from swergio_transports.redis.filling import Filling
from swergio_transports.redis.keys import Keys
from swergio_transports.redis.memberships import Memberships
from swergio_transports.redis.presence import Graces, Presence
from swergio_transports.redis.reading import Reading
from swergio_transports.redis.receiving import Receiver
from swergio_transports.redis.reports import Reports
from swergio_transports.redis.roster import Roster
from swergio_transports.redis.rounds import Rounds
from swergio_transports.redis.scripts import scripts
from swergio_transports.redis.sending import Sender
from swergio_transports.redis.sharing import Share

logger = logging.getLogger("swergio.redis")

TICK: Final = 0.25
AGAIN: Final = 0.05
BYE: Final = 1.0
TOKEN_SIZE: Final = 8
WRAPPING: Final = 1024 * 1024
"""Bytes that a message may need beside itself in an argument of a script."""

LOOSE: Final = Guarantees(recovers=False, back_pressure=False, groups=False, history=False)

T = TypeVar("T")


class RedisTransport(Transport):
    """
    Rooms that are logs on a Redis server.
    """

    guarantees = Guarantees(durable=True)  # as far as the server's own persistence goes

    def __init__(self, context: Context) -> None:
        settings, events = context.settings, context.events
        hub = settings.hub
        if not settings.recovery:
            self.guarantees = LOOSE
        self._settings = settings
        self._events = events
        self._outbox = context.outbox
        self._loop = asyncio.get_running_loop()
        self._stands = asyncio.Event()
        self._broker = Broker(settings, self, name=_shown(context.instance), scripts=scripts())
        verb = "SPUBLISH" if parse(settings.url or "").kind is Kind.CLUSTER else "PUBLISH"
        limits = Limits(hub.room_limit, hub.history_limit)
        keys = Keys(settings.namespace)
        access = self._access = Access(
            context.instance, settings.url or "", self._broker, keys, verb, limits, not settings.recovery
        )
        self._notices = keys.notices(context.instance)
        self._receiver = Receiver(access, events, settings.window)
        self._reports = Reports(access, self._receiver, self._stands.is_set)
        self._sender = Sender(access, context.outbox, events)
        self._rounds = Rounds(self._sender, self._broker, self._settled, self._stands.is_set)
        self._roster = Roster(access, events)
        self._presence = Presence(access, context.unique, Graces(hub.session_grace, hub.group_grace))
        self._memberships = Memberships(access, self._presence, self._receiver, self._finish)
        self._filling = Filling(access, self._receiver, self._memberships.again, self._stands.is_set)
        self._pace = max(0.02, min(settings.heartbeat, hub.session_grace / 3))
        self._identity = ""
        self._life = 0
        self._refusal = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._awaited: deque[tuple[list[tuple[Channel, int]], Callable[[], Any]]] = deque()
        self._entered = self._down = self._closing = False
        self._soon = False

    # -- connecting -----------------------------------------------------------------------------------------------

    @property
    def max_message(self) -> int | None:
        return max(1, self._broker.max_body - WRAPPING)

    async def connect(self) -> None:
        await self._broker.connect()
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                await self._persist(self._memberships.enter)
        except TimeoutError:
            raise ConnectFailed(self._access.url, "it broke the connection again and again") from None
        self._identity, self._life = self._broker.identity, self._presence.own.life
        self._entered = True
        self._events.connected(resumed=False)
        self._spawn(self._keep_there(), "swergio presence")
        self._rounds.begin()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s ended", task.get_name(), exc_info=task.exception())

    async def _persist(self, work: Callable[[], Awaitable[T]]) -> T:
        """
        Do something that may be done twice, as soon as there is a connection.
        """
        while True:
            await self._stands.wait()
            try:
                return await work()
            except BrokerLost as exc:
                logger.debug("again: %s", exc)
                await asyncio.sleep(AGAIN)
            except BrokerRefused as exc:
                raise ConnectFailed(self._access.url, str(exc)) from exc

    # -- events of the broker -------------------------------------------------------------------------------------

    def came(self, channel: bytes, data: bytes) -> None:
        """
        Take what was published.
        """
        if len(data) == TOKEN_SIZE:
            self._filling.token(data)
        elif self._receiver.came(channel, data, self._loop.time()):
            self._go_on()
        elif channel in self._roster:
            self._roster.came(channel, data)
        elif channel == self._notices:
            self._told(data)

    def _go_on(self) -> None:
        if self._receiver.wanting:
            self._filling.pump()
        if self._receiver.unreported:
            self._reports.due()

    def _told(self, data: bytes) -> None:
        """
        Take word of own messages that reached nobody.
        """
        try:
            ((number, first, count, reason),) = rows([unpack(data, list)], "a notice", int, int, int, str)
        except ProtocolError as exc:
            logger.error("a notice that is none: %s", exc)
            return
        channel = self._outbox.channel(number)
        if channel is not None and 0 < first < first + count <= channel.last + 1:
            self._events.undeliverable(number, first, count, reason)

    def hole(self, channels: Sequence[bytes], reason: str) -> None:
        """
        Look what was published meanwhile; if connections do not stand yet, that is done when they do.
        """
        if self._stands.is_set() and self._entered and not self._closing:
            self._spawn(self._recover(), "swergio redis recovery")

    def lost(self, reason: str) -> None:
        """
        Wait until it is back.
        """
        self._stands.clear()
        self._rounds.broke()
        if self._entered and not self._down and not self._closing:
            self._down = True
            self._events.disconnected(reason)

    def back(self, identity: str) -> None:
        """
        Go on.
        """
        self._stands.set()
        if self._entered and not self._closing:
            self._spawn(self._recover(), "swergio redis recovery")

    def failed(self, error: SwergioError) -> None:
        """
        Give up.
        """
        self._events.failed(error)

    async def _recover(self) -> None:
        """
        See what became of everything while there was no connection, or a hole in what came.
        """
        while self._stands.is_set():
            try:
                await self._look_around()
            except BrokerLost:
                await asyncio.sleep(AGAIN)
            except BrokerRefused as exc:
                self._refused(exc)
                await asyncio.sleep(1)
            except NameTaken as exc:
                self._events.failed(exc)
                return
            else:
                return

    async def _look_around(self) -> None:
        identity = self._broker.identity
        there, _ = await self._presence.beat()
        if not there or identity != self._identity:
            await self._memberships.enter()
        life = self._presence.own.life
        fresh = life != self._life
        if fresh:
            await self._memberships.again(list(self._receiver))
        await self._filling.look(self._receiver)
        if fresh:
            await self._access.all(self._sender.marks())
        await self._roster.look()
        self._identity, self._life = identity, life
        if self._down and self._stands.is_set():
            self._down = False
            self._events.connected(resumed=there)
        self._rounds.begin()

    # -- rooms ----------------------------------------------------------------------------------------------------

    async def join(self, room: str, manner: Manner, past: Past = NOTHING) -> None:
        if manner.group is not None and not self.guarantees.groups:
            raise ConfigurationError(f"no group can share {room!r} with recovery=off", "recovery=on")
        await self._persist(lambda: self._memberships.join(room, manner, past))
        self._go_on()

    async def leave(self, room: str) -> None:
        await self._persist(lambda: self._memberships.leave(room))

    async def _finish(self, reading: Reading) -> None:
        await self._reports.send()
        if isinstance(reading, Share):
            await self._filling.finish(reading)

    async def ask(self, verb: str, *arguments: Any) -> Any:
        if verb == "sync":
            return await self._sync()
        roster = self._roster
        questions: dict[str, Callable[..., Awaitable[Any]]] = {
            "members": roster.members,
            "watch": roster.watch,
            "unwatch": roster.unwatch,
            "rooms": roster.rooms,
            "about": roster.about,
        }
        return await self._persist(lambda: questions[verb](*arguments))

    # -- sending --------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """
        Write at once if nothing is under way; else what is sent in this turn of the loop travels together at its end.
        """
        if self._rounds.idle:
            self._rounds.pump()
        elif not self._soon:
            self._soon = True
            self._loop.call_soon(self._turn_over)

    def _turn_over(self) -> None:
        self._soon = False
        self._rounds.pump()

    def withdraw(self, channel: int, number: int) -> None:
        self._sender.withdraw(channel, number)
        self.wake()

    async def _sync(self) -> bool:
        arrived = asyncio.Event()
        self._when_arrived(arrived.set)
        self.wake()
        return await arrived.wait()

    def _when_arrived(self, then: Callable[[], Any]) -> None:
        """
        Call ``then`` when everything that was sent up to now is acknowledged.
        """
        self._outbox.settle()
        targets = [(channel, channel.last) for channel in self._outbox.channels if channel.acknowledged < channel.last]
        self._awaited.append((targets, then))
        self._settled()

    def _settled(self) -> None:
        # Who came later waits for at least as much: the first that has to wait is where to stop.
        while self._awaited and self._sender.told_observers:
            targets, then = self._awaited[0]
            while targets and targets[-1][0].acknowledged >= targets[-1][1]:
                targets.pop()
            if targets:
                return
            self._awaited.popleft()
            then()

    # -- what was handled -----------------------------------------------------------------------------------------

    @property
    def duplicates(self) -> int:
        return self._receiver.duplicates

    def consumed(self, receipt: Any) -> None:
        self._receiver.consumed(receipt)
        if isinstance(receipt[0], Share):
            self._when_arrived(lambda: self._ended_work(receipt))
        else:
            self._reports.due(receipt[2])
        if self._receiver.wanting:
            self._filling.pump()

    def _ended_work(self, receipt: Any) -> None:
        self._receiver.ended(receipt)
        self._filling.pump()

    # -- being there ----------------------------------------------------------------------------------------------

    async def leave_will(self, will: Will | None) -> None:
        await self._persist(lambda: self._presence.leave_will(will))

    async def _keep_there(self) -> None:
        due = self._loop.time() + self._pace
        while True:
            await asyncio.sleep(min(TICK, self._pace))
            if not self._stands.is_set():
                continue
            try:
                await self._filling.look_at_silent()
                self._go_on()
                if self._loop.time() >= due:
                    due = self._loop.time() + self._pace
                    await self._beat()
            except BrokerLost:
                continue
            except BrokerRefused as exc:
                self._refused(exc)

    def _refused(self, error: BrokerRefused) -> None:
        if error.code != self._refusal:  # once, not at each try
            self._refusal = error.code
            logger.error("the server refuses what it should not: %s", error)

    async def _beat(self) -> None:
        there, overdue = await self._presence.beat()
        if not there or self._presence.own.life != self._life:
            await self._recover()
        for who in overdue:
            await self._presence.settle(who)

    async def close(self) -> None:
        self._closing = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._rounds.close()
        await self._filling.close()
        await self._reports.close()
        if self._entered and self._stands.is_set():
            with contextlib.suppress(BrokerLost, BrokerRefused, TimeoutError):
                async with asyncio.timeout(BYE):
                    for reading in self._receiver:
                        await self._finish(reading)
                    await self._presence.bye()
        await self._broker.close()


def _shown(instance: str) -> str:
    """
    Return what a server lists the component's connections as: it takes no spaces, and printable ASCII alone.
    """
    return "swergio:" + "".join(letter if "!" <= letter <= "~" else "_" for letter in instance)
