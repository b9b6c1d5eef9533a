"""The rooms' way to Redis: scripts, commands and subscriptions, wherever the keys are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from hiredis import ReplyError

from swergio.errors import ConnectFailed, SwergioError
from swergio.settings import Settings
from swergio_transports.redis.address import Place, parse
from swergio_transports.redis.calls import Call, Command, Script, Word
from swergio_transports.redis.dialing import Identity
from swergio_transports.redis.errors import BrokerLost, BrokerRefused, translated
from swergio_transports.redis.limits import LARGEST
from swergio_transports.redis.node import Manners, Node

logger = logging.getLogger("swergio.redis")


class ReaderEvents(Protocol):
    """
    What a broker tells the rooms, always on the loop's thread. None of these may raise or block.
    """

    def came(self, channel: bytes, data: bytes) -> None:
        """
        A message was published.
        """

    def hole(self, channels: Sequence[bytes], reason: str) -> None:
        """
        Channels are subscribed again after a break; what was published there meanwhile is gone.
        """

    def lost(self, reason: str) -> None:
        """
        A connection broke. Commands fail until it is back; subscriptions wait.
        """

    def back(self, identity: str) -> None:
        """
        All connections stand, the first time too. ``identity`` is another after a restart or a failover.
        """

    def failed(self, error: SwergioError) -> None:
        """
        It gave up for good: a refused password, for example. Said after `Broker.connect` returned only.
        """


class Broker:
    """
    The connections to one deployment. All calls on the loop's thread.

    Args:
        settings: The URL, who we are, TLS, timeouts.
        events: Whom to tell what comes in.
        name: What the servers show for our connections.
        scripts: What is going to be run; servers are told in advance.
    """

    def __init__(
        self, settings: Settings, events: ReaderEvents, *, name: str = "swergio", scripts: Sequence[Script] = ()
    ) -> None:
        self._settings = settings
        self._events = events
        self._address = parse(settings.url or "")
        password = settings.token.get_secret_value() if settings.token else None
        who = Identity(name, settings.username, password, None, self._address.database)
        manners = Manners(who, settings.heartbeat, settings.dead_after, scripts=tuple(scripts))
        self._node = Node(self._find, manners, self)
        self._first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._problem = "no answer"
        self._stands = False

    # -- life -----------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """
        Connect, within ``connect_timeout``; once it returned, connections are kept until `close`.

        Raises:
            AccessRefused: The user or the password is not accepted.
            IncompatiblePeer: The server is too old.
            ConnectFailed: The server is not there; with the reason of the last try.
        """
        self._node.start()
        timeout = self._settings.connect_timeout
        try:
            async with asyncio.timeout(timeout):
                await self._first
        except TimeoutError:
            await self.close()
            reason = f"{self._problem}, within {timeout:g} s (the setting 'connect_timeout'). Is the server running?"
            raise ConnectFailed(str(self._address), reason) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """
        Release everything. What waits ends with `BrokerLost`.
        """
        self._first.cancel()
        await self._node.close()

    @property
    def identity(self) -> str:
        """
        Of this run of the server; another after a restart or a failover.
        """
        return self._node.server.identity if self._node.server else ""

    @property
    def max_body(self) -> int:
        """
        Bytes of the largest argument that the server takes.
        """
        return self._node.server.max_body if self._node.server else LARGEST

    # -- commands -------------------------------------------------------------------------------------------------

    async def run(self, script: Script, keys: Sequence[bytes], args: Sequence[Word] = ()) -> Any:
        """
        Run a script on the node of its keys, which are of one slot. Nothing is tried again if the connection breaks.

        Raises:
            BrokerLost: The connection is not there, or broke: it may have run.
            BrokerRefused: The server answered with an error.
        """
        return await self._one(Call(script, keys, args))

    async def ask(self, key: bytes, *words: Word) -> Any:
        """
        Run one plain command on the node of ``key``; raises as `run`.
        """
        return await self._one(Command(key, words))

    async def _one(self, call: Call | Command) -> Any:
        (reply,) = await self.run_all([call])
        if isinstance(reply, BrokerRefused):
            raise reply
        return reply

    async def run_all(self, calls: Sequence[Call | Command]) -> list[Any | BrokerRefused]:
        """
        Run all in their order, in one round trip for each node; errors of the server are in the list.

        Order holds for the calls of one node, but for scripts that the server has forgotten: they run after the
        others. That cannot be before a ``SCRIPT FLUSH``, as servers are told all scripts in advance.

        Raises:
            BrokerLost: A connection is not there, or broke, or a server cannot serve now: any of them may have run.
        """
        replies = await self._exchange(calls)
        unknown = [at for at, reply in enumerate(replies) if _is(reply, "NOSCRIPT")]
        if unknown:
            again = await self._exchange([calls[at] for at in unknown], whole=True)
            for at, reply in zip(unknown, again, strict=True):
                replies[at] = reply
        return [self._translated(reply) for reply in replies]

    async def _exchange(self, calls: Sequence[Call | Command], *, whole: bool = False) -> list[Any]:
        futures = self._node.send([call.words(whole=whole) for call in calls])
        return list(await asyncio.gather(*futures))

    def _translated(self, reply: Any) -> Any:
        if not isinstance(reply, ReplyError):
            return reply
        error = translated(reply)
        if isinstance(error, BrokerLost):
            raise error
        return error

    # -- subscriptions --------------------------------------------------------------------------------------------

    async def subscribe(self, *channels: bytes) -> None:
        """
        Subscribe; all that is published after it returned comes in. Waits while the connection is away.

        Raises:
            BrokerRefused: The server does not allow it.
            BrokerLost: The broker was closed meanwhile.
        """
        await self._node.subscribe(channels)

    async def unsubscribe(self, *channels: bytes) -> None:
        """
        Cease to be subscribed; nothing of the channels comes in once it returned.
        """
        await self._node.unsubscribe(channels)

    # -- what nodes tell ------------------------------------------------------------------------------------------

    def came(self, channel: bytes, data: bytes) -> None:
        """
        Pass a message on.
        """
        self._events.came(channel, data)

    def hole(self, channels: Sequence[bytes], reason: str) -> None:
        """
        Pass it on.
        """
        self._events.hole(channels, reason)

    def changed(self, node: Node, problem: str | None) -> None:
        """
        Tell the rooms, if all connections stand now or one does not any more.
        """
        self._problem = problem or self._problem
        stood, self._stands = self._stands, node.stands
        if self._stands and not stood:
            if not self._first.done():
                self._first.set_result(None)
            self._events.back(self.identity)
        elif stood and not self._stands:
            self._events.lost(self._problem)

    def moved(self, node: Node, channel: bytes) -> None:
        """
        A single server keeps its channels.
        """

    def failed(self, error: SwergioError) -> None:
        """
        Tell who connects, or the rooms.
        """
        if isinstance(error, ConnectFailed):
            error.url = str(self._address)
        if self._first.done():
            self._events.failed(error)
        else:
            self._first.set_exception(error)

    async def _find(self) -> Place:
        return self._address.places[0]


def _is(reply: Any, code: str) -> bool:
    return isinstance(reply, ReplyError) and str(reply).startswith(code)
