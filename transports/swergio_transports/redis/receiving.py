"""What comes in, from all logs that a component reads: in order, once, and with each loss counted. Pure logic.

What is lost and what came twice is known from the numbers of the senders, as with a hub (`swergio.hub.sources`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from swergio.channels import Lane
from swergio.codec.batch import Batch
from swergio.errors import ProtocolError
from swergio.hub import Position, Source, Sources
from swergio.messages import Instance
from swergio.transport import Events, Inbound, Loss, Manner, Mode
from swergio_transports.redis.access import Access
from swergio_transports.redis.entries import Delivery, Entry, Mark, opened, published
from swergio_transports.redis.keys import LogKeys
from swergio_transports.redis.loose import Loose
from swergio_transports.redis.reading import Reading, State
from swergio_transports.redis.sharing import Share, Work

logger = logging.getLogger("swergio.redis")

INBOX = Manner(Mode.RELIABLE, echo=True)
LOST = "the server lost them, or they waited longer than it keeps them"


class Receiver:
    """
    Reads logs.

    Args:
        access: The way to the server, of which only the names are used here.
        events: Whom to tell what came.
        window: Bytes that are taken ahead of the handlers, for each log.

    Attributes:
        wanting: Logs from which something may have to be fetched.
        unreported: Logs in which more was consumed than the server knows.
        duplicates: Messages that came a second time.
    """

    def __init__(self, access: Access, events: Events, window: int) -> None:
        self.rooms: dict[str, Reading] = {}
        self.observed: dict[str, Reading] = {}
        self.wanting: dict[Reading, None] = {}
        self.unreported: dict[Reading, None] = {}
        self.duplicates = 0
        self._instance = access.instance
        self._events = events
        self._window = window
        self._loose = access.loose
        self._sources = Sources(access.instance)
        self._memberships = 0
        self._channels: dict[bytes, Reading] = {}
        self._seen: dict[Source, int] = {}  # direct messages that were observed
        self.lanes = [self.begin(access.keys.lane(access.instance, lane), None, INBOX) for lane in Lane]

    def __iter__(self) -> Iterator[Reading]:
        return iter(list(self._channels.values()))

    # -- memberships ----------------------------------------------------------------------------------------------

    def begin(self, keys: LogKeys, room: str | None, manner: Manner, *, observed: bool = False) -> Reading:
        """
        Read a log from here on; `joined` says where that is.
        """
        if room is not None:
            self._memberships += 1
        kind = Loose if self._loose else Reading if manner.group is None else Share
        reading = kind(keys, room, manner, self._window, self._memberships if room else 0, observed)
        self._channels[keys.channel] = reading
        return reading

    def joined(
        self,
        reading: Reading,
        base: int,
        top: int,
        positions: list[Position],
        start: int = 0,
        over: int = 0,
        kept: bytes | None = None,
    ) -> None:
        """
        The membership of `begin` is in force, and begins at ``top``.

        Args:
            reading, base, top, positions: Of the log.
            start: Where what is wanted of the past begins, 0 for none of it.
            over: How many messages of the first entry there are not wanted.
            kept: The kept message of the room, as it was published.
        """
        reading.joined(base, top)
        if isinstance(reading, Share):
            self.wanting[reading] = None
            return
        if not reading.observed:
            self._sources.begin(reading, positions)
        if start and start < top:
            reading.next = reading.consumed = start
            reading.pass_over = over
        if kept is not None:
            self._deliver_kept(reading, published(kept))
        self._go_on(reading)

    def _deliver_kept(self, reading: Reading, entry: Entry) -> None:
        if entry.place >= reading.next or entry.frame is None:
            return  # it comes with the rest of the past, or is newer than the membership
        what, payload = opened(entry.frame)
        if isinstance(what, Delivery) and (what.sender != self._instance or reading.echo):
            reading.pass_over, passed = what.messages - 1, reading.pass_over
            self._deliver(reading, entry._replace(end=reading.next), what, payload, past=True)
            reading.pass_over = passed

    def begins(self, reading: Reading, positions: list[Position]) -> None:
        """
        Messages of some sources are wanted from here on.
        """
        self._sources.begin(reading, positions)

    def end(self, reading: Reading) -> None:
        """
        Read a log no longer.
        """
        self._channels.pop(reading.keys.channel, None)
        self.wanting.pop(reading, None)
        self.unreported.pop(reading, None)

    def is_read(self, reading: Reading) -> bool:
        """
        Whether the log is (still) read.
        """
        return self._channels.get(reading.keys.channel) is reading

    # -- what came ------------------------------------------------------------------------------------------------

    def came(self, channel: bytes, data: bytes, now: float) -> bool:
        """
        Take what was published. Return false if it is of no log that is read.
        """
        reading = self._channels.get(channel)
        if reading is None:
            return False
        reading.heard = now
        if not data and isinstance(reading, Share):
            reading.hungry = True
            self.wanting[reading] = None
            return True
        try:
            entry = published(data)
        except ProtocolError as exc:
            logger.error("%s: %s", channel, exc)
            return True
        if reading.published(entry):
            self._take(reading, entry)
        elif not reading.joining:
            self.wanting[reading] = None
        return True

    def fetched(self, reading: Reading, entries: Sequence[Entry]) -> bool:
        """
        Take what was fetched. Return whether something was not there: then its state must be asked for.
        """
        reading.fetching = False
        if isinstance(reading, Loose):
            reading.fetched()
        entries = [entry for entry in entries if entry.place >= reading.next]
        hole = reading.hole_in(entries)
        for entry in entries:
            if entry.place != reading.next:
                break
            if entry.frame is None:  # as the server sees it nobody needs it any more: go on behind it
                hole = True
                if not isinstance(reading, Loose):
                    reading.next, reading.pass_over = entry.end, 0
                break
            self._take(reading, entry)
        if isinstance(reading, Loose) or not hole:
            self._go_on(reading)
            return False
        return True

    def stands(self, reading: Reading, state: State) -> Reading:
        """
        Go on from where the log stands, which need not be where the member had come to.

        Returns:
            What reads the log now: another one if its places begin anew.
        """
        reading.fetching = False
        if not reading.stands(state):
            reading = self._replace(reading, state)
        if not reading.observed and not isinstance(reading, Share):
            self._sources.meet(reading, state.positions)
        self._compare(reading)
        self._settle(reading)
        self._go_on(reading)
        return reading

    def ends_at(self, reading: Reading, top: int) -> bool:
        """
        Take note of the end of a log. Return whether what is before it is lost, as nothing can be fetched.
        """
        reading.top = max(reading.top, top)
        if isinstance(reading, Loose):
            return reading.behind
        if isinstance(reading, Share):
            reading.hungry = True
        self.wanting[reading] = None
        return False

    def _replace(self, old: Reading, state: State) -> Reading:
        # Receipts of the old one still come; they mean nothing in the new one.
        kind = type(old)
        new = kind(old.keys, old.room, old.manner, old.window, old.membership, old.observed, epochs=old.epochs)
        first = state.first or state.top
        new.joined(state.base, first)
        new.top = state.top
        new.due = (state.top, state.positions)
        new.heard = old.heard
        self.end(old)
        self._channels[new.keys.channel] = new
        if old.room is None:
            self.lanes[self.lanes.index(old)] = new
        else:
            (self.observed if old.observed else self.rooms)[old.room] = new
        return new

    def _go_on(self, reading: Reading) -> None:
        for entry in reading.ready():
            self._take(reading, entry)
        self.wanting[reading] = None

    def _take(self, reading: Reading, entry: Entry) -> None:
        past = entry.place < reading.until
        reading.next = entry.end
        assert entry.frame is not None
        try:
            what, payload = opened(entry.frame)
        except ProtocolError as exc:
            logger.error("%s: %s", reading.keys.log, exc)
            self._settle(reading)
            return
        if isinstance(what, Mark):
            source = Source(what.sender, what.channel)
            missing = self._sources.mark(reading, source, what.number, what.origin)
            self._lose(reading, reading.room or "", source, missing)
            self._settle(reading)
        elif (what.sender == self._instance and not reading.echo) or not self._is_new(reading, what, past=past):
            reading.pass_over = 0
            self._settle(reading)
        else:
            self._deliver(reading, entry, what, payload, past=past)
        if reading.due is not None:
            self._compare(reading)

    def _is_new(self, reading: Reading, what: Delivery, *, past: bool) -> bool:
        source = Source(what.sender, what.channel)
        last = what.first + what.messages - 1
        if past:
            self._sources.repeat(reading, source, last)
            return True
        if reading.observed:
            new = self._seen.get(source, 0) < what.first
            self._seen[source] = last
            return new
        missing = self._sources.deliver(reading, source, what.to, what.after, what.first, last)
        if missing is None:
            self.duplicates += what.messages
            return False
        self._lose(reading, what.room, source, missing)
        return True

    def _deliver(self, reading: Reading, entry: Entry, what: Delivery, payload: memoryview, *, past: bool) -> None:
        first, count = what.first, what.messages
        if reading.pass_over:
            passed, reading.pass_over = reading.pass_over, 0
            payload = memoryview(b"".join(Batch(payload, count).take(passed, count)))
            first, count = first + passed, count - passed
        reading.outstanding += 1
        receipt = (reading, entry.end, entry.end - entry.place)
        self._events.delivered(
            Inbound(
                what.room,
                what.to,
                Instance(what.sender),
                what.channel,
                first,
                count,
                0,
                payload,
                receipt,
                not reading.reliable,
                past,
            )
        )

    def given(self, share: Share, answer: Sequence[Any], asked: int) -> None:
        """
        Take what was given to us as a member of a group.
        """
        try:
            work = share.answered(answer, asked)
        except ProtocolError as exc:
            logger.error("%s: %s", share.keys.log, exc)
            return
        for one in work:
            self._give(share, one)
        self.wanting[share] = None

    def _give(self, share: Share, work: Work) -> None:
        what: Delivery | Mark | None = None
        try:
            what, payload = opened(work.entry.frame or memoryview(b""))
        except ProtocolError as exc:
            logger.error("%s: %s", share.keys.log, exc)
        if not isinstance(what, Delivery):
            share.done(work.id)
            share.end(work.id)
            return
        share.outstanding += 1
        receipt = (share, work.id, work.entry.end - work.entry.place)
        past = work.entry.place < share.until
        self._events.delivered(
            Inbound(
                what.room, None, Instance(what.sender), what.channel, what.first, what.messages, max(0, work.attempt),
                payload, receipt, past=past, shared=True,
            )
        )  # fmt: skip

    def _compare(self, reading: Reading) -> None:
        positions = reading.missed()
        if positions and not reading.observed:
            for source, missing in self._sources.compare(reading, positions):
                self._lose(reading, reading.room or "", source, missing)

    def _lose(self, reading: Reading, room: str, source: Source, count: int) -> None:
        if count and not reading.reliable:
            self._events.dropped(room, count)
        elif count:
            self._events.lost(Loss(room, Instance(source.sender), count, LOST))

    # -- what was handled -----------------------------------------------------------------------------------------

    def consumed(self, receipt: tuple[Reading, Any, int]) -> None:
        """
        The batch with this receipt was handled.
        """
        reading, end, _ = receipt
        reading.outstanding -= 1
        if isinstance(reading, Share):
            reading.done(end)
            if self.is_read(reading):
                self.wanting[reading] = None
            return
        reading.consumed = max(reading.consumed, end)
        self._settle(reading)
        if self.is_read(reading) and (reading.ahead or reading.next < reading.top):
            self._go_on(reading)

    def ended(self, receipt: tuple[Share, bytes, int]) -> None:
        """
        Everything that was sent before the work with this receipt was handled has arrived.
        """
        share, id_, _ = receipt
        share.end(id_)
        if self.is_read(share):
            self.wanting[share] = None

    def _settle(self, reading: Reading) -> None:
        reading.settle()
        if reading.tracked and self.is_read(reading):
            self.unreported[reading] = None

    def reports(self) -> Iterable[Reading]:
        """
        Return the logs whose ``consumed`` the server shall know, and take it as known.
        """
        due = [reading for reading in self.unreported if reading.consumed > reading.reported]
        self.unreported.clear()
        for reading in due:
            reading.reported = reading.consumed
        return due
