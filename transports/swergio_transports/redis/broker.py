"""The rooms' way to Redis: scripts, commands and subscriptions, wherever the keys are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hiredis import ReplyError

from swergio.errors import ConnectFailed, SwergioError
from swergio.settings import Settings
from swergio_transports.redis.address import Address, Kind, parse
from swergio_transports.redis.calls import Call, Command, Script, Word
from swergio_transports.redis.cluster import Cluster
from swergio_transports.redis.deployment import Deployment, ReaderEvents
from swergio_transports.redis.dialing import Identity
from swergio_transports.redis.errors import BrokerLost, BrokerRefused, translated
from swergio_transports.redis.node import Manners
from swergio_transports.redis.single import Single
from swergio_transports.redis.tls import context_of
from swergio_transports.redis.wire import Landed

__all__ = ["Broker", "ReaderEvents"]


class Broker:
    """
    The connections to one deployment. All calls on the loop's thread.

    Args:
        settings: The URL, who we are, TLS, timeouts.
        events: Whom to tell what comes in.
        name: What the servers show for our connections.
        scripts: What is going to be run; servers are told in advance.

    Raises:
        ConfigurationError: The URL or a certificate cannot be used.
    """

    def __init__(
        self, settings: Settings, events: ReaderEvents, *, name: str = "swergio", scripts: Sequence[Script] = ()
    ) -> None:
        self._settings = settings
        self._events = events
        self.came = events.came
        self._address = parse(settings.url or "")
        self._first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        manners = _manners(settings, self._address, name, tuple(scripts))
        kind = Cluster if self._address.kind is Kind.CLUSTER else Single
        self._tasks: set[asyncio.Task[None]] = set()
        self._deployment: Deployment = kind(self._address, manners, self)

    # -- life -----------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """
        Connect, within ``connect_timeout``; once it returned, connections are kept until `close`.

        Raises:
            AccessRefused: The user or the password is not accepted.
            IncompatiblePeer: The server is too old.
            ConfigurationError: The server may throw away what rooms need.
            ConnectFailed: The server is not there; with the reason of the last try.
        """
        self._deployment.start()
        timeout = self._settings.connect_timeout
        try:
            async with asyncio.timeout(timeout):
                await self._first
        except TimeoutError:
            await self.close()
            problem = self._deployment.problem
            reason = f"{problem}, within {timeout:g} s (the setting 'connect_timeout'). Is the server running?"
            raise ConnectFailed(str(self._address), reason) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """
        Release everything. What waits ends with `BrokerLost`.
        """
        self._first.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._deployment.close()

    @property
    def identity(self) -> str:
        """
        Of the servers as they run now; another after a restart or a failover.
        """
        return self._deployment.identity

    @property
    def max_body(self) -> int:
        """
        Bytes of the largest argument that the server takes.
        """
        return self._deployment.max_body

    @property
    def pubsub_limit(self) -> int:
        """
        Bytes that may wait for a subscriber before the server cuts it off; 0: as much as it likes.
        """
        return self._deployment.pubsub_limit

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
        replies = await self._deployment.exchange(calls)
        await self._teach(calls, replies)
        return _checked(replies)

    def post(self, calls: Sequence[Call | Command], landed: Landed) -> None:
        """
        Run all as `run_all` does, and call ``landed`` with what that would return or raise.

        No task is made, and nobody has to be woken: the replies are handled in the callback that reads them.
        """

        def answered(replies: list[Any] | BrokerLost) -> None:
            if isinstance(replies, BrokerLost) or ReplyError not in map(type, replies):
                landed(replies)
            elif any(map(_unknown, replies)):
                task = asyncio.create_task(self._answer(calls, replies, landed), name="swergio redis scripts")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                landed(_checked_or_lost(replies))

        self._deployment.post(calls, answered)

    async def _answer(self, calls: Sequence[Call | Command], replies: list[Any], landed: Landed) -> None:
        try:
            await self._teach(calls, replies)
        except BrokerLost as exc:
            landed(exc)
        else:
            landed(_checked_or_lost(replies))

    async def _teach(self, calls: Sequence[Call | Command], replies: list[Any]) -> None:
        """
        Put the right replies in the place of those of a server that has forgotten our scripts.
        """
        unknown = [at for at, reply in enumerate(replies) if _unknown(reply)]
        if unknown:
            again = await self._deployment.exchange([calls[at] for at in unknown], whole=True)
            for at, reply in zip(unknown, again, strict=True):
                replies[at] = reply

    # -- subscriptions --------------------------------------------------------------------------------------------

    async def subscribe(self, *channels: bytes) -> None:
        """
        Subscribe; all that is published after it returned comes in. Waits while the connection is away.

        Raises:
            BrokerRefused: The server does not allow it.
            BrokerLost: The broker was closed meanwhile.
        """
        await self._deployment.subscribe(channels)

    async def unsubscribe(self, *channels: bytes) -> None:
        """
        Cease to be subscribed; nothing of the channels comes in once it returned.
        """
        await self._deployment.unsubscribe(channels)

    # -- what the deployment tells --------------------------------------------------------------------------------

    def hole(self, channels: Sequence[bytes], reason: str) -> None:
        """
        Pass it on.
        """
        self._events.hole(channels, reason)

    def lost(self, reason: str) -> None:
        """
        Pass it on.
        """
        self._events.lost(reason)

    def back(self, identity: str) -> None:
        """
        Tell who connects, too.
        """
        self._events.back(identity)
        if not self._first.done():
            self._first.set_result(None)

    def failed(self, error: SwergioError) -> None:
        """
        Tell who connects, or the rooms.
        """
        if isinstance(error, ConnectFailed):
            where, error.url = error.url, str(self._address)
            if where not in error.url:  # one of several, or one that a sentinel named
                error.reason = f"{where}: {error.reason}"
        if self._first.done():
            self._events.failed(error)
        else:
            self._first.set_exception(error)


def _manners(settings: Settings, address: Address, name: str, scripts: tuple[Script, ...]) -> Manners:
    password = settings.token.get_secret_value() if settings.token else None
    context = context_of(settings) if address.secure else None
    return Manners(
        Identity(name, settings.username, password, context, address.database),
        settings.heartbeat,
        settings.dead_after,
        recovery=settings.recovery,
        sharded=address.kind is Kind.CLUSTER,
        scripts=scripts,
    )


def _unknown(reply: Any) -> bool:
    return isinstance(reply, ReplyError) and str(reply).startswith("NOSCRIPT")


def _checked(replies: Sequence[Any]) -> list[Any]:
    checked = [translated(reply) if isinstance(reply, ReplyError) else reply for reply in replies]
    for reply in checked:
        if isinstance(reply, BrokerLost):
            raise reply
    return checked


def _checked_or_lost(replies: Sequence[Any]) -> list[Any] | BrokerLost:
    try:
        return _checked(replies)
    except BrokerLost as exc:
        return exc
