"""What the transports that go through a hub have in common: connecting, reconnecting, heartbeats and writing.

A concrete transport adds two functions: how to dial and how to listen.
"""

from __future__ import annotations

import asyncio
import logging
import random
from abc import abstractmethod
from time import perf_counter  # the time of uvloop stands still within a turn
from typing import Any, ClassVar

from swergio.errors import AccessRefused, ConfigurationError, ConnectFailed, ProtocolError, SwergioError
from swergio.hub.client import HubClient
from swergio.hub.link import HEADROOM, MOMENT, Accept, Link, LinkEvents, LinkOptions, Listener, Packet
from swergio.messages import Instance
from swergio.transport import NOTHING, Context, Manner, Member, Mode, Past, Transport, Will

# Not the global one: an application that seeds it draws the same with us and without.
_chance = random.Random()

log = logging.getLogger("swergio.link")

DIAL_TIMEOUT = 1.0
WELCOME_TIMEOUT = 5.0
MAX_PAUSE = 1.0
FIRST_PAUSE = 0.1  # again after a link that was welcomed; one that was only opened proves nothing
TICK = 1.0
MIN_HEARTBEAT = 0.1
REPORT_DELAY = 0.02
REPORT_COST = 1024 * 1024


class HubTransport(Transport):
    """
    A transport that reaches its rooms through a hub.

    Attributes:
        copies: What it sends is copied on its way, so that large batches rather go through shared memory.
    """

    copies: ClassVar[bool] = True

    def __init__(self, context: Context) -> None:
        self._settings = context.settings
        self._events = context.events
        shares = self.copies and context.settings.shared_memory
        self._client = HubClient(context.instance, context.unique, context.outbox, context.events, shares=shares)
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._lost: asyncio.Future[str] | None = None
        self._welcome: asyncio.Future[None] = self._loop.create_future()
        self._keeper: asyncio.Task[None] | None = None
        self._problem = "no answer"
        self._final: SwergioError | None = None
        self._waiting = False
        self._wrote_at = 0.0
        self._unreported = 0
        self._report_timer: asyncio.TimerHandle | None = None
        self._sent_at = self._due = self._loop.time()
        self._closing = False

    @classmethod
    @abstractmethod
    async def dial(cls, url: str, events: LinkEvents, options: LinkOptions) -> Link:
        """
        Connect to a hub.
        """

    @classmethod
    @abstractmethod
    async def listen(cls, url: str, accept: Accept, options: LinkOptions) -> Listener:
        """
        Accept links for a hub.
        """

    # -- connecting -----------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """
        Establish the first connection; see `Transport.connect`.
        """
        self._keeper = asyncio.create_task(self._keep_connected(), name="swergio link")
        waiting = {self._keeper, self._welcome}
        try:
            await asyncio.wait(waiting, timeout=self._settings.connect_timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not self._welcome.done() or self._final:
                self._keeper.cancel()
        if self._final is not None:
            raise self._final
        if not self._welcome.done():
            seconds = f"within {self._settings.connect_timeout:g} s (the setting 'connect_timeout')"
            question = ". Is the hub running?" if self._settings.url else ""
            raise ConnectFailed(self._where, f"{self._problem}, {seconds}{question}")

    @property
    def _where(self) -> str:
        return self._settings.url or "the hub of this user"

    async def _keep_connected(self) -> None:
        pause = FIRST_PAUSE
        while not self._closing:
            welcomes = self._client.welcomes
            try:
                await self._live()
            except (OSError, ConnectFailed) as exc:
                # The user's own hub may be another by the next try, with another token.
                if isinstance(exc, AccessRefused) and self._settings.url is not None:
                    self._final = exc
                self._problem = exc.reason if isinstance(exc, ConnectFailed) else str(exc) or type(exc).__name__
            except ConfigurationError as exc:
                self._final = exc
            self._final = self._final or self._client.refusal
            if self._final is not None:
                self._give_up(self._final)
                return
            if self._client.welcomes > welcomes:
                pause = FIRST_PAUSE
            log.debug("not connected to %s: %s", self._where, self._problem)
            await asyncio.sleep(_chance.uniform(0, pause))
            pause = min(2 * pause, MAX_PAUSE)

    async def _live(self) -> None:
        url, token = await self._address()
        self._lost = self._loop.create_future()
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                self._link = await self.dial(url, self, self._options(token))
        except TimeoutError as exc:
            raise ConnectFailed(url, f"no connection within {DIAL_TIMEOUT:g} s") from exc
        if self._lost.done():
            self._link = None
            raise ConnectFailed(url, self._lost.result())
        self._client.begin()
        self._pump()
        watch = self._loop.call_later(WELCOME_TIMEOUT, self._expect_welcome, self._link)
        ticker = asyncio.create_task(self._tick(), name="swergio heartbeat")
        try:
            self._problem = await self._lost
        finally:
            watch.cancel()
            ticker.cancel()
            link, self._link = self._link, None
            if self._lost.cancelled():  # with the task that waited for it
                link.abort()

    async def _address(self) -> tuple[str, str | None]:
        if self._settings.url is None:
            from swergio.hub.ondemand import locate

            return await asyncio.to_thread(locate, self._settings)
        token = self._settings.token
        return self._settings.url, token.get_secret_value() if token else None

    def _options(self, token: str | None) -> LinkOptions:
        settings = self._settings
        return LinkOptions(
            token=token,
            max_packet=settings.max_message + HEADROOM,
            tls_ca=str(settings.tls_ca) if settings.tls_ca else None,
            tls_cert=str(settings.tls_cert) if settings.tls_cert else None,
            tls_key=str(settings.tls_key) if settings.tls_key else None,
            curve_key=str(settings.curve_key) if settings.curve_key else None,
            curve_hub=str(settings.curve_hub) if settings.curve_hub else None,
            websocket=settings.websocket,
        )

    def _expect_welcome(self, link: Link) -> None:
        if not self._client.welcomed:
            self._problem = f"no welcome within {WELCOME_TIMEOUT:g} s"
            link.abort()

    def _give_up(self, error: SwergioError) -> None:
        if isinstance(error, ConnectFailed):
            error.url = self._where
        if self._welcome.done():
            self._events.failed(error)

    # -- events of the link ---------------------------------------------------------------------------------------

    def packet_received(self, packet: Packet) -> None:
        """
        Take what came, and write what follows from it.
        """
        try:
            self._client.receive(packet)
        except (ProtocolError, ValueError, TypeError, KeyError) as exc:
            log.error("the hub sent what cannot be understood; connecting again: %s", exc)
            if self._link is not None:
                self._link.abort()
            return
        if self._client.welcomed and not self._welcome.done():
            self._welcome.set_result(None)
        if self._client.has_more(report=self._report_timer is None):
            self.wake()

    def writable_again(self) -> None:
        """
        Go on writing.
        """
        self._pump()

    def link_lost(self, reason: str, *, final: bool = False) -> None:
        """
        Connect again, unless the other end said that this is useless.
        """
        if final and self._final is None:
            self._final = AccessRefused(self._where, reason)
        was_welcomed = self._client.welcomed
        self._client.end()
        if was_welcomed:
            self._events.disconnected(reason)
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)

    # -- writing --------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """
        Write at once, or at the end of this turn of the loop if something was written a moment ago.

        So a lone message does not wait, and costs the loop no further turn; many messages make few packets.
        """
        if self._waiting:
            return
        if perf_counter() - self._wrote_at < MOMENT:
            self._waiting = True
            self._loop.call_soon(self._write_rest)
        else:
            self._pump()

    def _write_rest(self) -> None:
        self._waiting = False
        self._pump()

    def _pump(self) -> None:
        link = self._link
        while link is not None and link.writable:
            packet = self._client.collect(report=self._report_timer is None)
            if not packet:
                break
            self._sent_at = self._loop.time()
            link.send(packet)
            self._wrote_at = perf_counter()
            if not self._client.has_more(report=False):
                break

    async def _tick(self) -> None:
        now = self._loop.time()
        while True:
            # Often enough for the hub too, whose settings may be others.
            heartbeat = min(self._settings.heartbeat, max(MIN_HEARTBEAT, self._client.patience / 3))
            pace = min(TICK, heartbeat / 2)
            self._due = now + pace
            await asyncio.sleep(pace)
            now = self._loop.time()
            late = now - self._due > pace  # this loop was held up, so that silence of the hub proves nothing
            link = self._link
            if link is None:
                return
            if now - link.received_at > self._settings.dead_after and not late:
                link.abort()
            elif now - self._sent_at >= heartbeat:
                self._client.beat()
                self._pump()

    # -- Transport ------------------------------------------------------------------------------------------------

    @property
    def duplicates(self) -> int:
        """
        See `Transport.duplicates`.
        """
        return self._client.reader.duplicates

    @property
    def max_message(self) -> int | None:
        """
        See `Transport.max_message`: a packet that the hub does not take would end every link that it is sent on.
        """
        return max(1, self._client.max_packet - HEADROOM) if self._client.max_packet else None

    def reserve(self, size: int) -> memoryview | None:
        """
        See `Transport.reserve`: memory that the hub sees.
        """
        return self._client.reserve(size)

    async def join(self, room: str, manner: Manner, past: Past = NOTHING) -> None:
        """
        See `Transport.join`.
        """
        mode, echo, group = manner
        await self._ask(
            "join", (room, str(mode), echo, group, *past), lambda value: self._client.reader.joined(room, manner, value)
        )

    async def leave(self, room: str) -> None:
        """
        See `Transport.leave`.
        """
        self._client.reader.left(room)
        await self._ask("leave", (room,))

    async def ask(self, verb: str, *arguments: Any) -> Any:
        """
        See `Transport.ask`.
        """
        if verb in ("watch", "unwatch"):
            self._client.watching(arguments[0], verb == "watch")
        if verb == "sync":
            self._pump()  # what was queued before goes out before the question
        value = await self._ask(verb, arguments)
        if verb in ("members", "watch", "unwatch"):
            return [Member(Instance(instance), Mode(mode), group) for instance, mode, group in value]
        return value

    async def _ask(self, verb: str, arguments: tuple[Any, ...], take: Any = None) -> Any:
        future: asyncio.Future[Any] = self._loop.create_future()

        def answer(value: Any, error: str | None) -> None:
            if error is None and take is not None:
                take(value)
            if not future.done():
                if error is None:
                    future.set_result(value)
                else:
                    future.set_exception(ConnectFailed(self._where, error))

        question = self._client.ask(verb, arguments, answer)
        self.wake()
        try:
            return await future
        finally:
            self._client.forget(question)

    def consumed(self, receipt: Any) -> None:
        """
        See `Transport.consumed`. Reported at once after half a window (a mebibyte at least), else within 20 ms.
        """
        self._client.reader.consumed(receipt)
        self._unreported += receipt[2]
        if self._unreported >= REPORT_COST and self._unreported >= self._client.window // 2:
            self._report()
        elif self._report_timer is None:
            self._report_timer = self._loop.call_later(REPORT_DELAY, self._report)

    def _report(self) -> None:
        if self._report_timer is not None:
            self._report_timer.cancel()
            self._report_timer = None
        self._unreported = 0
        self._pump()

    def withdraw(self, channel: int, number: int) -> None:
        """
        See `Transport.withdraw`.
        """
        self._client.withdraw(channel, number)
        self.wake()

    async def leave_will(self, will: Will | None) -> None:
        """
        See `Transport.leave_will`.
        """
        self._client.leave_will(will)
        # Frames are taken in their order: whatever is asked behind it is answered when the will is in force. ``sync``
        # would wait for what is parked too, such as a request that finds nobody.
        await self._ask("members", ("_",))

    async def close(self) -> None:
        """
        See `Transport.close`.
        """
        self._closing = True
        if self._report_timer is not None:
            self._report_timer.cancel()
        link = self._link
        if link is not None and self._lost is not None:
            self._client.bye()
            self._pump()
            link.close("bye")
            await asyncio.wait({self._lost}, timeout=1.0)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
