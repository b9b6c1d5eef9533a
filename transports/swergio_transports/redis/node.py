"""One server as the broker uses it: a connection for commands, one for messages, both made anew whenever they break.

They are two because a subscriber that falls behind is cut off by the server (``client-output-buffer-limit pubsub``),
which should not cost the commands anything. Neither can tell which server it is on: after a failover one may have
moved and the other not, and then nothing that is published is heard. So both ask for the server's run id, and the
connection that is on another server than the newer one is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from hiredis import ReplyError

from swergio.errors import AccessRefused, ConfigurationError, ConnectFailed, IncompatiblePeer, SwergioError
from swergio_transports.redis.address import Place, shown
from swergio_transports.redis.calls import Script, Word
from swergio_transports.redis.dialing import Identity, WireT, dial
from swergio_transports.redis.errors import BrokerLost, BrokerRefused, translated
from swergio_transports.redis.limits import Server, identify, inspect
from swergio_transports.redis.reader import Reader
from swergio_transports.redis.wire import Flight, Landed, Wire

# Not the global one: an application that seeds it draws the same with us and without.
_chance = random.Random()

FIRST_PAUSE: Final = 0.1
MAX_PAUSE: Final = 1.0
CHUNK: Final = 500
"""Channels in one command that subscribes."""

logger = logging.getLogger("swergio.redis")


class Owner(Protocol):
    """
    Whom a node tells what happens.
    """

    def came(self, channel: bytes, data: bytes) -> None:
        """
        A message came.
        """

    def hole(self, channels: Sequence[bytes], reason: str) -> None:
        """
        Channels are subscribed again; what was published meanwhile is gone.
        """

    def changed(self, node: Node, problem: str | None) -> None:
        """
        A connection of the node stands, or broke, or could not be made: then ``problem`` says why.
        """

    def moved(self, node: Node, channel: bytes) -> None:
        """
        The channel is no longer the node's.
        """

    def failed(self, error: SwergioError) -> None:
        """
        The node gave up for good.
        """


@dataclass(frozen=True, slots=True)
class Manners:
    """
    How a broker deals with each of its servers.

    Attributes:
        who: Who we are to them.
        heartbeat, dead_after: See `Wire`.
        recovery: Rooms are kept there: it must not throw them away.
        sharded: Channels belong to slots; each is subscribed by itself.
        scripts: What each of them must know.
    """

    who: Identity
    heartbeat: float
    dead_after: float
    recovery: bool = True
    sharded: bool = False
    scripts: tuple[Script, ...] = ()


class Node:
    """
    One server, or whichever server is the master now.

    Attributes:
        server: What was found out about it, None before the first connection.
        place: Where it was connected last.
    """

    def __init__(self, find: Callable[[], Awaitable[Place]], manners: Manners, owner: Owner) -> None:
        self.server: Server | None = None
        self.place: Place | None = None
        self._find = find
        self._manners = manners
        self._owner = owner
        self._verb = b"ssubscribe" if manners.sharded else b"subscribe"
        self._commands: Wire | None = None
        self._reader: Reader | None = None
        self._reader_stands = asyncio.Event()
        self._channels: dict[bytes, bool] = {}  # whether it was confirmed before: then a new subscription is a hole
        self._confirmed: set[bytes] = set()
        self._problem = "not connected yet"
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """
        Begin to connect, for ever.
        """
        keep = [self._keep(self._make_wire, self._serve_commands), self._keep(self._make_reader, self._serve_reader)]
        self._tasks = [asyncio.create_task(keeping, name="swergio redis") for keeping in keep]

    @property
    def where(self) -> str:
        """
        What errors call it.
        """
        return shown(self.place) if self.place else "nowhere"

    @property
    def stands(self) -> bool:
        """
        Whether both connections do.
        """
        return self._commands is not None and self._reader is not None

    def drop(self, reason: str) -> None:
        """
        Close both connections, so that they are made anew.
        """
        for wire in (self._commands, self._reader):
            if wire is not None:
                wire.abort(reason)

    async def close(self) -> None:
        """
        End both connections and everything that waits for them.
        """
        self._closed = True
        self._reader_stands.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- commands -------------------------------------------------------------------------------------------------

    def send(self, commands: Sequence[Sequence[Word]]) -> list[asyncio.Future[Any]]:
        """
        Write commands; see `Wire.send`.

        Raises:
            BrokerLost: There is no connection now.
        """
        if self._commands is None:
            raise BrokerLost(self._problem)
        return self._commands.send(commands)

    def post(self, commands: Sequence[Sequence[Word]], landed: Landed) -> None:
        """
        Write commands, and call ``landed`` with their replies, or with why there are none; see `send`.

        Raises:
            BrokerLost: There is no connection now, and ``landed`` is not called.
        """
        if self._commands is None:
            raise BrokerLost(self._problem)
        self._commands.write(commands, (Flight(len(commands), landed),))

    # -- subscriptions --------------------------------------------------------------------------------------------

    async def subscribe(self, channels: Sequence[bytes], *, again: str | None = None) -> None:
        """
        Subscribe; all that is published after it returned comes in. Waits for a connection if there is none.

        ``again``: another node had them until now, and this is why no more. It is a hole.

        Raises:
            BrokerRefused: The server does not allow it.
            BrokerLost: The node was closed meanwhile.
        """
        for channel in channels:
            self._channels.setdefault(channel, False)
        while True:
            await self._reader_stands.wait()
            if self._closed:
                raise BrokerLost("closed")
            if self._reader is None:
                continue
            fresh = [channel for channel in channels if channel not in self._confirmed]
            try:
                await self._confirm(self._reader, fresh)
            except BrokerLost:
                await asyncio.sleep(0)
                continue
            except Exception:
                for channel in fresh:
                    self._channels.pop(channel, None)
                raise
            if again is not None:
                self._owner.hole(fresh, again)
            return

    def forget(self, channels: Sequence[bytes]) -> None:
        """
        Channels that another node has now, and whose subscriptions this one ended.
        """
        for channel in channels:
            self._channels.pop(channel, None)
        self._confirmed.difference_update(channels)

    async def unsubscribe(self, channels: Sequence[bytes]) -> None:
        """
        Cease to be subscribed; nothing of the channels comes in once it returned.
        """
        known = [channel for channel in channels if self._channels.pop(channel, None) is not None]
        known = [channel for channel in known if channel in self._confirmed]
        self._confirmed.difference_update(known)
        if known and self._reader is not None:
            verb = self._verb.replace(b"sub", b"unsub")
            with contextlib.suppress(BrokerLost):  # with the connection the subscription went
                await asyncio.gather(*(self._reader.confirm(verb, part) for part in self._parts(known)))

    async def _confirm(self, reader: Reader, channels: Sequence[bytes]) -> None:
        waiting = [(part, reader.confirm(self._verb, part)) for part in self._parts(channels)]
        for part, confirmation in waiting:
            reply = await confirmation
            if isinstance(reply, ReplyError):
                raise translated(reply)
            self._confirmed.update(part)
            for channel in part:
                if channel in self._channels:
                    self._channels[channel] = True

    def _parts(self, channels: Sequence[bytes]) -> list[Sequence[bytes]]:
        step = 1 if self._manners.sharded else CHUNK
        return [channels[start : start + step] for start in range(0, len(channels), step)]

    def _removed(self, channel: bytes) -> None:
        if channel in self._channels:
            self._confirmed.discard(channel)
            self._owner.moved(self, channel)

    # -- connections ----------------------------------------------------------------------------------------------

    async def _keep(self, make: Callable[[], WireT], serve: Callable[[WireT], Awaitable[str]]) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                self.place = await self._find()
                wire = await dial(self.place, self._manners.who, make)
                try:
                    self._problem = await serve(wire)
                    pause = FIRST_PAUSE
                finally:
                    wire.abort("closed")
            except (AccessRefused, IncompatiblePeer, ConfigurationError) as exc:
                self._owner.failed(exc)
                return
            except ConnectFailed as exc:
                self._problem = exc.reason
            except BrokerRefused as exc:
                if exc.code == "NOPERM":
                    self._owner.failed(AccessRefused(self.where, str(exc)))
                    return
                self._problem = str(exc)
            except BrokerLost as exc:
                self._problem = str(exc)
            except Exception as exc:  # whatever a server does, it costs this connection and no more
                logger.exception("the connection to %s cannot be used", self.where)
                self._problem = f"{type(exc).__name__}: {exc}"
            self._owner.changed(self, self._problem)
            await asyncio.sleep(_chance.uniform(0, pause))
            pause = min(2 * pause, MAX_PAUSE)

    def _make_wire(self) -> Wire:
        return Wire(self._manners.heartbeat, self._manners.dead_after)

    def _make_reader(self) -> Reader:
        return Reader(self._manners.heartbeat, self._manners.dead_after, self._owner.came, self._removed)

    async def _serve_commands(self, wire: Wire) -> str:
        self.server = await inspect(
            wire, self.where, self.server, recovery=self._manners.recovery, sharded=self._manners.sharded
        )
        await self._teach(wire)
        self._commands = wire
        self._compare(wire, self._reader)
        self._owner.changed(self, None)
        try:
            return await asyncio.shield(wire.closed)
        finally:
            self._commands = None

    async def _teach(self, wire: Wire) -> None:
        """
        Load the scripts that the server does not know: after a break it knows all of them.
        """
        scripts = self._manners.scripts
        known = await wire.ask("SCRIPT", "EXISTS", *(script.sha for script in scripts)) if scripts else []
        if isinstance(known, ReplyError):
            known = [0] * len(scripts)
        missing = [script for script, there in zip(scripts, known, strict=True) if not there]
        for loaded in wire.send([("SCRIPT", "LOAD", script.text) for script in missing]):
            reply = await loaded
            if isinstance(reply, ReplyError):
                logger.debug("a script is not loaded in advance: %s", reply)

    async def _serve_reader(self, reader: Reader) -> str:
        await identify(reader, self.where)
        self._confirmed.clear()
        # The others are subscribed by those who wait for them, and who have to know if that is refused.
        again = [channel for channel, before in self._channels.items() if before]
        await self._confirm(reader, again)
        self._reader = reader
        self._reader_stands.set()
        self._compare(reader, self._commands)
        if again:
            self._owner.hole(again, self._problem)
        self._owner.changed(self, None)
        try:
            return await asyncio.shield(reader.closed)
        finally:
            self._reader = None
            if not self._closed:
                self._reader_stands.clear()

    def _compare(self, newer: Wire, older: Wire | None) -> None:
        if older is not None and newer.identity and older.identity not in {"", newer.identity}:
            older.abort("the master is another server now")
