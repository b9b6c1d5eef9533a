"""Who is in which room: joining and leaving, coming back, and what is forgotten with time. Pure logic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from swergio.hub.cursors import Cursor
from swergio.hub.directory import MAX_SOURCES, Directory
from swergio.hub.groups import Group, Seat
from swergio.hub.log import Log
from swergio.hub.placing import Placing, Somebody
from swergio.hub.positions import Position, Source
from swergio.hub.presence import Presence
from swergio.hub.room import Kept, Room
from swergio.hub.sessions import Session
from swergio.transport import Manner, Mode, Past

MAX_IDLE = 10_000  # rooms without members that are remembered, so that who comes back late can be told what it missed
AT_ONCE = 1000  # idle rooms that are looked at, or a tenth of those that are too many: so a second has 1 ms of it


class Joined(NamedTuple):
    """
    What a member begins with.

    Attributes:
        cursor: Its place.
        positions: Where those stand who may send more, or what it missed as it was a member before.
        begin: The offset of the first message that it wants, which may be inside a batch.
        until: What has a lower offset was sent before it joined.
        kept: The kept value, if it wants that and there is one.
    """

    cursor: Cursor
    positions: list[Position]
    begin: int
    until: int
    kept: Kept | None = None


class Rooms:
    """
    The members of every room, and every component of one hub.

    Args:
        directory: What there is.
        placing: Puts batches where they belong.
        group_grace: Seconds that a group without members is kept.
    """

    def __init__(self, directory: Directory, placing: Placing, group_grace: float) -> None:
        self._directory = directory
        self._placing = placing
        self._group_grace = group_grace
        self.presence = Presence()

    # -- joining and leaving --------------------------------------------------------------------------------------

    def join(self, session: Session, name: str, manner: Manner, past: Past) -> Joined:
        """
        Make the session a member of a room, or change how it is one.
        """
        room = self._directory.room(name)
        cursor = room.members.get(session.instance)
        if cursor is not None and cursor.group != manner.group:
            self.leave(session, name)
            cursor = None
        if cursor is not None:
            joined = self._change(room, cursor, manner)
        elif manner.group is not None:
            joined = self._sit_down(session, room, manner, past)
        else:
            joined = self._come_in(session, room, manner, past)
        session.push(joined.cursor)
        self._placing.arrived(name)
        return joined

    def _come_in(self, session: Session, room: Room, manner: Manner, past: Past) -> Joined:
        log = room.log
        index, begin = self._beginning(room, Cursor(log, session.instance, manner.mode, manner.echo, 0, 0, 0), past)
        cursor = log.add(session.instance, manner.mode, manner.echo, at=index)
        self._enter(session, room, cursor)
        sessions = self._directory.sessions
        positions = [at for at in log.positions_at(index) if at.sender in sessions]
        kept = room.kept if past.kept and room.kept is not None and room.kept.offset < begin else None
        return Joined(cursor, positions, begin, log.next, kept)

    def _beginning(self, room: Room, cursor: Cursor, past: Past) -> tuple[int, int]:
        if past.last is None and past.age is None:
            return room.log.end_index, room.log.next
        since = None if past.age is None else self._directory.now - past.age
        return room.log.past(cursor, past.last, since)

    def _sit_down(self, session: Session, room: Room, manner: Manner, past: Past) -> Joined:
        group = room.groups.get(manner.group or "")
        if group is None:
            name = f"*{manner.group}"
            index, _ = self._beginning(room, Cursor(room.log, name, Mode.RELIABLE, manner.echo, 0, 0, 0), past)
            group = self._found(room, manner, index)
        return self._take_seat(session, room, group, manner)

    def _found(self, room: Room, manner: Manner, index: int) -> Group:
        name = manner.group or ""
        # It gets what its members send too: another one of them may take it.
        cursor = room.log.add(f"*{name}", Mode.RELIABLE, echo=True, at=index, group=name)
        group = room.groups[name] = Group(name, cursor)
        return group

    def _take_seat(self, session: Session, room: Room, group: Group, manner: Manner) -> Joined:
        seat = Seat(session, self._directory.new_log(room.name), manner.echo, group.name)
        group.sit_down(seat)
        self._enter(session, room, seat.cursor)
        self._placing.hand_out(group)
        return Joined(seat.cursor, [], 0, 0)

    def _change(self, room: Room, cursor: Cursor, manner: Manner) -> Joined:
        if cursor.group is not None:
            room.groups[cursor.group].seats[cursor.instance].echo = manner.echo
            return Joined(cursor, [], 0, 0)
        heard_itself = cursor.echo
        changed = (cursor.mode, cursor.echo) != (manner.mode, manner.echo)
        cursor.log.change(cursor, manner.mode, manner.echo)
        self._placing.trimmed(cursor.log)
        missed = cursor.log.take_missed(cursor)
        if not heard_itself:
            at_hand = cursor.log.positions_at(cursor.pushed)
            missed += [position for position in at_hand if position.sender == cursor.instance]
        if changed:
            self.presence.announce(room.name, cursor, joined=True)
        return Joined(cursor, missed, 0, 0)

    def rejoin(self, session: Session, name: str, manner: Manner, offset: int | None) -> tuple[Cursor, bool]:
        """
        Let a member go on from ``offset``, if there is one; the second result says whether nothing is missing since.

        `appeared` is to be called when the component has been told.
        """
        room = self._directory.room(name)
        cursor = room.members.get(session.instance)
        if cursor is not None and cursor.group != manner.group:
            self.leave(session, name)
            cursor = None
        if cursor is None and manner.group is not None:
            group = room.groups.get(manner.group) or self._found(room, manner, room.log.base_index)
            return self._take_seat(session, room, group, manner).cursor, True
        if cursor is None:
            cursor = room.log.add(session.instance, manner.mode, manner.echo, at=room.log.base_index)
            self._enter(session, room, cursor)
        elif cursor.group is None and (cursor.mode, cursor.echo) != (manner.mode, manner.echo):
            cursor.log.change(cursor, manner.mode, manner.echo)
        return cursor, cursor.log.resume(cursor, offset)

    def heard(self, name: str, group: str, numbers: Iterable[tuple[str, int, int]]) -> None:
        """
        Take what one of a group was given by an earlier hub.
        """
        known = self._directory.rooms[name].groups[group].heard
        for sender, channel, number in numbers:
            source = Source(sender, channel)
            known[source] = max(number, known.get(source, 0))

    def _enter(self, session: Session, room: Room, cursor: Cursor) -> None:
        room.members[session.instance] = cursor
        self._directory.idle.pop(room.name, None)
        session.rooms[room.name] = cursor
        session.cursors[cursor.log.number] = cursor
        self.presence.announce(room.name, cursor, joined=True)

    def leave(self, session: Session, name: str) -> None:
        """
        End a membership, if there is one.
        """
        cursor = session.rooms.pop(name, None)
        if cursor is None:
            return
        room = self._directory.rooms[name]
        session.cursors.pop(cursor.log.number, None)
        session.ready.pop(cursor, None)
        del room.members[session.instance]
        self.presence.announce(name, cursor, joined=False)
        if cursor.group is None:
            cursor.log.remove(session.instance)
            self._placing.trimmed(cursor.log)
        else:
            group = room.groups[cursor.group]
            group.stand_up(session.instance, self._directory.now)
            if not group.seats:
                self._directory.deserted[group] = room
            self._placing.hand_out(group)
        if room.idle:
            self._directory.idle[name] = room

    def members(self, name: str) -> list[Cursor]:
        """
        Return the members of a room in the order in which they joined.
        """
        room = self._directory.rooms.get(name)
        return list(room.members.values()) if room else []

    # -- components -----------------------------------------------------------------------------------------------

    def add(self, session: Session) -> None:
        """
        Add a component.
        """
        self._directory.add(session)
        for log in session.lanes:
            session.cursors[log.number] = log.add(session.instance, Mode.RELIABLE, echo=True)

    def appeared(self, session: Session) -> None:
        """
        Offer what waits for the component; called when its connection is ready for it.
        """
        for where in (session.instance, session.instance.name, *session.rooms):
            self._placing.arrived(where)
        for cursor in session.rooms.values():
            self._placing.trimmed(cursor.log)

    def remove(self, session: Session, *, orderly: bool) -> None:
        """
        Forget a component: it leaves every room, and its inbox goes with it. Its will is sent, unless it said goodbye.
        """
        session.alive = False
        session.look_away()
        if self._directory.young:
            self._placing.departed.add(session.instance)
        self._directory.remove(session)
        self.presence.watch_only(session, [])
        for room in list(session.rooms):
            self.leave(session, room)
        self._placing.close(session)
        for log in session.lanes:
            log.remove(session.instance)
            self._placing.trimmed(log)
        if not orderly:
            self._placing.bequeath(session)
        self._placing.arrived(session.instance)

    # -- time -----------------------------------------------------------------------------------------------------

    def grow_up(self) -> None:
        """
        Expect no more members of an earlier hub.
        """
        self._directory.young = False
        self._placing.departed.clear()
        for room in self._directory.rooms.values():
            for group in room.groups.values():
                group.compare(room.log.positions)
            room.log.keep_all = False
            room.log.trim()
        parking = self._placing.parking
        for awaited in parking.awaited(Somebody):
            parking.retry(awaited)

    def sweep(self) -> None:
        """
        Forget what is not needed any more, and look again at what waits. To be called every second or so.
        """
        directory, parking = self._directory, self._placing.parking
        parking.sweep()
        if directory.budget.exhausted:
            for room in directory.rooms.values():
                room.log.trim(scarce=True)
        for log in parking.awaited(Log):
            self._placing.trimmed(log)
        self._forget_sources()
        self._disband()
        if not directory.young:
            self._forget_idle()

    def _forget_sources(self) -> None:
        directory = self._directory
        for name, room in list(directory.crowded.items()):
            crowded = [log.positions for log in room.logs() if len(log.positions) > MAX_SOURCES]
            for positions in crowded:
                positions.forget(positions.senders().difference(directory.sessions))
            if not crowded:
                del directory.crowded[name]

    def _disband(self) -> None:
        directory = self._directory
        for group, room in list(directory.deserted.items()):
            if group.seats:
                del directory.deserted[group]
            elif directory.now - group.empty_since >= self._group_grace:
                del directory.deserted[group]
                self._placing.give_up(group)
                del room.groups[group.name]
                room.log.remove(group.cursor.instance)
                self._placing.trimmed(room.log)
                if room.idle:
                    directory.idle[room.name] = room

    def _forget_idle(self) -> None:
        directory, parking = self._directory, self._placing.parking
        surplus = len(directory.idle) - MAX_IDLE
        for _ in range(min(surplus, max(AT_ONCE, surplus // 10))):
            name, room = directory.idle.popitem(last=False)
            if not room.idle:
                continue  # it keeps something now
            if Somebody(name) in parking or not room.log.positions.senders().isdisjoint(directory.sessions):
                directory.idle[name] = room  # somebody waits here, or may send more
                continue
            room.log.history = 0
            room.log.trim()
            directory.forget(room)

    def describe(self) -> list[dict[str, object]]:
        """
        Return what is known of each room that has members: name, members, and bytes held.
        """
        return [
            {
                "room": name,
                "members": [[cursor.instance, str(cursor.mode), cursor.group] for cursor in room.members.values()],
                "held": room.log.held,
            }
            for name, room in sorted(self._directory.rooms.items())
            if room.members
        ]
