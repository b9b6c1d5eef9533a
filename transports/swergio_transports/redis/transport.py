"""The transport: what a component asks for, and the connections, timers and tasks that do it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Any, Final

from swergio.codec.frames import rows, unpack
from swergio.errors import ConfigurationError, ConnectFailed, NameTaken, ProtocolError, SwergioError
from swergio.transport import Context, Guarantees, Manner, Member, Mode, Past, Transport, Will
from swergio_transports.redis import members
from swergio_transports.redis.address import Kind, parse
from swergio_transports.redis.broker import Broker
from swergio_transports.redis.calls import Call, Command
from swergio_transports.redis.errors import BrokerLost, BrokerRefused
from swergio_transports.redis.filling import Filling
from swergio_transports.redis.keys import Keys
from swergio_transports.redis.presence import Graces, Presence
from swergio_transports.redis.reading import Reading
from swergio_transports.redis.receiving import Receiver
from swergio_transports.redis.rounds import Rounds
from swergio_transports.redis.scripts import script, scripts
from swergio_transports.redis.sending import Limits, Sender
from swergio_transports.redis.sharing import Share

logger = logging.getLogger("swergio.redis")

TICK: Final = 0.25
REPORT_DELAY: Final = 0.02
REPORT_COST: Final = 1024 * 1024
NOTHING: Final = Past()
AGAIN: Final = 0.05
BYE: Final = 1.0
TOKEN_SIZE: Final = 8

LOOSE: Final = Guarantees(recovers=False, back_pressure=False, groups=False, history=False)


class RedisTransport(Transport):
    """
    Rooms that are logs on a Redis server.
    """

    guarantees = Guarantees(durable=True)

    def __init__(self, context: Context) -> None:
        settings = self._settings = context.settings
        self._events = context.events
        self._instance = context.instance
        self._outbox = context.outbox
        self._loop = asyncio.get_running_loop()
        loose = not settings.recovery
        if loose:
            self.guarantees = LOOSE
        self._keys = Keys(settings.namespace)
        self._verb = "SPUBLISH" if parse(settings.url or "").kind is Kind.CLUSTER else "PUBLISH"
        limits = Limits(settings.hub.room_limit, settings.hub.history_limit)
        self._broker = Broker(settings, self, name=_shown(context.instance), scripts=scripts())
        self._receiver = Receiver(context.instance, context.events, self._keys, settings.window, loose=loose)
        self._sender = Sender(context.instance, context.outbox, context.events, self._keys, limits, self._verb, loose=loose)
        self._rounds = Rounds(self._sender, self._broker, self._settled)
        self._stands = asyncio.Event()
        self._filling = Filling(context.instance, self._receiver, self._broker, self._verb, self._rejoin, self._stands.is_set)
        grace = settings.hub.session_grace
        graces = Graces(grace, settings.hub.group_grace)
        self._presence = Presence(
            context.instance, context.unique, self._broker, self._keys, self._verb, limits, graces
        )
        self._pace = max(0.02, min(settings.heartbeat, grace / 3))
        self._notices = self._keys.notices(context.instance)
        self._identity = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._report_timer: asyncio.TimerHandle | None = None
        self._unreported = 0
        self._syncs: list[tuple[dict[int, int], asyncio.Future[bool]]] = []
        self._watched: dict[bytes, tuple[str, dict[str, Member]]] = {}
        self._entered = False
        self._closing = False
        self._turn_used = self._more = False

    # -- connecting -----------------------------------------------------------------------------------------------

    @property
    def _where(self) -> str:
        return self._settings.url or ""

    @property
    def max_message(self) -> int | None:
        # What wraps a message goes into the same argument.
        return max(1, self._broker.max_body - 1024 * 1024)

    async def connect(self) -> None:
        await self._broker.connect()
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                await self._enter()
        except TimeoutError:
            raise ConnectFailed(self._where, "it broke the connection again and again") from None
        self._entered = True
        self._events.connected(resumed=False)
        self._spawn(self._keep_there(), "swergio presence")
        self._rounds.begin()

    async def _enter(self) -> None:
        while True:
            try:
                await self._broker.subscribe(*(lane.keys.channel for lane in self._receiver.lanes), self._notices)
                await self._presence.enter(self._where)
                for lane in self._receiver.lanes:
                    base, top, _, positions = await self._run_join(lane)
                    self._receiver.joined(lane, base, top, positions)
                return
            except BrokerLost:
                await asyncio.sleep(AGAIN)
            except BrokerRefused as exc:
                raise ConnectFailed(self._where, str(exc)) from exc

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s ended", task.get_name(), exc_info=task.exception())

    # -- events of the broker -------------------------------------------------------------------------------------

    def came(self, channel: bytes, data: bytes) -> None:
        """
        Take what was published.
        """
        if len(data) == TOKEN_SIZE:
            self._filling.token(data)
            return
        if channel in self._watched:
            self._somebody_came_or_went(channel, data)
            return
        if channel == self._notices:
            self._told(data)
            return
        self._receiver.came(channel, data, self._loop.time())
        if self._receiver.wanting:
            self._filling.pump()
        if self._receiver.unreported:
            self._report_later()

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
        Look what was published meanwhile.
        """
        if self._stands.is_set() and not self._closing:
            self._spawn(self._recover(self._identity), "swergio recovery")

    def lost(self, reason: str) -> None:
        """
        Wait until it is back.
        """
        self._stands.clear()
        self._rounds.broke()
        if self._entered and not self._closing:
            self._events.disconnected(reason)

    def back(self, identity: str) -> None:
        """
        Go on.
        """
        before, self._identity = self._identity, identity
        self._stands.set()
        if self._entered and not self._closing:
            self._spawn(self._recover(before), "swergio recovery")

    def failed(self, error: SwergioError) -> None:
        """
        Give up.
        """
        self._events.failed(error)

    async def _recover(self, before: str) -> None:
        """
        See what became of everything while there was no connection, or a hole in what came.
        """
        identity = self._identity
        with contextlib.suppress(BrokerLost):
            there, _ = await self._presence.beat()
            if not there or identity != before:
                await self._enter_again()
            await self._filling.look(self._receiver)
            if identity != before or not there:
                await self._broker.run_all(self._sender.marks())
            await self._look_at_watched()
            self._events.connected(resumed=there)
            self._rounds.begin()
            return
        if self._stands.is_set() and not self._closing:
            await asyncio.sleep(AGAIN)
            await self._recover(before)

    async def _enter_again(self) -> None:
        try:
            await self._presence.enter(self._where)
        except NameTaken as exc:
            self._events.failed(exc)
            return
        await self._rejoin(list(self._receiver))

    # -- memberships ----------------------------------------------------------------------------------------------

    async def join(self, room: str, manner: Manner, past: Past = NOTHING) -> None:
        if manner.group is not None and not self.guarantees.groups:
            raise ConfigurationError(f"no group can share {room!r} with recovery=off", "recovery=on")
        await self._persist(lambda: self._join(room, manner, past))

    async def _join(self, room: str, manner: Manner, past: Past) -> None:
        receiver = self._receiver
        await self._presence.note_room(room, manner)
        await self._broker.ask(self._keys.rooms, "ZADD", self._keys.rooms, int(time.time()), room)
        reading = receiver.rooms.get(room)
        if reading is not None and reading.manner.group != manner.group:
            await self._end(receiver.rooms.pop(room))
            reading = None
        if reading is not None:
            reading.manner = manner
            await self._rejoin([reading])
            self._filling.pump()
        else:
            reading = receiver.begin(self._keys.room(room), room, manner)
            await self._begin(reading, past)
            receiver.rooms[room] = reading
        observed = receiver.observed.get(room)
        if manner.mode is Mode.OBSERVER and observed is None:
            observed = receiver.begin(self._keys.observed(room), room, manner, observed=True)
            await self._begin(observed, NOTHING)
            receiver.observed[room] = observed
        elif manner.mode is not Mode.OBSERVER and observed is not None:
            await self._end(observed)

    async def _begin(self, reading: Reading, past: Past) -> None:
        try:
            await self._broker.subscribe(reading.keys.channel)
            begin = (await self._look_back(reading, 0, past))[0] if reading.manner.group else 0
            base, top, _, positions = await self._run_join(reading, begin)
        except BaseException:
            self._receiver.end(reading)
            raise
        start, over, kept = await self._look_back(reading, top, past)
        self._receiver.joined(reading, base, top, positions, start, over, kept)
        self._filling.pump()

    async def _look_back(self, reading: Reading, top: int, past: Past) -> tuple[int, int, bytes | None]:
        start, over, kept = top, 0, None
        if past.last is not None or past.age is not None:
            last = -1 if past.last is None else past.last
            age = -1 if past.age is None else int(past.age * 1000)
            arguments = (top, self._settings.hub.history_limit, last, age)
            start, over = await self._broker.run(script("past"), reading.keys, arguments)
        if past.kept:
            kept = await self._broker.ask(reading.keys.kept, "GET", reading.keys.kept)
        return start, over, kept

    async def _run_join(self, reading: Reading, begin: int = 0) -> tuple[int, int, bool, list[Any]]:
        base, top, member, flat = await self._broker.run(*self._joining(reading, begin))
        return base, top, bool(member), members.positions(flat)

    def _joining(self, reading: Reading, start: int = 0) -> Call:
        manner = reading.manner
        note = members.note(Member(self._instance, manner.mode, manner.group), joined=True)
        arguments = (
            self._instance, self._presence.own.life, members.written(manner), int(reading.reliable),
            reading.base, reading.seen, self._verb, note, reading.consumed, manner.group or "", start,
        )  # fmt: skip
        return Call(script("join"), reading.keys, arguments)

    async def _rejoin(self, readings: Sequence[Reading]) -> None:
        """
        Tell the server of memberships that it may not know, or that have changed.
        """
        await self._broker.run_all([self._joining(reading) for reading in readings])

    async def leave(self, room: str) -> None:
        reading = self._receiver.rooms.pop(room, None)
        if reading is not None:
            self._receiver.end(reading)
        observed = self._receiver.observed.pop(room, None)
        if observed is not None:
            self._receiver.end(observed)
        await self._persist(lambda: self._leave(room, [log for log in (reading, observed) if log is not None]))

    async def _leave(self, room: str, readings: Sequence[Reading]) -> None:
        for reading in readings:
            await self._end(reading)
        await self._presence.note_room(room, None)

    async def _end(self, reading: Reading) -> None:
        self._receiver.end(reading)
        if reading.observed and reading.room:
            self._receiver.observed.pop(reading.room, None)
        await self._report_now()
        await self._finish(reading)
        life = self._presence.own.life
        room, manner = reading.room or "", reading.manner
        call = self._presence.leaving(room, self._instance, life, manner, observed=reading.observed)
        group = await self._broker.run(*call)
        if group is not None:
            await self._presence.left_empty(room, group.decode())
        await self._broker.unsubscribe(reading.keys.channel)

    async def _finish(self, reading: Reading) -> None:
        if isinstance(reading, Share):
            await self._filling.finish(reading)

    async def _persist(self, work: Any) -> Any:
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
                raise ConnectFailed(self._where, str(exc)) from exc

    # -- questions ------------------------------------------------------------------------------------------------

    async def ask(self, verb: str, *arguments: Any) -> Any:
        if verb == "sync":
            return await self._sync()
        questions = {"members": self._members, "watch": self._watch, "unwatch": self._unwatch, "rooms": self._rooms}
        return await self._persist(lambda: questions[verb](*arguments))

    async def _members(self, room: str) -> list[Member]:
        key = self._keys.room(room).members
        return members.listed(await self._broker.ask(key, "HGETALL", key))

    async def _watch(self, room: str) -> list[Member]:
        who = self._keys.room(room).who
        if who not in self._watched:
            self._watched[who] = (room, {})
        await self._broker.subscribe(who)
        there = await self._members(room)
        self._watched[who] = (room, {member.instance: member for member in there})
        return there

    async def _unwatch(self, room: str) -> list[Member]:
        who = self._keys.room(room).who
        self._watched.pop(who, None)
        await self._broker.unsubscribe(who)
        return await self._members(room)

    def _somebody_came_or_went(self, channel: bytes, data: bytes) -> None:
        room, there = self._watched[channel]
        try:
            member, joined = members.noted(data)
        except SwergioError as exc:
            logger.error("%s: %s", channel, exc)
            return
        if joined == (member.instance in there):
            return
        if joined:
            there[member.instance] = member
        else:
            member = there.pop(member.instance)
        self._events.presence(room, member, joined)

    async def _look_at_watched(self) -> None:
        for room, before in list(self._watched.values()):
            now = {member.instance: member for member in await self._members(room)}
            for instance in [instance for instance in before if instance not in now]:
                self._events.presence(room, before.pop(instance), joined=False)
            for instance, member in now.items():
                if instance not in before:
                    before[instance] = member
                    self._events.presence(room, member, joined=True)

    async def _rooms(self) -> list[dict[str, Any]]:
        names = await self._broker.ask(self._keys.rooms, "ZRANGE", self._keys.rooms, 0, -1)
        logs = [self._keys.room(name.decode()) for name in names]
        tables = await self._broker.run_all([Command(log.members, ("HGETALL", log.members)) for log in logs])
        described = []
        for name, table in zip(names, tables, strict=True):
            if there := members.listed(table):
                listed = [[member.instance, str(member.mode)] for member in there]
                described.append({"room": name.decode(), "members": listed, "held": 0})
        return described

    # -- sending --------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        if self._turn_used:
            self._more = True
            return
        self._turn_used = True
        self._loop.call_soon(self._turn_over)
        self._rounds.pump()

    def _turn_over(self) -> None:
        self._turn_used = False
        if self._more:
            self._more = False
            self._rounds.pump()

    def withdraw(self, channel: int, number: int) -> None:
        self._sender.withdraw(channel, number)
        self.wake()

    async def _sync(self) -> bool:
        targets = {channel.number: channel.last for channel in self._outbox.channels}
        future: asyncio.Future[bool] = self._loop.create_future()
        self._syncs.append((targets, future))
        self.wake()
        self._settled()
        return await future

    def _settled(self) -> None:
        if not self._syncs:
            return
        self._syncs = [sync for sync in self._syncs if not self._answered(*sync)]

    def _answered(self, targets: dict[int, int], future: asyncio.Future[bool]) -> bool:
        channels = self._outbox.channels
        if not future.done() and self._sender.told_observers:
            if all(channels[number].acknowledged >= last for number, last in targets.items()):
                future.set_result(True)
        return future.done()

    # -- what was handled -----------------------------------------------------------------------------------------

    @property
    def duplicates(self) -> int:
        return self._receiver.duplicates

    def consumed(self, receipt: Any) -> None:
        self._receiver.consumed(receipt)
        if self._receiver.wanting:
            self._filling.pump()
        self._unreported += receipt[2]
        if self._unreported >= REPORT_COST:
            self._report()
        else:
            self._report_later()

    def _report_later(self) -> None:
        if self._report_timer is None:
            self._report_timer = self._loop.call_later(REPORT_DELAY, self._report)

    def _report(self) -> None:
        if self._report_timer is not None:
            self._report_timer.cancel()
            self._report_timer = None
        if not self._closing and self._stands.is_set():
            self._spawn(self._report_now(), "swergio redis report")

    async def _report_now(self) -> None:
        self._unreported = 0
        readings = list(self._receiver.reports())
        if not readings:
            return
        words = [(r.keys.cursors, ("ZADD", r.keys.cursors, "XX", "GT", r.consumed, self._instance)) for r in readings]
        try:
            await self._broker.run_all([Command(*pair) for pair in words])
        except BrokerLost:
            for reading in readings:
                reading.reported = 0
                self._receiver.unreported[reading] = None

    # -- being there ----------------------------------------------------------------------------------------------

    async def leave_will(self, will: Will | None) -> None:
        await self._persist(lambda: self._presence.leave_will(will))

    async def _keep_there(self) -> None:
        due = time.monotonic() + self._pace
        while True:
            await asyncio.sleep(min(TICK, self._pace))
            if not self._stands.is_set():
                continue
            try:
                await self._filling.look_at_silent()
                if self._receiver.unreported:
                    self._report_later()
                if time.monotonic() >= due:
                    due = time.monotonic() + self._pace
                    await self._beat()
            except BrokerLost:
                continue
            except BrokerRefused as exc:
                logger.error("the server refuses what it should not: %s", exc)

    async def _beat(self) -> None:
        there, overdue = await self._presence.beat()
        if not there:
            await self._recover("")
        for who in overdue:
            await self._presence.settle(who)

    async def close(self) -> None:
        self._closing = True
        if self._report_timer is not None:
            self._report_timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._rounds.close()
        await self._filling.close()
        if self._entered and self._stands.is_set():
            with contextlib.suppress(BrokerLost, BrokerRefused, TimeoutError):
                async with asyncio.timeout(BYE):
                    await self._report_now()
                    for reading in self._receiver:
                        await self._finish(reading)
                    await self._presence.bye()
        await self._broker.close()


def _shown(instance: str) -> str:
    """
    Return what a server lists the component's connections as: it takes no spaces, and printable ASCII alone.
    """
    return "swergio:" + "".join(letter if "!" <= letter <= "~" else "_" for letter in instance)
