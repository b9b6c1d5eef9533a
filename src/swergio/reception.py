"""What a component does with what comes.

The way of a message in: `Reception.delivered` (called by the transport, on the loop) decodes the columns of its batch.
Replies go to their requests at once. Feedback goes to the ledger of the passes. Everything else goes to the taps of
its room (iterators, the sinks of processes) and, through the dispatcher, to the handlers of its room and type. When
the last of them is done with a batch, its credit goes back to the transport.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from swergio.dispatch import Dispatcher, Handler, Work, by_lane
from swergio.errors import NoMembers, ProtocolError, SwergioError
from swergio.messages import Instance, Kind, Message, MessageType
from swergio.presence import Watchers
from swergio.received import Received
from swergio.reports import PassesReport
from swergio.requests import Requests
from swergio.stats import Stats
from swergio.transport import Inbound, Loss, Member, Transport

log = logging.getLogger("swergio.component")


class Tap(Protocol):
    """
    Something that reads a room beside the handlers, on the loop's thread.
    """

    def take(self, received: Received) -> bool:
        """
        Take a batch; true if `Reception.release` will be called for it later.
        """

    def end(self) -> None:
        """
        Nothing will come any more.
        """


class Feedback(Protocol):
    """
    The ledger of the passes, as far as messages are handed to it.
    """

    def route(self, received: Received) -> Sequence[Work]:
        """
        Say what is to be done with a batch of feedback.
        """

    def presence(self, room: str, member: Member, joined: bool) -> None:
        """
        Somebody joined or left a room that is watched.
        """

    async def opened(self) -> None:
        """
        The component is connected and in the rooms of its handlers.
        """

    def connected(self, *, resumed: bool) -> None:
        """
        The connection is back; what happened meanwhile was not told.
        """

    def closed(self, error: SwergioError) -> None:
        """
        The component cannot be used any more, which ``error`` says.
        """

    def listened_to(self, *, anybody: bool) -> None:
        """
        Begin to take times, as somebody reads what the component tells of itself, or cease to.
        """

    def told(self) -> PassesReport | None:
        """
        Return what is to be told of the passes now; None if there are none.
        """


class Reception(ABC):
    """
    The half of a component that takes what comes: the `Events` of its transport.

    Attributes:
        handlers: By room and type, in the order of their registration; type None is for all others.
        taps: What reads a room beside the handlers.
        refusal: Why the component cannot be used now; None if it can.
        crash: What ended it, to be raised by ``run``.
        stop: Has ``run`` return.
        linked: Its connection stands, as far as is known.
    """

    transport: Transport
    dispatcher: Dispatcher
    loop: asyncio.AbstractEventLoop

    def __init__(self, instance: Instance, refusal: SwergioError, *, raise_errors: bool) -> None:
        self.instance = instance
        self.stats = Stats()
        self.handlers: dict[tuple[str, str | None], tuple[Handler, ...]] = {}
        self.loss_handlers: tuple[Handler, ...] = ()
        self.taps: dict[str, list[Tap]] = {}
        self.requests = Requests(instance)
        self.watchers = Watchers(self)
        self.feedback: Feedback | None = None
        self.refusal: SwergioError | None = refusal
        self.crash: BaseException | None = None
        self.stop: Callable[[], None] = lambda: None
        self._raise_errors = raise_errors
        self.linked = True
        self._handed = 0  # messages, to handlers

    @abstractmethod
    def answer(self, message: Message, data: Any, type: str, kind: Kind) -> None:
        """
        Send a reply or feedback to the sender of a message.
        """

    @abstractmethod
    def report(self, type: str, data: Mapping[str, Any]) -> None:
        """
        Send to the logging room.
        """

    @property
    def waiting(self) -> int:
        """
        How many messages were handed to handlers that have not finished with them.
        """
        return self._handed - self.stats.handled

    # -- taps -----------------------------------------------------------------------------------------------------

    def add_tap(self, room: str, tap: Tap) -> None:
        """
        Have a tap read a room. On the loop.
        """
        self.taps.setdefault(room, []).append(tap)

    def remove_tap(self, room: str, tap: Tap) -> None:
        """
        End what `add_tap` began.
        """
        self.taps[room].remove(tap)

    def _end_taps(self, error: SwergioError) -> None:
        self.watchers.close()
        if self.feedback is not None:
            self.feedback.closed(error)
        for taps in self.taps.values():
            for tap in taps:
                tap.end()

    # -- Events, on the loop --------------------------------------------------------------------------------------

    def delivered(self, inbound: Inbound) -> None:
        """
        Hand a batch to whoever it is for.
        """
        try:
            received = Received(inbound, self.answer)
        except ProtocolError as exc:
            log.error("dropped %d messages of %s in %r: %s", inbound.count, inbound.sender, inbound.room, exc)
            self.lost(Loss(inbound.room, inbound.sender, inbound.count, f"malformed: {exc}"))
            self.transport.consumed(inbound.receipt)
            return
        self.stats.received += received.count
        self.stats.received_bytes += received.size
        received.holders = 1
        if received.kind in (Kind.REPLY, Kind.FAILED_REPLY) and received.to is not None and not received.lossy:
            self.requests.resolve(received)
        else:
            self._hand_out(received)
        self.release(received)

    def _hand_out(self, received: Received) -> None:
        taken = False
        for tap in self.taps.get(received.room, ()):
            taken = True
            if tap.take(received):
                received.holders += 1
        if received.kind in (Kind.FEEDBACK, Kind.FAILED_FEEDBACK) and self.feedback is not None and not received.lossy:
            for work in self.feedback.route(received):
                received.holders += 1
                # Nearly always the items are a tuple of one, and a class is compared where a call would cost more.
                self._handed += 1 if work.items.__class__ is tuple else len(work.items)
                self.dispatcher.submit(work)
            return
        handlers = self.handlers_for(received.room, received.type)
        if handlers:
            for same_lane in by_lane(handlers):
                received.holders += 1
                self._handed += received.count
                self.dispatcher.submit(Work(same_lane, received, range(received.count), same_lane[0].is_async))
        elif not taken:
            self.stats.unhandled += received.count

    def handlers_for(self, room: str, type: str) -> tuple[Handler, ...]:
        """
        Return the handlers of a room and type, in the order in which they were registered.
        """
        return self.handlers.get((room, type)) or self.handlers.get((room, None)) or ()

    def release(self, received: Received) -> None:
        """
        One of those who held a batch is done with it. On the loop.
        """
        received.holders -= 1
        if not received.holders:
            self.transport.consumed(received.receipt)

    def _work_done(self, work: Work) -> None:
        if work.received is not None:
            self.stats.handled += len(work.items)
            self.release(work.received)

    def lost(self, loss: Loss) -> None:
        """
        Report messages that will never come.
        """
        self.stats.lost += loss.count
        log.warning("%s: %s", self.instance, loss)
        if self.loss_handlers:
            for same_lane in by_lane(self.loss_handlers):
                self.dispatcher.submit(Work(same_lane, None, (loss,), same_lane[0].is_async))

    def dropped(self, room: str, count: int) -> None:
        """
        Count what a lossy membership skipped.
        """
        self.stats.dropped += count

    def undeliverable(self, channel: int, first: int, count: int, reason: str) -> None:
        """
        Fail the requests, and count the direct messages, that reached nobody.
        """
        self.stats.undeliverable += count
        self.requests.undeliverable(channel, first, count)
        log.info("%s: %d messages were not delivered: %s", self.instance, count, reason)

    def presence(self, room: str, member: Member, joined: bool) -> None:
        """
        Tell the passes, and those who watch, who came and went.
        """
        if self.feedback is not None:
            self.feedback.presence(room, member, joined)
        self.watchers.presence(room, member, joined)

    def connected(self, *, resumed: bool) -> None:
        """
        Count it.
        """
        self.linked = True
        if self.refusal is None:
            self.stats.reconnects += 1
            if self.feedback is not None:
                self.feedback.connected(resumed=resumed)
            self.watchers.connected()
            log.info("%s is connected again%s", self.instance, "" if resumed else ", to a new hub")

    def disconnected(self, reason: str) -> None:
        """
        Say so; the transport connects again by itself.
        """
        self.linked = False
        if self.refusal is None:
            log.info("%s lost its connection: %s", self.instance, reason)

    def failed(self, error: SwergioError) -> None:
        """
        The connection will not come back: refuse what is called from now on.
        """
        log.error("%s: %s", self.instance, error)
        self.refusal = error
        self.crash = error
        self.requests.fail_all(lambda room: NoMembers(room, 0))
        self._end_taps(error)
        self.stop()

    # -- handlers that raise --------------------------------------------------------------------------------------

    def handler_failed(self, item: Any, exc: Exception) -> None:
        """
        Report an exception of a handler and go on, or stop if that was asked for.
        """
        self.stats.failed += 1
        text = f"{type(exc).__name__}: {exc}"
        where: dict[str, Any] = {"level": "error", "error": text, "component": self.instance.name}
        if isinstance(item, Message):
            log.error("%s failed on message %s in %r", self.instance, item.id, item.room, exc_info=exc)
            where.update(message=item.id, room=item.room)
            if item.kind is Kind.REQUEST:
                self._report_back(item, text)
        else:
            log.error("%s failed on %s", self.instance, item, exc_info=exc)
        self.report(MessageType.LOG_MESSAGES, where)
        if self._raise_errors and self.crash is None:
            self.crash = exc
            self.stop()

    def _report_back(self, message: Message, text: str) -> None:
        try:
            self.answer(message, text, message.type, Kind.FAILED_REPLY)
        except SwergioError as exc:
            log.error("%s could not tell %s: %s", self.instance, message.sender, exc)
