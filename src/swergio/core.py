"""What both faces of a component share: its life, and the way out of what it sends.

`swergio.reception` is the other half: what happens with what comes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from swergio.channels import Channel
from swergio.codec.batch import encode_one
from swergio.codec.bodies import pack
from swergio.codec.frames import Buffer
from swergio.dispatch import Dispatcher
from swergio.errors import Backlog, ComponentClosed, HandlerFailed, MessageTooLarge, SwergioError, UsedAfterFork
from swergio.messages import Instance, Kind, Message, check_destination, check_open_room
from swergio.outbox import Outbox
from swergio.publishing import Publisher
from swergio.readiness import tell_ready
from swergio.reception import Reception
from swergio.stats import Stats
from swergio.transport import Context, Manner, Past, Will, find

if TYPE_CHECKING:
    from swergio.settings import Settings

log = logging.getLogger("swergio.component")

LOGGING_ROOM = "_logging"
MAX_WILL = 64 * 1024
JOINS = 32  # under way at once

Draft: TypeAlias = tuple[str, str | None, bytes]
"""Room, receiver and payload of a will."""


class Core(Reception):
    """
    One component instance. Made outside the loop; ``open`` binds it to one.

    Args:
        name: The component's name.
        settings: Its settings.
        unique: It wants to be the only one of its name.
        on_error: ``"log"`` or ``"raise"``.
    """

    def __init__(self, name: str, settings: Settings, *, unique: bool, on_error: str) -> None:
        not_yet = ComponentClosed(name, "be used", started=False)
        super().__init__(Instance.of(name), not_yet, raise_errors=on_error == "raise")
        self.settings = settings
        self.unique = unique
        self._max_message = settings.max_message
        self.rooms: dict[str, Manner] = {}
        self.pasts: dict[str, Callable[[], Past]] = {}
        self._good_rooms: set[str] = set()
        self._room_waiters: dict[Channel, list[asyncio.Future[None]]] = {}
        self._thread = 0  # of the loop, once there is one
        self._draft: Draft | None = None
        self.publisher = Publisher(self, settings.stats_interval)
        self.indicators: tuple[Callable[[dict[str, Any]], None], ...] = ()

    # -- life -----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """
        Connect, and join the rooms that handlers were registered for.
        """
        self.loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        settings = self.settings
        self.outbox = Outbox(settings.outbox_limit, settings.window, self._wake)
        self.outbox.drained = self._drained
        self.dispatcher = Dispatcher(self._work_done, self.handler_failed, self._reply, lambda: self.outbox.congested)
        url = settings.url or "ws://"
        self.transport = find(url)(Context(settings, self.instance, self.unique, self.outbox, self))
        refusal = self.refusal
        try:
            await self.transport.connect()
            self._max_message = min(settings.max_message, self.transport.max_message or settings.max_message)
            self.refusal = None  # handlers run, and answer, as soon as their room is joined
            if self._draft is not None:
                await self.transport.leave_will(self._written(*self._draft))
            await self.watchers.opened()
            await self._enter_all()
            if self.feedback is not None:
                await self.feedback.opened()
            self.publisher.open()
        except BaseException:
            self.refusal = self.refusal or refusal
            await self.dispatcher.stop()
            await self.transport.close()
            raise
        _opened.add(self)
        tell_ready(self.instance)

    async def _enter_all(self) -> None:
        # Each join is a round trip. They begin in the order of the rooms, and some are under way at once.
        rooms = iter(list(self.rooms.items()))

        async def enter_some() -> None:
            for room, manner in rooms:
                await self.transport.join(room, manner, self.pasts.get(room, Past)())

        tasks = [asyncio.create_task(enter_some()) for _ in range(min(len(self.rooms), JOINS))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def close(self) -> int:
        """
        Flush under ``close_timeout`` and disconnect; return how many messages are not acknowledged.
        """
        self.publisher.close()
        self.refusal = ComponentClosed(self.instance.name, "be used")
        self._end_taps(self.refusal)
        try:
            async with asyncio.timeout(self.settings.close_timeout):
                while self.outbox.unacknowledged:
                    await self.transport.ask("sync")
        except (TimeoutError, SwergioError):
            pass
        await self.dispatcher.stop()
        await self.transport.close()
        left = self.outbox.unacknowledged
        if left:
            log.warning("%s closed with %d messages not acknowledged; they may be lost", self.instance, left)
        self.requests.fail_all(lambda room: HandlerFailed(room, self.instance, "this component was closed"))
        return left

    async def enter(self, room: str, manner: Manner, past: Past) -> None:
        """
        Become a member of a room.
        """
        self.check()
        await self.transport.join(room, manner, past)
        self.rooms[room] = manner

    async def exit(self, room: str) -> None:
        """
        Cease to be a member of a room.
        """
        self.check()
        self.rooms.pop(room, None)
        await self.transport.leave(room)

    def collect_stats(self) -> Stats:
        """
        Return the counters, brought up to date.
        """
        stats = self.stats
        stats.late_replies = self.requests.late
        if self._thread:
            stats.sent = self.outbox.sent
            stats.sent_bytes = sum(channel.bytes for channel in self.outbox.channels)
            stats.resent = self.outbox.resent
            stats.duplicates = self.transport.duplicates
        return replace(stats)

    def check(self) -> None:
        """
        Raise if the component cannot be used now.
        """
        if self.refusal is not None:
            raise self.refusal

    def forked(self) -> None:
        """
        This is the copy in a forked process: whatever is called from now on is refused.
        """
        self.refusal = UsedAfterFork(self.instance.name, os.getppid(), os.getpid())

    # -- sending, from any thread ---------------------------------------------------------------------------------

    def prepare(self, room: str, data: Any) -> tuple[bytes, Sequence[Buffer]]:
        """
        Check that an application may send to the room now, and return the packed body, as `pack`.

        All in one: a Python call costs 0.1 µs, and this is done for each message.
        """
        if self.refusal is not None:
            raise self.refusal
        if room.__class__ is not str or room not in self._good_rooms:
            self._good_rooms.add(check_open_room(room))
        packed = pack(data, self.transport.reserve)
        if packed[1] or len(packed[0]) > self._max_message:
            self._check_size(packed)
        return packed

    def pack(self, data: Any) -> tuple[bytes, Sequence[Buffer]]:
        """
        Return the packed body; it is the value of this moment that travels.
        """
        packed = pack(data, None if self.refusal else self.transport.reserve)
        self._check_size(packed)
        return packed

    def _check_size(self, packed: tuple[bytes, Sequence[Buffer]]) -> None:
        body, segments = packed
        size = len(body) + sum(map(len, segments))
        if size > self._max_message:
            raise MessageTooLarge(size, self._max_message)

    def append(
        self, room: str, to: str | None, type: str, packed: tuple[bytes, Sequence[Buffer]], **how: Any
    ) -> tuple[Channel, int]:
        """
        Append to the outbox; a thread that is not the loop's waits while it is full.

        Raises:
            Backlog: it stayed full for ``send_timeout``, or is full and this is the loop's thread.
        """
        while True:
            self.check()
            channel, number = self.outbox.append(room, to, type, *packed, **how)
            if number:
                return channel, number
            self.wait_for_room(channel, room)

    def wait_for_room(self, channel: Channel, room: str) -> None:
        """
        Wait until the outbox takes more for the channel, as `append`.
        """
        on_loop = threading.get_ident() == self._thread
        seconds = 0.0 if on_loop else self.settings.send_timeout
        if on_loop or not self.outbox.wait(channel, seconds):
            raise Backlog(room, channel.stalled_by, seconds)

    async def room_made(self, channel: Channel, room: str, or_until: asyncio.Future[Any] | None = None) -> None:
        """
        Wait on the loop until the outbox takes more for the channel, or ``or_until`` is done.

        Raises:
            Backlog: neither happened for ``send_timeout``.
        """
        future = self.loop.create_future()
        self._room_waiters.setdefault(channel, []).append(future)
        waited_for = {future} if or_until is None else {future, or_until}
        seconds = self.settings.send_timeout
        done, _ = await asyncio.wait(waited_for, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise Backlog(room, channel.stalled_by, seconds)

    def _drained(self, channel: Channel) -> None:
        self.dispatcher.relieved()
        for future in self._room_waiters.pop(channel, ()):
            if not future.done():
                future.set_result(None)

    def _wake(self) -> None:
        if threading.get_ident() == self._thread:
            self.transport.wake()
            return
        try:
            self.loop.call_soon_threadsafe(self.transport.wake)
        except RuntimeError as exc:
            raise ComponentClosed(self.instance.name, "send") from exc

    def answer(self, message: Message, data: Any, type: str, kind: Kind) -> None:
        """
        Send a reply or feedback to the sender of a message; it belongs to the same pass.
        """
        self.append(
            message.room, message.sender, type, self.pack(data), kind=kind, phase=message.phase,
            root=message.root, parent=message.id,
        )  # fmt: skip

    def _reply(self, message: Message, data: Any) -> None:
        message.reply(data)

    def note_will(self, draft: Draft) -> None:
        """
        Have a message sent if this component is gone without closing, from when it is connected.
        """
        self._draft = draft

    async def leave_will(self, draft: Draft) -> None:
        """
        As `note_will`; in force when it returns, if the component is connected.
        """
        self.note_will(draft)
        if self.refusal is None:
            await self.transport.leave_will(self._written(*draft))

    def _written(self, room: str, to: str | None, payload: bytes) -> Will:
        return Will(room, to, self.outbox.reserve(room, to).number, payload)

    def draft(self, room: str, data: Any, type: str, to: str | None, meta: Mapping[str, Any] | None) -> Draft:
        """
        Write a will: what `leave_will` takes.

        Raises:
            InvalidName, UnsupportedBody, MessageTooLarge: as for any message.
        """
        check_open_room(room)
        check_destination(None if to else room, to)
        body, segments = self.pack(data)
        payload = encode_one(type, body, segments, meta)
        if len(payload) > MAX_WILL:
            raise MessageTooLarge(len(payload), MAX_WILL, "a will is short; send what is large before, and refer to it")
        return room, to, payload

    def indicator(self, name: str, value: float, **more: Any) -> dict[str, Any]:
        """
        Return the data of a ``LOG/KPI`` message, which those who look after this component's own KPIs get as well.
        """
        told = {"kpi": name, "value": float(value), "step": None, "component": self.instance.name} | more
        for look in self.indicators:
            look(told)
        return told

    def report(self, type: str, data: Mapping[str, Any]) -> None:
        """
        Send to the logging room, unless that is not possible now: reports hold nobody up.
        """
        if self.refusal is None:
            self.outbox.append(LOGGING_ROOM, None, type, *self.pack(data))


_opened: weakref.WeakSet[Core] = weakref.WeakSet()


def _after_fork() -> None:
    for core in list(_opened):
        core.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
