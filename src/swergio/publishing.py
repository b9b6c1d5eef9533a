"""A component tells what it counts, once a second, to those in the room ``_stats``, and does nothing while it is empty.

Theory of operation. Some time after it connected a component begins to watch ``_stats``: one question, after which the
deployment tells of joins and leaves. While nobody is there it measures nothing and sends nothing, so a thousand idle
components cost their hub nothing: sending all the same would be a thousand messages a second that nobody reads. When
somebody comes, the component reports at once, and then in its interval, a little irregularly so that the reports of
many components spread. No report is sent while the one before is not acknowledged, or without a connection: there is
never more than one in the outbox.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from swergio.messages import Instance, MessageType
from swergio.reports import STATS_ROOM, PassesReport, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from swergio.channels import Channel
    from swergio.codec.frames import Buffer
    from swergio.dispatch import Dispatcher
    from swergio.errors import SwergioError
    from swergio.outbox import Outbox
    from swergio.presence import Presence, Watchers
    from swergio.stats import Stats
    from swergio.transport import Transport

JITTER = 0.1  # of the interval, in either direction

# Not the global one: an application that seeds it draws the same with us and without.
_chance = random.Random()


class Counted(Protocol):
    """
    The passes, as far as they are told of.
    """

    def listened_to(self, *, anybody: bool) -> None:
        """
        Begin to take times, or cease to.
        """

    def told(self) -> PassesReport | None:
        """
        Return what is to be told now; None if the component takes part in no passes.
        """


class Owner(Protocol):
    """
    The component, as far as telling of it needs it.
    """

    instance: Instance
    refusal: SwergioError | None
    loop: asyncio.AbstractEventLoop
    outbox: Outbox
    transport: Transport
    dispatcher: Dispatcher
    watchers: Watchers
    feedback: Any
    linked: bool

    @property
    def waiting(self) -> int: ...  # noqa: D102  see `Reception`

    def collect_stats(self) -> Stats: ...  # noqa: D102  see `Core`

    def pack(self, data: Any) -> tuple[bytes, Sequence[Buffer]]: ...  # noqa: D102


class Publisher:
    """
    Tells of one component. On the loop.

    Args:
        core: The component.
        interval: Seconds between two reports; 0: there are none.
    """

    def __init__(self, core: Owner, interval: float) -> None:
        self._core = core
        self._interval = interval
        self._since = 0.0
        self._listeners: set[Instance] = set()
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """
        The component is connected. It looks for listeners an interval from now.

        Those that are gone by then, as ``swergio send`` is, need not ask at all.
        """
        self._since = time.monotonic()
        if self._interval and self._core.transport.guarantees.knows_members:
            self._later(self._watch)

    def _watch(self) -> None:
        self._timer = None
        self._core.watchers.follow(STATS_ROOM, self._changed)

    def _changed(self, change: Presence) -> None:
        if change.instance == self._core.instance:
            return
        before = bool(self._listeners)
        if change.joined:
            self._listeners.add(change.instance)
        else:
            self._listeners.discard(change.instance)
        anybody = bool(self._listeners)
        if anybody is not before:
            self._measure(anybody=anybody)
        if change.joined:
            self._publish()

    def _measure(self, *, anybody: bool) -> None:
        self._core.dispatcher.measure(wanted=anybody)
        if self._core.feedback is not None:
            self._core.feedback.listened_to(anybody=anybody)

    def _later(self, call: Callable[[], None]) -> None:
        pause = self._interval * _chance.uniform(1 - JITTER, 1 + JITTER)
        self._timer = self._core.loop.call_later(pause, call)

    def _publish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._listeners:
            self._send(closing=False)
            self._later(self._publish)

    def _send(self, *, closing: bool) -> None:
        core = self._core
        channel = core.outbox.channel_to(STATS_ROOM, None)
        if core.refusal is None and core.linked and (closing or channel.last == channel.acknowledged):
            body = self._report(channel, closing=closing).to_body()
            core.outbox.append(STATS_ROOM, None, MessageType.STATS, *core.pack(body))

    def _report(self, own: Channel, *, closing: bool) -> Report:
        core = self._core
        counts = core.collect_stats()
        handler_seconds, handling = core.dispatcher.measured()
        return Report(
            uptime=time.monotonic() - self._since,
            interval=self._interval,
            counts=replace(counts, sent=counts.sent - own.last, sent_bytes=counts.sent_bytes - own.bytes),
            handler_seconds=handler_seconds,
            handling=handling,
            outbox=core.outbox.unacknowledged,
            waiting=core.waiting,
            passes=None if core.feedback is None else core.feedback.told(),
            closing=closing,
        )

    def close(self) -> None:
        """
        The component is about to be closed: say so to those who listen.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._listeners:
            self._send(closing=True)
