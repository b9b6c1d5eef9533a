"""The passes of one component: what it sent forward, who is there to answer, and where feedback is handed.

There are two ledgers. One holds the messages that the component's nodes sent on; it is bounded, since a node cannot
choose how many messages come. The other holds those that its processes began; their number is bounded by
``max_open_passes``, and no flood of data at a node of the same component displaces one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from swergio.channels import Channel
from swergio.codec.frames import Buffer
from swergio.dispatch import Work
from swergio.errors import CheckpointFailed, SwergioError
from swergio.messages import Kind, Message, MessageType
from swergio.passes.begun import BegunPasses
from swergio.passes.failures import Failure, Origin, Refusal
from swergio.passes.givenup import GivenUp
from swergio.passes.journal import Journal, Told
from swergio.passes.ledger import Ledger
from swergio.passes.records import Record
from swergio.passes.rosters import Rosters
from swergio.passes.waits import Waits
from swergio.received import Received, message_id
from swergio.reports import PassesReport
from swergio.transport import Member

if TYPE_CHECKING:
    from swergio.core import Core

log = logging.getLogger("swergio.passes")

O = TypeVar("O")  # noqa: E741  whoever opened a record

SLOWEST_TICK = 1.0
QUICKEST_TICK = 0.02


class Sent(Told, Protocol):
    """
    What a node keeps of a message that it sent on.
    """

    def feedback(self, received: Received, index: int, due: bool) -> Work:
        """
        Return what is to be done with a feedback message; ``due``: what came so far is to be applied. On the loop.
        """

    def fail(self, failure: Failure) -> None:
        """
        The feedback that is still owed will not come. From any thread.
        """


class Bookkeeper:
    """
    What the nodes and processes of a component share; to its core, the `swergio.core.Feedback`.
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        self.nodes: Ledger[Sent] = Ledger()
        self.journal = Journal()
        self.begun = BegunPasses(core.settings.max_open_passes)
        self.rosters = Rosters(core, self._left)
        self.sweepers: list[Callable[[float], None]] = []
        self.finishers: list[Callable[[], None]] = []
        self.shortest_timeout = core.settings.pass_timeout
        self._watched: set[str] = set()
        self._sinks: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.given_up = GivenUp(core)

    # -- declarations ---------------------------------------------------------------------------------------------

    def watch(self, room: str) -> None:
        """
        Know who is in a room while the component is connected.
        """
        self._watched.add(room)
        if self.core.refusal is None:
            self.core.loop.call_soon_threadsafe(self._watch_late, room)

    def _watch_late(self, room: str) -> None:
        self.rosters.begin(room)
        self._begin_to_tick()

    def tap(self, room: str) -> None:
        """
        Read the products of passes from a room. On the loop, or before the component is started.
        """
        if room not in self._sinks:
            self._sinks.add(room)
            self.core.add_tap(room, self.begun)

    # -- core.Feedback, on the loop -------------------------------------------------------------------------------

    async def opened(self) -> None:
        """
        The component is connected, and in the rooms of its handlers.
        """
        for room in sorted(self._watched):
            await self.rosters.watch(room)
        if self._watched:
            self._begin_to_tick()

    def connected(self, resumed: bool) -> None:
        """
        The connection is back.
        """
        self.rosters.connected(resumed)

    def closed(self, error: SwergioError) -> None:
        """
        Nothing will come any more: end what waits.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.rosters.close()
        self.begun.close(error)
        self.nodes.close_all()

    def listened_to(self, anybody: bool) -> None:
        """
        Take the times of passes from now on, or no longer.
        """
        self.journal.timed = anybody

    def told(self) -> PassesReport | None:
        """
        Return what there is to tell of the passes now.
        """
        return self.journal.told([*self.begun.ledger.waiting(), *self.nodes.waiting()])

    def finish(self, *, ended: bool) -> None:
        """
        The component is closed: have what it learned saved, if its handlers have ``ended``. From any thread.

        Raises:
            CheckpointFailed: it could not be saved.
        """
        if not ended and self.finishers:
            log.warning("%s was closed while a handler ran: what it learned last is not saved", self.core.instance)
            return
        failed: list[CheckpointFailed] = []
        for finish in self.finishers:
            try:
                finish()
            except CheckpointFailed as exc:
                failed.append(exc)
        if failed:
            raise failed[0]

    def presence(self, room: str, member: Member, joined: bool) -> None:
        """
        Somebody joined or left a room that is watched.
        """
        self.rosters.presence(room, member, joined)

    def route(self, received: Received) -> Sequence[Work]:
        """
        Hand feedback to what it is on; return the work that is to be done for it.
        """
        works: list[Work] = []
        unmatched: list[int] = []
        for index in range(received.count):
            if self.begun.feedback(received, index, self.rosters.owing(received.room, received.sender)):
                continue
            if received.kind is Kind.FAILED_FEEDBACK:
                self._refuse(received, index)
                continue
            match = self.nodes.match(received.parent(index) or "", self.rosters.owing(received.room, received.sender))
            if match is None:
                unmatched.append(index)
                continue
            record, due = match
            if due and self.journal.timed:
                record.owner.tally.times.append(time.monotonic() - record.since)
            works.append(record.owner.feedback(received, index, due))
        if unmatched:
            works += self._unmatched(received, unmatched)
        return works

    def _refuse(self, received: Received, index: int) -> None:
        parent = received.parent(index) or ""
        refused = self.nodes.refuse(parent, self.rosters.owing(received.room, received.sender))
        failure = Failure.of(Message(received, index))
        if refused is None:
            self.core.stats.unmatched_feedback += 1
            log.info("%s: a pass failed that is not open here: %s", self.core.instance, failure.error())
        elif refused[1]:
            self.journal.orphaned(refused[0], failure.reason, failure.missing)
            refused[0].owner.fail(failure)

    def _unmatched(self, received: Received, indices: list[int]) -> list[Work]:
        """
        Feedback on what no node or process sent is for who asked for it, or for the handlers of its room and type.
        """
        indices = [index for index in indices if not self.core.requests.take(received, index)]
        if not indices:
            return []
        handlers = self.core.handlers_for(received.room, received.type)
        if not handlers:
            self.core.stats.unmatched_feedback += len(indices)
            what = f"{received.type} of {received.sender} in {received.room!r} on {received.parent(indices[0])}"
            log.info("%s: no open pass for %d feedback messages: %s", self.core.instance, len(indices), what)
        lanes = {lane: tuple(h for h in handlers if h.is_async is lane) for lane in (False, True)}
        return [Work(chosen, received, indices, lane) for lane, chosen in lanes.items() if chosen]

    def _left(self, room: str, instance: str) -> None:
        for pass_ in self.begun.ledger.left(room, instance):
            pass_.owner.fail(self._absent(pass_.room, pass_.missing).error())
        for sent in self.nodes.left(room, instance):
            failure = self._absent(sent.room, sent.missing)
            self.journal.orphaned(sent, failure.reason, failure.missing)
            sent.owner.fail(failure)

    def _absent(self, room: str, missing: list[str]) -> Failure:
        return Failure(room, f"{' and '.join(missing)} left before answering", tuple(missing))

    def open(
        self, ledger: Ledger[O], record: Record[O], append: Callable[[], tuple[Channel, int]]
    ) -> tuple[tuple[Channel, int], list[Record[O]]]:
        """
        Append a message to the outbox and open its record, unless the outbox is full. From any thread.

        Returns:
            What ``append`` returned, and the records that made room.
        """
        queued: list[tuple[Channel, int]] = []

        def send() -> str | None:
            channel, number = append()
            queued.append((channel, number))
            return message_id(self.core.instance, channel.number, number) if number else None

        expected = frozenset(record.outstanding or ())
        displaced = ledger.open(record, send) or []
        if expected and queued[0][1]:
            self._recheck(record.room, expected)
        return queued[0], displaced

    def _recheck(self, room: str, expected: frozenset[str]) -> None:
        """
        Make up for those who left between the look at the roster and the opening of the record.
        """
        for instance in self.rosters.gone(room, expected):
            self.core.loop.call_soon_threadsafe(self._left, room, instance)

    # -- time -----------------------------------------------------------------------------------------------------

    def _begin_to_tick(self) -> None:
        if self._timer is None:
            pause = min(SLOWEST_TICK, max(QUICKEST_TICK, self.shortest_timeout / 10))
            self._timer = self.core.loop.call_later(pause, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = time.monotonic()
        self.begun.expire(now)
        for record in self.nodes.expire(now):
            silent = tuple(sorted(record.outstanding or ()))
            self.give_up(record, f"no feedback within {record.deadline - record.since:g} s", silent)
        for sweep in self.sweepers:
            sweep(now)
        self.given_up.tell()
        self._begin_to_tick()

    def give_up(self, record: Record[Sent], reason: str, missing: tuple[str, ...] = ()) -> None:
        """
        Fail a record that feedback is owed on, and have it reported. From any thread.
        """
        failure = Failure(record.room, reason, (*record.missing, *missing))
        self.given_up.note(record.id)
        self.journal.orphaned(record, failure.reason, failure.missing)
        record.owner.fail(failure)

    # -- back to the sender of a message ------------------------------------------------------------------------------

    async def give_feedback(self, origin: Origin, packed: tuple[bytes, Sequence[Buffer]], waits: Waits) -> None:
        """
        Send a gradient, as `Core.pack` returned it, on a message.
        """
        append = partial(
            self.core.outbox.append, origin.room, origin.sender, MessageType.GRADIENT, *packed,
            kind=Kind.FEEDBACK, phase=origin.phase, root=origin.root, parent=origin.id,
        )  # fmt: skip
        await waits.append(origin.room, append)

    # -- failures, from any thread --------------------------------------------------------------------------------

    def step_failed(self, message: Message, origins: Sequence[Origin], exc: Exception, name: str) -> None:
        """
        A step of a node ended with an exception: report it, and fail the pass. On the lane of the node's handlers.
        """
        if exc is self.core.refusal:
            return  # the component was closed meanwhile, and can tell nobody
        if isinstance(exc, Refusal):
            failure = exc.failure
        else:
            self.core.handler_failed(message, exc)
            failure = Failure(message.room, f"{name!r} of {self.core.instance} raised {type(exc).__name__}: {exc}")
        for origin in origins:
            self.refuse(origin, failure)

    def submit(self, work: Work) -> None:
        """
        Have work done that no message asked for, after what was handed to the handlers before. From any thread.
        """
        self.core.loop.call_soon_threadsafe(self.core.dispatcher.submit, work)

    def refuse(self, origin: Origin, failure: Failure) -> None:
        """
        Tell the sender of a message that feedback on it will not come.

        If it wants none, whoever began the pass is told, who may wait for its product.
        """
        told = origin if origin.wants_feedback else origin.source()
        if told is None:
            return
        try:
            packed = self.core.pack(failure.to_body())
            self.core.append(
                told.room, told.sender, MessageType.GRADIENT, packed, kind=Kind.FAILED_FEEDBACK,
                phase=told.phase, root=told.root, parent=told.id,
            )  # fmt: skip
        except SwergioError as exc:
            log.warning("%s could not tell %s that a pass failed: %s", self.core.instance, told.sender, exc)
