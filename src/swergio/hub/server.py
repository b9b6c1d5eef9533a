"""The hub: a thin asyncio server around the router. It accepts links, moves packets, and watches over liveness."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from swergio.codec.frames import Op, Packet, encode, parse
from swergio.errors import ProtocolError
from swergio.hub.link import HEADROOM, MOMENT, Link, LinkOptions, Listener
from swergio.hub.router import Refused, Router
from swergio.hub.sessions import Session
from swergio.transport import find

if TYPE_CHECKING:
    from swergio.settings import Settings

log = logging.getLogger("swergio.hub")

HELLO_TIMEOUT = 5.0
MAX_STRANGERS = 128
ACKNOWLEDGE_DELAY = 0.02
CLOSE_TIMEOUT = 3.0
TICK = 1.0


class Connection:
    """
    One accepted link, before and after its component said who it is.
    """

    __slots__ = ("_hub", "link", "sent_at", "session", "since")

    def __init__(self, hub: Hub, link: Link, now: float) -> None:
        self._hub = hub
        self.link = link
        self.since = now
        self.sent_at = now
        self.session: Session | None = None

    def packet_received(self, packet: Packet) -> None:
        """
        Hand the frames to the router; whatever is wrong with them ends this connection only.
        """
        try:
            self._take(packet)
        except Refused as refusal:
            log.info("refused %s: %s", self.link.peer, refusal)
            self.link.send(encode(Op.REFUSE, refusal.code, str(refusal)))
            self.link.close(str(refusal)[:120])
        except ProtocolError as exc:
            log.warning("closing %s: %s", self.link.peer, exc)
            self.link.send(encode(Op.REFUSE, "protocol", str(exc)[:1000]))
            self.link.close(str(exc)[:120])
        self._hub.flush_soon()

    def _take(self, packet: Packet) -> None:
        router = self._hub.router
        router.directory.now = self.link.received_at
        if self.session is not None:
            if self.session.link is self:
                router.receive_packet(self.session, packet)
        else:
            frames = parse(packet)
            first = next(frames, None)
            if first is None:
                raise ProtocolError("an empty packet")
            self.session, old = router.greet(self, first)
            self._hub.greeted(self, old)
            for frame in frames:
                router.receive(self.session, frame)
        if not self.session.alive:
            self.link.close("bye")

    def writable_again(self) -> None:
        """
        Go on writing.
        """
        if self.session is not None:
            self._hub.pump(self)

    def link_lost(self, reason: str, *, final: bool = False) -> None:
        """
        Expect the component back for a while.
        """
        log.debug("lost %s: %s", self.link.peer, reason)
        self._hub.lost(self)


class Hub:
    """
    Holds the rooms of one deployment and serves them on one or more URLs.

    Example::

        hub = Hub(settings.load(), authorize=lambda token: True)
        await hub.start(["ws://127.0.0.1:8000"])
        ...
        await hub.stop()

    Args:
        settings: Limits and times; ``settings.hub`` are the hub's own.
        authorize: Whether a connection that shows this token (or None) may come in.
    """

    def __init__(self, settings: Settings, authorize: Callable[[str | None], bool] = lambda token: True) -> None:
        self._settings = settings
        self._authorize = authorize
        self._listeners: list[Listener] = []
        self._connections: set[Connection] = set()
        self._strangers: set[Connection] = set()
        self._waiting = False
        self._wrote_at = 0.0
        self._lazy_timer: asyncio.TimerHandle | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._emptied: asyncio.Future[None] | None = None
        self.idle_since = 0.0

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self, urls: Sequence[str]) -> list[str]:
        """
        Listen on every URL; return them with the ports that were taken.

        Raises:
            ConfigurationError: a URL cannot be listened on, or not safely.
            OSError: the address is not free.
        """
        self._loop = asyncio.get_running_loop()
        limits = self._settings.hub
        self.idle_since = self._due = now = self._loop.time()
        self.router = Router(
            room_limit=limits.room_limit,
            memory_limit=limits.memory_limit,
            history_limit=limits.history_limit,
            window=self._settings.window,
            max_packet=self._settings.max_message + HEADROOM,
            patience=self._settings.dead_after,
            grace=limits.session_grace,
            group_grace=limits.group_grace,
            max_sessions=limits.max_sessions,
            shared_memory=limits.shared_memory,
            now=now,
        )
        options = self._options()
        try:
            for url in urls:
                self._listeners.append(await find(url).listen(url, self._accept, options))
        except BaseException:
            await self.stop()
            raise
        self._tick()
        return self.urls

    def _options(self) -> LinkOptions:
        settings, limits = self._settings, self._settings.hub
        return LinkOptions(
            token=settings.token.get_secret_value() if settings.token else None,
            authorize=self._authorize,
            max_packet=settings.max_message + HEADROOM,
            tls_ca=str(settings.tls_ca) if settings.tls_ca else None,
            tls_cert=str(settings.tls_cert) if settings.tls_cert else None,
            tls_key=str(settings.tls_key) if settings.tls_key else None,
            curve_key=str(settings.curve_key) if settings.curve_key else None,
            curve_clients=str(limits.curve_clients) if limits.curve_clients else None,
            insecure=limits.insecure,
            origins=tuple(limits.origins),
            websocket=settings.websocket,
        )

    @property
    def urls(self) -> list[str]:
        """
        What components can connect to.
        """
        return [listener.url for listener in self._listeners]

    @property
    def connected(self) -> int:
        """
        How many links there are; if there is none, ``idle_since`` says since when.
        """
        return len(self._connections)

    async def stop(self) -> None:
        """
        Stop listening, tell the components that the hub goes away, and close their links.
        """
        for timer in (self._ticker, self._lazy_timer):
            if timer is not None:
                timer.cancel()
        for listener in self._listeners:
            await listener.close()
        for connection in list(self._connections):
            self.pump(connection)
            connection.link.send(encode(Op.BYE))
            connection.link.close("the hub goes away")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._nobody_left()
        for connection in list(self._connections):
            connection.link.abort()
        self.router.lender.close()

    async def _nobody_left(self) -> None:
        self._emptied = self._loop.create_future()
        if self._connections:
            await self._emptied

    # -- links ----------------------------------------------------------------------------------------------------

    def _accept(self, link: Link) -> Connection:
        connection = Connection(self, link, self._loop.time())
        self._connections.add(connection)
        self._strangers.add(connection)
        if len(self._strangers) > MAX_STRANGERS:
            log.warning("more than %d connections that have not said who they are; closing one", MAX_STRANGERS)
            self._loop.call_soon(connection.link.abort)
        return connection

    def greeted(self, connection: Connection, old: Connection | None) -> None:
        """
        A component said who it is; ``old`` is the link that it had before.
        """
        self._strangers.discard(connection)
        if old is not None:
            old.session = None
            old.link.abort()

    def lost(self, connection: Connection) -> None:
        """
        A link is gone.
        """
        self._connections.discard(connection)
        self._strangers.discard(connection)
        if not self._connections and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)
        if connection.session is not None:
            self.router.detach(connection.session, connection)
        if not self._connections:
            self.idle_since = self._loop.time()

    # -- writing --------------------------------------------------------------------------------------------------

    def flush_soon(self) -> None:
        """
        Write what there is, or at the end of this turn of the loop if something was written a moment ago.
        """
        if self.router.dirty and not self._waiting:
            if perf_counter() - self._wrote_at < MOMENT:
                self._waiting = True
                self._loop.call_soon(self._write_rest)
            else:
                self._flush()
        if self.router.lazy and self._lazy_timer is None:
            self._lazy_timer = self._loop.call_later(ACKNOWLEDGE_DELAY, self._flush_lazy)

    def _write_rest(self) -> None:
        self._waiting = False
        self._flush()

    def _flush(self) -> None:
        dirty, self.router.dirty = self.router.dirty, {}
        for session in dirty:
            if session.link is not None:
                self.pump(session.link)
        self._wrote_at = perf_counter()

    def _flush_lazy(self) -> None:
        self._lazy_timer = None
        lazy, self.router.lazy = self.router.lazy, {}
        for session in lazy:
            session.due = True
        self.router.dirty.update(lazy)
        self._flush()

    def pump(self, connection: Connection) -> None:
        """
        Write to a link while it takes more and there is more.
        """
        session, link = connection.session, connection.link
        if session is None or session.link is not connection:
            return
        if session.control and self.router.overrun(session):
            log.warning("%s does not read what it is told; closing its link", session.instance)
            link.abort()
            return
        while (session.ready or session.control or session.due) and link.writable:
            packet = self.router.collect(session)
            if not packet:
                break
            connection.sent_at = self.router.directory.now
            link.send(packet)

    # -- time -----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = self._loop.time()
        pace = min(TICK, self._settings.heartbeat / 2)
        late = now - self._due > pace  # this process was held up, so that silence of others proves nothing
        self.router.tick(now)
        for connection in list(self._connections):
            self._look_after(connection, now, late)
        if self._connections:
            self.idle_since = now
        self.flush_soon()
        self._due = now + pace
        self._ticker = self._loop.call_later(pace, self._tick)

    def _look_after(self, connection: Connection, now: float, late: bool) -> None:
        link = connection.link
        if connection.session is None:
            if now - connection.since > HELLO_TIMEOUT:
                link.abort()
        elif now - link.received_at > self._settings.dead_after and not late:
            log.warning("%s has been silent for %.0f s; closing its link", link.peer, now - link.received_at)
            link.abort()
        elif now - connection.sent_at >= self._settings.heartbeat:
            connection.sent_at = now
            link.send(encode(Op.BEAT))
