"""Where batches go: to the log of a room, from there to its groups, or to the inboxes that they are addressed to.

What cannot be placed yet waits (`swergio.hub.parking`).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from swergio.channels import Lane
from swergio.codec.batch import MESSAGE_COST, Batch
from swergio.codec.frames import Op, encode, join
from swergio.errors import ProtocolError
from swergio.hub.cursors import Entry
from swergio.hub.directory import Directory
from swergio.hub.groups import Group
from swergio.hub.log import Log
from swergio.hub.parking import Parking
from swergio.hub.positions import Position, Source
from swergio.hub.room import Kept, Room
from swergio.hub.sessions import ALIGNED, KEEP, NOW, REQUEST, HubChannel, Parcel, Session

COPY_BELOW = 64 * 1024  # small payloads are copied out of their packet, so as not to keep the whole of it


class Somebody(NamedTuple):
    """
    What a batch waits for that needs a first member of a room, or a first instance of a name.
    """

    where: str


class Placing:
    """
    Puts batches where they belong.

    Args:
        directory: What there is.
        epoch: Identifies the life of the hub.
    """

    def __init__(self, directory: Directory, epoch: str) -> None:
        self._directory = directory
        self._epoch = epoch
        self._towards: dict[str, dict[HubChannel, None]] = {}
        self.departed: set[str] = set()  # while young: who was here and is not expected back
        self.parking = Parking(self._place, self._skip)

    # -- channels -------------------------------------------------------------------------------------------------

    def open(self, channel: HubChannel) -> None:
        """
        Take a new channel of a component.

        If it was there before, with an earlier hub or until its component was given up, tell where it goes on.
        """
        directory = self._directory
        channel.session.channels[channel.number] = channel
        if channel.to is not None:
            self._towards.setdefault(channel.to, {})[channel] = None
        if channel.start:
            in_room = channel.room is not None
            for log in [directory.room(channel.room or "").log] if in_room else directory.inboxes(channel):
                self._mark(log, channel)

    def close(self, session: Session) -> None:
        """
        Forget the channels of a component.
        """
        for channel in session.channels.values():
            channel.disconnected()  # what it parked may lie in shared memory, which a circle of references would hold
            if channel.to is not None:
                del self._towards[channel.to][channel]
                if not self._towards[channel.to]:
                    del self._towards[channel.to]

    def positions_towards(self, session: Session) -> list[list[Position]]:
        """
        Return, for each lane of its inbox, where those stand who ever sent to the component or its name.
        """
        lanes: list[list[Position]] = [[] for _ in Lane]
        for to in (session.instance, session.instance.name):
            for channel in self._towards.get(to, ()):
                if channel.appended:
                    position = Position(*channel.source, channel.appended, channel.start, channel.origin)
                    lanes[channel.lane].append(position)
        return lanes

    # -- when something changed -----------------------------------------------------------------------------------

    def trimmed(self, log: Log) -> None:
        """
        Offer what waited for space in ``log``, or for memory, again; go on with what a group shares.
        """
        if log.shared_by is not None:
            self.hand_out(log.shared_by)
        if not self.parking:
            return
        budget = self._directory.budget
        if not budget.exhausted:
            self.parking.retry(budget)  # first, or a busy room would take all that it gives back
        if not log.full:
            self.parking.retry(log)

    def hand_out(self, group: Group) -> None:
        """
        Have a group give out what it can.
        """
        if group.hand_out(self._directory.now):
            log = group.cursor.log
            log.trim()
            self.trimmed(log)

    def arrived(self, where: str) -> None:
        """
        Offer what waited for a first member of a room, or for an instance or a name.
        """
        self.parking.retry(Somebody(where))

    def give_up(self, group: Group) -> None:
        """
        Tell the senders of what a group had not finished that nobody came for it.
        """
        for share in group.drain():
            channel = self._directory.channel(*share.source)
            if channel is not None:
                channel.not_delivered(share.first, share.count, f"the group {group.name!r} of {share.room!r} is gone")

    # -- messages -------------------------------------------------------------------------------------------------

    def bequeath(self, session: Session) -> None:
        """
        Send what a component left to be sent when it is gone, however full its room is.
        """
        will, session.will = session.will, None
        if will is None:
            return
        source = Source(session.instance, will.channel)
        parcel = Parcel(will.number, 1, 0, will.room, memoryview(will.payload))
        if will.to is None:
            room = self._directory.room(will.room)
            self._append_to_room(room, source, 0, parcel)
            self._directory.met(room)
            return
        for target in self._directory.addressed(will.to):
            if target is not session:
                self._append(target.lanes[Lane.DIRECT], source, 0, parcel, will.to)

    def _place(self, channel: HubChannel, parcel: Parcel) -> tuple[Hashable, ...]:
        if channel.to is None:
            return self._place_in_room(channel, parcel)
        return self._place_in_inboxes(channel, parcel)

    def _place_in_room(self, channel: HubChannel, parcel: Parcel) -> tuple[Hashable, ...]:
        room = self._directory.room(parcel.room)
        if parcel.flags & REQUEST and not room.answerable(channel.session.instance):
            return self._nobody(channel, parcel, parcel.room)
        if room.log.full or (parcel.flags & KEEP and self._directory.budget.exhausted):
            return self._full(channel, room.log, room.slowest())
        self._append_to_room(room, channel.source, parcel.first - 1 - channel.skipped, parcel)
        if channel.appended == channel.start:
            self._directory.met(room)
        self._done(channel, parcel)
        return ()

    def _append_to_room(self, room: Room, source: Source, after: int, parcel: Parcel) -> None:
        if parcel.flags & KEEP:
            self._keep(room, source, parcel)
        self._append(room.log, source, after, parcel, None)
        for group in room.groups.values():
            self.hand_out(group)

    def _keep(self, room: Room, source: Source, parcel: Parcel) -> None:
        payload = bytes(parcel.payload)
        if parcel.count > 1:
            try:
                payload = join(Batch(parcel.payload, parcel.count).take(parcel.count - 1, parcel.count))
            except (ProtocolError, ValueError):
                return  # nobody could read it
        before = 0 if room.kept is None else len(room.kept.payload) + MESSAGE_COST
        self._directory.budget.used += len(payload) + MESSAGE_COST - before
        room.kept = Kept(source, parcel.last, room.log.next + parcel.count - 1, payload)

    def _place_in_inboxes(self, channel: HubChannel, parcel: Parcel) -> tuple[Hashable, ...]:
        inboxes = self._directory.inboxes(channel)
        if not inboxes:
            return self._nobody(channel, parcel, channel.to or "")
        for log in inboxes:
            if log.full:
                return self._full(channel, log, log.slowest() or "")
        after = parcel.first - 1 - channel.skipped
        for log in inboxes:
            self._append(log, channel.source, after, parcel, channel.to)
        room = self._directory.rooms.get(parcel.room)
        if room and room.observed and not room.log.full:
            self._append(room.log, channel.source, after, parcel, channel.to, observers_only=True)
        self._done(channel, parcel)
        return ()

    def _nobody(self, channel: HubChannel, parcel: Parcel, where: str) -> tuple[Hashable, ...]:
        waits = parcel.flags & REQUEST and not parcel.flags & NOW
        expected = self._directory.young and channel.to is not None and "#" in where and where not in self.departed
        if waits or expected:
            return (Somebody(where),)
        if parcel.flags & REQUEST:
            channel.not_delivered(parcel.first, parcel.count, "no members")
            self._skip(channel, parcel)
        else:
            channel.not_delivered(parcel.first, parcel.count, f"{where} is not connected")
            self._done(channel, parcel)
        return ()

    def _full(self, channel: HubChannel, log: Log, slowest: str) -> tuple[Hashable, ...]:
        if not channel.stalled:
            channel.stalled = True
            channel.session.tell(Op.STALL, channel.number, slowest)
        budget = self._directory.budget
        return (log, budget) if budget.exhausted else (log,)

    def _done(self, channel: HubChannel, parcel: Parcel) -> None:
        channel.skipped = 0
        channel.done(parcel.last)
        channel.session.acknowledge(channel, parcel.cost)

    def _skip(self, channel: HubChannel, parcel: Parcel) -> None:
        channel.skipped += parcel.count
        if channel.room is not None:
            self._directory.room(channel.room).log.positions.reached(channel.source, parcel.last)
        channel.done(parcel.last)
        channel.session.acknowledge(channel, parcel.cost)

    def _append(
        self, log: Log, source: Source, after: int, parcel: Parcel, to: str | None, observers_only: bool = False
    ) -> None:
        header = (log.number, log.next, parcel.count, *source, after, parcel.first, parcel.room, to, 0)
        aligned = bool(parcel.flags & ALIGNED)
        frame = tuple(encode(Op.DELIVER, *header, payload=[parcel.payload], aligned=aligned))
        if len(parcel.payload) < COPY_BELOW:
            frame = (join(frame),)
        loan = parcel.loan
        entry = Entry(
            offset=log.next,
            count=parcel.count,
            cost=parcel.cost,
            frame=frame,
            source=source,
            after=after,
            last=parcel.last,
            aligned=aligned,
            observers_only=observers_only,
            start=log.cost,
            at=self._directory.now,
            loan=loan,
            brief=() if loan is None else loan.logged(log, header),
        )
        self._offer(log, entry)

    def _mark(self, log: Log, channel: HubChannel) -> None:
        epoch = channel.origin or self._epoch
        frame = tuple(encode(Op.MARK, log.number, log.next, *channel.source, channel.start, epoch))
        entry = Entry(
            offset=log.next,
            count=1,
            cost=MESSAGE_COST,
            frame=frame,
            source=channel.source,
            after=channel.start,
            last=channel.start,
            aligned=False,
            observers_only=False,
            start=log.cost,
            at=self._directory.now,
        )
        if channel.origin is not None:
            log.positions.restored(channel.source, channel.start, channel.origin)
        self._offer(log, entry)

    def _offer(self, log: Log, entry: Entry) -> None:
        log.append(entry)
        self._directory.appended += entry.count
        sessions = self._directory.sessions
        for cursor in log.cursors.values():
            session = sessions.get(cursor.instance)
            if session is not None:
                session.push(cursor)
