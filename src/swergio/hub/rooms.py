"""Where messages go: rooms and inboxes, who is in them, and what waits until it can be appended.

Pure logic. A published batch is appended to the log of its room, or to an inbox of each instance that it is addressed
to, or it waits (`swergio.hub.parking`) until it can be.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import count
from typing import NamedTuple

from swergio.codec.batch import MESSAGE_COST
from swergio.codec.frames import Op, encode, join
from swergio.hub.cursors import Cursor, Entry
from swergio.hub.log import Budget, Log
from swergio.hub.parking import Parking
from swergio.hub.positions import Position
from swergio.hub.presence import Presence
from swergio.hub.sessions import ALIGNED, NOW, REQUEST, HubChannel, Parcel, Session
from swergio.outbox import Lane
from swergio.transport import Mode

MAX_IDLE = 10_000  # rooms without members that are remembered, so that who comes back late can be told what it missed
MAX_SOURCES = 8192  # of a room, before those that have gone are forgotten
COPY_BELOW = 64 * 1024  # small payloads are copied out of their packet, so as not to keep the whole of it


class Somebody(NamedTuple):
    """
    What a batch waits for that needs a first member of a room, or a first instance of a name.
    """

    where: str


class Rooms:
    """
    Every room and inbox of one hub.

    Args:
        epoch: Identifies the life of the hub.
        room_limit: Cost that one log holds for reliable members.
        memory_limit: Cost that all logs together hold.
    """

    def __init__(self, epoch: str, room_limit: int, memory_limit: int) -> None:
        self.epoch = epoch
        self.sessions: dict[str, Session] = {}
        self.young = True  # for a while after the start, members of a hub that died are expected back
        self._room_limit = room_limit
        self._budget = Budget(memory_limit)
        self._rooms: dict[str, Log] = {}
        self._names: dict[str, dict[str, Session]] = {}
        self._numbers = count(1)
        self._appended = 0
        self._towards: dict[str, dict[HubChannel, None]] = {}
        self.presence = Presence()
        self.parking = Parking(self._place, self._skip)
        self._departed: set[str] = set()  # while young: who was here and is not expected back

    # -- rooms and members ----------------------------------------------------------------------------------------

    def log(self, name: str) -> Log:
        """
        Return the log of a room, made if it is new.
        """
        log = self._rooms.get(name)
        if log is None:
            log = self._rooms[name] = self.new_log(name)
            log.keep_all = self.young
        return log

    def new_log(self, name: str) -> Log:
        """
        Return a new log. Its offsets begin above all that were given out, so that an old one is known to be old.
        """
        return Log(name, next(self._numbers), self._room_limit, self._budget, self._appended)

    def join(self, session: Session, room: str, mode: Mode, echo: bool) -> tuple[Cursor, list[Position]]:
        """
        Make the session a member of a room, behind everything, or change how it is one.

        Returns:
            Its cursor, and what it must know: where those stand who may send more, or what it missed as it was.
        """
        cursor = session.rooms.get(room)
        if cursor is None:
            cursor = self.log(room).add(session.instance, mode, echo)
            self._enter(session, cursor)
            positions = [at for at in cursor.log.positions_at(cursor.pushed) if at.sender in self.sessions]
        else:
            positions = self._change(cursor, mode, echo)
        session.push(cursor)
        self.parking.retry(Somebody(room))
        return cursor, positions

    def _change(self, cursor: Cursor, mode: Mode, echo: bool) -> list[Position]:
        heard_itself = cursor.echo
        cursor.log.change(cursor, mode, echo)
        self.trimmed(cursor.log)
        missed = cursor.log.take_missed(cursor)
        if not heard_itself:
            at_hand = cursor.log.positions_at(cursor.pushed)
            missed += [position for position in at_hand if position.sender == cursor.instance]
        return missed

    def rejoin(self, session: Session, room: str, mode: Mode, echo: bool, offset: int | None) -> tuple[Cursor, bool]:
        """
        Let a member go on from ``offset``, if there is one; the second result says whether nothing is missing since.

        `appeared` is to be called when the component has been told.
        """
        cursor = session.rooms.get(room)
        if cursor is None:
            log = self.log(room)
            cursor = log.add(session.instance, mode, echo, at=log.base_index)
            self._enter(session, cursor)
        elif (cursor.mode, cursor.echo) != (mode, echo):
            cursor.log.change(cursor, mode, echo)
        return cursor, cursor.log.resume(cursor, offset)

    def _enter(self, session: Session, cursor: Cursor) -> None:
        session.rooms[cursor.log.name] = cursor
        session.cursors[cursor.log.number] = cursor
        self.presence.announce(cursor.log.name, session.instance, joined=True)

    def leave(self, session: Session, room: str) -> None:
        """
        End a membership, if there is one.
        """
        cursor = session.rooms.pop(room, None)
        if cursor is None:
            return
        session.cursors.pop(cursor.log.number, None)
        session.ready.pop(cursor, None)
        cursor.log.remove(session.instance)
        self.presence.announce(room, session.instance, joined=False)
        self.trimmed(cursor.log)

    def members(self, room: str) -> list[Cursor]:
        """
        Return the members of a room in the order in which they joined.
        """
        log = self._rooms.get(room)
        return list(log.cursors.values()) if log else []

    def add(self, session: Session) -> None:
        """
        Add a component.
        """
        self.sessions[session.instance] = session
        self._names.setdefault(session.instance.name, {})[session.instance] = session
        for log in session.lanes:
            session.cursors[log.number] = log.add(session.instance, Mode.RELIABLE, echo=True)

    def appeared(self, session: Session) -> None:
        """
        Offer what waits for the component; called when its connection is ready for it.
        """
        for where in (session.instance, session.instance.name, *session.rooms):
            self.parking.retry(Somebody(where))
        for cursor in session.rooms.values():
            self.trimmed(cursor.log)

    def remove(self, session: Session) -> None:
        """
        Forget a component: it leaves every room, and its inbox goes with it.
        """
        session.alive = False
        if self.young:
            self._departed.add(session.instance)
        del self.sessions[session.instance]
        replicas = self._names[session.instance.name]
        del replicas[session.instance]
        if not replicas:
            del self._names[session.instance.name]
        self.presence.watch_only(session, [])
        for room in list(session.rooms):
            self.leave(session, room)
        for channel in session.channels.values():
            if channel.to is not None:
                del self._towards[channel.to][channel]
                if not self._towards[channel.to]:
                    del self._towards[channel.to]
        for log in session.lanes:
            log.remove(session.instance)
            self.trimmed(log)
        self.parking.retry(Somebody(session.instance))

    def named(self, name: str) -> list[Session]:
        """
        Return the components of a name.
        """
        return list(self._names.get(name, {}).values())

    # -- channels -------------------------------------------------------------------------------------------------

    def open(self, channel: HubChannel) -> None:
        """
        Take a new channel of a component.

        If it was there before, with an earlier hub or until its component was given up, tell where it goes on.
        """
        channel.session.channels[channel.number] = channel
        if channel.to is not None:
            self._towards.setdefault(channel.to, {})[channel] = None
        logs = [self.log(channel.room)] if channel.room is not None else self._inboxes(channel)
        for log in logs if channel.start else ():
            self._mark(log, channel)

    def _inboxes(self, channel: HubChannel) -> list[Log]:
        to = channel.to or ""
        targets = [self.sessions[to]] if to in self.sessions else self.named(to)
        return [target.lanes[channel.lane] for target in targets]

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

    # -- messages -------------------------------------------------------------------------------------------------

    def trimmed(self, log: Log) -> None:
        """
        Offer what waited for space in ``log``, or for memory, again.
        """
        if not self.parking:
            return
        if not self._budget.exhausted:
            self.parking.retry(self._budget)  # first, or a busy room would take all that it gives back
        if not log.full:
            self.parking.retry(log)

    def _place(self, channel: HubChannel, parcel: Parcel) -> tuple[Hashable, ...]:
        if channel.to is None:
            return self._place_in_room(channel, parcel)
        return self._place_in_inboxes(channel, parcel)

    def _place_in_room(self, channel: HubChannel, parcel: Parcel) -> tuple[Hashable, ...]:
        log = self.log(parcel.room)
        sender = channel.session.instance
        if parcel.flags & REQUEST and not any(
            cursor.mode is not Mode.OBSERVER and (cursor.echo or cursor.instance != sender)
            for cursor in log.cursors.values()
        ):
            return self._nobody(channel, parcel, parcel.room)
        if log.full:
            return self._full(channel, log)
        self._append(log, channel, parcel)
        self._done(channel, parcel)
        return ()

    def _place_in_inboxes(self, channel: HubChannel, parcel: Parcel) -> tuple[Hashable, ...]:
        inboxes = self._inboxes(channel)
        if not inboxes:
            return self._nobody(channel, parcel, channel.to or "")
        for log in inboxes:
            if log.full:
                return self._full(channel, log)
        for log in inboxes:
            self._append(log, channel, parcel)
        room = self._rooms.get(parcel.room)
        if room and not room.full and any(cursor.mode is Mode.OBSERVER for cursor in room.cursors.values()):
            self._append(room, channel, parcel, observers_only=True)
        self._done(channel, parcel)
        return ()

    def _nobody(self, channel: HubChannel, parcel: Parcel, where: str) -> tuple[Hashable, ...]:
        waits = parcel.flags & REQUEST and not parcel.flags & NOW
        expected = self.young and channel.to is not None and "#" in where and where not in self._departed
        if waits or expected:
            return (Somebody(where),)
        if parcel.flags & REQUEST:
            channel.not_delivered(parcel, "no members")
            self._skip(channel, parcel)
        else:
            channel.not_delivered(parcel, f"{where} is not connected")
            self._done(channel, parcel)
        return ()

    def _full(self, channel: HubChannel, log: Log) -> tuple[Hashable, ...]:
        if not channel.stalled:
            channel.stalled = True
            channel.session.tell(Op.STALL, channel.number, log.slowest() or "")
        return (log, self._budget) if self._budget.exhausted else (log,)

    def _done(self, channel: HubChannel, parcel: Parcel) -> None:
        channel.skipped = 0
        channel.done(parcel.last)
        channel.session.acknowledge(channel, parcel.cost)

    def _skip(self, channel: HubChannel, parcel: Parcel) -> None:
        channel.skipped += parcel.count
        if channel.room is not None:
            self.log(channel.room).positions.reached(channel.source, parcel.last)
        channel.done(parcel.last)
        channel.session.acknowledge(channel, parcel.cost)

    def _append(self, log: Log, channel: HubChannel, parcel: Parcel, observers_only: bool = False) -> None:
        source = channel.source
        after = parcel.first - 1 - channel.skipped
        header = (log.number, log.next, parcel.count, *source, after, parcel.first, parcel.room, channel.to, 0)
        aligned = bool(parcel.flags & ALIGNED)
        frame = tuple(encode(Op.DELIVER, *header, payload=[parcel.payload], aligned=aligned))
        if len(parcel.payload) < COPY_BELOW:
            frame = (join(frame),)
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
        )
        self._offer(log, entry)

    def _mark(self, log: Log, channel: HubChannel) -> None:
        epoch = channel.origin or self.epoch
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
        )
        if channel.origin is not None:
            log.positions.restored(channel.source, channel.start, channel.origin)
        self._offer(log, entry)

    def _offer(self, log: Log, entry: Entry) -> None:
        log.append(entry)
        self._appended += entry.count
        for cursor in log.cursors.values():
            session = self.sessions.get(cursor.instance)
            if session is not None:
                session.push(cursor)

    # -- time -----------------------------------------------------------------------------------------------------

    def grow_up(self) -> None:
        """
        Expect no more members of an earlier hub.
        """
        self.young = False
        self._departed.clear()
        for log in self._rooms.values():
            log.keep_all = False
            log.trim()
        for awaited in self.parking.awaited(Somebody):
            self.parking.retry(awaited)

    def sweep(self) -> None:
        """
        Forget what is not needed any more, and look again at what waits. To be called every second or so.
        """
        self.parking.sweep()
        if self._budget.exhausted:
            for log in self._rooms.values():
                log.trim(scarce=True)
        for waited in self.parking.awaited(Log):
            self.trimmed(waited)
        for log in [log for log in self._rooms.values() if len(log.positions) > MAX_SOURCES]:
            log.positions.forget(log.positions.senders().difference(self.sessions))
        if not self.young:
            idle = [log for log in self._rooms.values() if not log.cursors and Somebody(log.name) not in self.parking]
            for log in idle[: max(0, len(idle) - MAX_IDLE)]:
                if log.positions.senders().isdisjoint(self.sessions):
                    del self._rooms[log.name]

    def describe(self) -> list[dict[str, object]]:
        """
        Return what is known of each room that has members: name, members and bytes held.
        """
        return [
            {
                "room": name,
                "members": [[cursor.instance, str(cursor.mode)] for cursor in log.cursors.values()],
                "held": log.held,
            }
            for name, log in sorted(self._rooms.items())
            if log.cursors
        ]
