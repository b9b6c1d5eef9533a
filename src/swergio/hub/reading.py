"""What a component reads: the logs of its rooms and of its inbox; frames in, events out. No sockets, no clock.

Offsets tell the hub from where to go on. What was lost and what came twice is known from the numbers of the senders
(`swergio.hub.sources`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from swergio.channels import Lane
from swergio.codec.batch import MESSAGE_COST, Batch
from swergio.codec.frames import Buffer, Frame, Op, encode_pairs, fields, join, rows, unpack
from swergio.errors import ProtocolError
from swergio.hub.greeting import TEXT_OR_NONE, Heard, Membership, Place, Welcome, unpack_positions
from swergio.hub.positions import Position, Source
from swergio.hub.sources import MAX_EPOCHS, Sources, Subscription
from swergio.messages import Instance
from swergio.transport import Events, Inbound, Loss, Manner, Mode


class Reader:
    """
    The rooms and the inbox of a component.

    Args:
        instance: Who the component is.
        events: Whom to tell what came.

    Attributes:
        duplicates: How many messages came a second time.
    """

    def __init__(self, instance: Instance, events: Events) -> None:
        self.duplicates = 0
        self._events = events
        self._rooms: dict[str, Subscription] = {}
        self._lanes = [Subscription.of_inbox() for _ in Lane]
        self._logs: dict[int, Subscription] = {}
        self._sources = Sources(instance)
        self._memberships = 0
        self._unreported: dict[Subscription, None] = {}

    # -- a link begins --------------------------------------------------------------------------------------------

    def begin(self) -> tuple[list[Membership], list[int]]:
        """
        Return where the component stands, to be said in HELLO.
        """
        self._logs.clear()
        rooms = [
            Membership(
                room, *sub.manner, sub.next, [Heard(*source, last) for source, last in (sub.heard or {}).items()]
            )
            for room, sub in self._rooms.items()
        ]
        return rooms, [sub.next for sub in self._lanes]

    def welcome(self, welcome: Welcome, epoch: str | None, *, resumed: bool) -> None:
        """
        Go on where the hub stands; ``epoch`` is that of the hub before, if there was one.

        Raises:
            ProtocolError: it does not know all the rooms.
        """
        if self._rooms.keys() - welcome.rooms.keys():  # fewer may be there now: some may have been left meanwhile
            raise ProtocolError("WELCOME without rooms of HELLO")
        for place, sub in zip(welcome.lanes, list(self._lanes), strict=True):
            self._continue(sub, place, epoch, resumed=resumed)
        for room, sub in list(self._rooms.items()):
            self._continue(sub, welcome.rooms[room], epoch, resumed=resumed)

    def _continue(self, sub: Subscription, place: Place, epoch: str | None, *, resumed: bool) -> None:
        if epoch is None:
            self._sources.begin(sub, place.positions)
        elif not place.whole:
            if not resumed:
                sub.epochs = (*sub.epochs, epoch)[-MAX_EPOCHS:]
            self._compare(sub, place.positions)
        if sub.log != place.log or not resumed:
            # Receipts of the old log still count down ``outstanding``; their offsets mean nothing in the new one.
            old, offset = sub, place.offset
            sub = replace(old, log=place.log, next=offset, consumed=offset, outstanding=0, begin=0, until=0)
            if old.room is None:
                self._lanes[self._lanes.index(old)] = sub
            else:
                self._rooms[old.room] = sub
        sub.next = place.offset
        sub.reported = -1  # what was reported may have been lost with the link
        self._logs[sub.log] = sub
        self._settle(sub)

    # -- what the component does ----------------------------------------------------------------------------------

    def joined(self, room: str, manner: Manner, answer: Any) -> None:
        """
        Take the hub's answer to ``join``.

        Raises:
            ProtocolError: it is malformed.
        """
        types = (int, int, list, int, int, (list, type(None)))
        ((log, offset, table, begin, until, kept),) = rows([answer], "the answer to join", *types)
        positions = unpack_positions(table)
        sub = self._rooms.get(room)
        if sub is not None and sub.log == log:
            self._compare(sub, positions)
            sub.mode, sub.echo, _ = manner
        else:
            if sub is not None:
                self._logs.pop(sub.log, None)
            self._memberships += 1
            sub = Subscription(
                room, *manner[:2], log, offset, offset, offset, group=manner.group, begin=begin, until=until,
                membership=self._memberships,
            )  # fmt: skip
            self._rooms[room] = self._logs[log] = sub
        self._sources.begin(sub, positions)
        if kept is not None:
            self._deliver_kept(sub, kept)

    def _deliver_kept(self, sub: Subscription, kept: list[Any]) -> None:
        ((sender, channel, number, payload),) = rows([kept], "a kept value", str, int, int, bytes)
        sub.outstanding += 1
        receipt = (sub, sub.next, len(payload) + MESSAGE_COST)
        lossy = sub.mode is not Mode.RELIABLE
        self._events.delivered(
            Inbound(
                sub.room or "", None, Instance(sender), channel, number, 1, 0, memoryview(payload), receipt, lossy,
                past=True,
            )
        )  # fmt: skip

    def left(self, room: str) -> None:
        """
        The room is left, or about to be: what still comes from it is dropped.
        """
        sub = self._rooms.pop(room, None)
        if sub is not None:
            self._logs.pop(sub.log, None)

    def consumed(self, receipt: tuple[Subscription, int, int]) -> None:
        """
        The batch with this receipt was handled.
        """
        sub, end, _ = receipt
        sub.outstanding -= 1
        sub.consumed = max(sub.consumed, end)
        self._settle(sub)

    @property
    def has_more(self) -> bool:
        """
        Whether there may be something to report.
        """
        return bool(self._unreported)

    def report(self) -> list[Buffer]:
        """
        Return the frames that say what was handled since this was last called.
        """
        logs: list[int] = []
        offsets: list[int] = []
        for sub in self._unreported:
            # An offset of what was left or replaced meanwhile would be taken for one of another log.
            if sub.consumed > sub.reported and self._logs.get(sub.log) is sub:
                logs.append(sub.log)
                offsets.append(sub.consumed)
                sub.reported = sub.consumed
        self._unreported.clear()
        return encode_pairs(Op.CONSUMED, logs, offsets) if logs else []

    # -- what came ------------------------------------------------------------------------------------------------

    def deliver(self, frame: Frame, read: Callable[[memoryview], memoryview] | None = None) -> None:
        """
        Take a DELIVER frame; ``read`` gets the batch if the payload only says where it lies.

        Raises:
            ProtocolError: it is malformed, or the batch is gone. Nothing has changed then.
        """
        log, offset, count, sender, channel, after, first, room, to, attempt = fields(
            frame, int, int, int, str, int, int, int, str, TEXT_OR_NONE, int
        )
        sub = self._due(log, offset, offset + count)
        if sub is None:
            return
        payload = frame.payload if read is None else read(frame.payload)
        sub.next = offset + count
        past = offset < sub.until
        if past:
            self._sources.repeat(sub, Source(sender, channel), first + count - 1)
        # What the member of a group gets is not complete, nor is what an observer sees of direct messages.
        elif sub.group is not None:
            sub.hear(Source(sender, channel), first + count - 1)
        elif sub.room is None or to is None:
            source = Source(sender, channel)
            missing = self._sources.deliver(sub, source, to, after, first, first + count - 1)
            if missing is None:
                self.duplicates += count
                self._settle(sub)
                return
            if missing:
                self._lose(sub, room, source, missing)
        sub.outstanding += 1
        receipt = (sub, offset + count, len(payload) + MESSAGE_COST * count)
        if offset < sub.begin:
            first, count, payload = _last_of(payload, count, first, offset + count - sub.begin)
        self._events.delivered(
            Inbound(
                room, to, Instance(sender), channel, first, count, attempt, payload, receipt,
                sub.mode is not Mode.RELIABLE, past=past, shared=sub.group is not None,
            )
        )  # fmt: skip

    def _due(self, log: int, offset: int, end: int) -> Subscription | None:
        sub = self._logs.get(log)
        if sub is None or end <= sub.next:
            return None  # of a room that was left, or known
        if offset != sub.next:
            raise ProtocolError(f"offset {offset} of log {log} came where {sub.next} was due")
        return sub

    def _settle(self, sub: Subscription) -> None:
        sub.settle()
        self._unreported[sub] = None

    def cover(self, frame: Frame) -> None:
        """
        Take a COVER frame.
        """
        log, offset = fields(frame, int, int)
        sub = self._logs.get(log)
        if sub is not None and offset > sub.next:
            if frame.payload:
                self._compare(sub, unpack_positions(unpack(frame.payload)))
            sub.next = offset
            self._settle(sub)

    def mark(self, frame: Frame) -> None:
        """
        Take a MARK frame.
        """
        log, offset, sender, channel, number, origin = fields(frame, int, int, str, int, int, str)
        sub = self._due(log, offset, offset + 1)
        if sub is not None:
            sub.next = offset + 1
            source = Source(sender, channel)
            self._lose(sub, sub.room or "", source, self._sources.mark(sub, source, number, origin))
            self._settle(sub)

    def lose(self, frame: Frame) -> None:
        """
        Take a LOST frame: what none of the group was given, as the hub has it from all of them.
        """
        (log,) = fields(frame, int)
        sub = self._logs.get(log)
        if sub is not None:
            for sender, channel, number, start, _ in unpack_positions(unpack(frame.payload)):
                source = Source(sender, channel)
                sub.hear(source, number)
                self._lose(sub, sub.room or "", source, max(0, number - start))

    def _compare(self, sub: Subscription, positions: list[Position]) -> None:
        for source, missing in self._sources.compare(sub, positions):
            self._lose(sub, sub.room or "", source, missing)

    def _lose(self, sub: Subscription, room: str, source: Source, count: int) -> None:
        if sub.mode is not Mode.RELIABLE and count:
            self._events.dropped(room, count)
        elif count:
            reason = "they were in the memory of a hub, or waited longer than it keeps them"
            self._events.lost(Loss(room, Instance(source.sender), count, reason))


def _last_of(payload: memoryview, count: int, first: int, wanted: int) -> tuple[int, int, memoryview]:
    """
    Return the number of the first of the last ``wanted`` messages of a batch, how many they are, and their payload.
    """
    skipped = max(0, count - wanted)
    return first + skipped, count - skipped, memoryview(join(Batch(payload, count).take(skipped, count)))
