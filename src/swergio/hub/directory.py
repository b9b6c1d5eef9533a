"""What there is in a hub: components, the names that they share, rooms, and the memory that all logs have together."""

from __future__ import annotations

from collections import OrderedDict
from itertools import count

from swergio.hub.groups import Group
from swergio.hub.log import LOSSY_SHARE, Budget, Log
from swergio.hub.room import Room
from swergio.hub.sessions import HubChannel, Session
from swergio.messages import Instance

MAX_SOURCES = 8192  # of a log, before those that have gone are forgotten


class Directory:
    """
    Everything that can be looked up.

    Args:
        room_limit: Cost that one log holds for reliable members.
        memory_limit: Cost that all logs together hold.
        history_limit: Cost that a room keeps of what nobody needs any more.
        now: The time at which it begins to exist.

    Attributes:
        idle: The rooms that nobody would miss (`Room.idle`), those that have been so for longest first. It is kept up,
            as are ``crowded`` and ``deserted``, because looking for them among 100,000 rooms took the hub 0.1 s each
            second.
        crowded: Rooms in whose logs too many senders may be known.
        deserted: Groups without members, and their rooms.
    """

    def __init__(self, room_limit: int, memory_limit: int, history_limit: int, now: float) -> None:
        self.sessions: dict[str, Session] = {}
        self.rooms: dict[str, Room] = {}
        self.idle: OrderedDict[str, Room] = OrderedDict()
        self.crowded: dict[str, Room] = {}
        self.deserted: dict[Group, Room] = {}
        self.budget = Budget(memory_limit)
        self.young = True  # for a while after the start, members of a hub that died are expected back
        self.appended = 0  # messages, to all logs
        self.now = now
        self._room_limit = room_limit
        self._history_limit = history_limit
        self._names: dict[str, dict[str, Session]] = {}
        self._numbers = count(1)

    def room(self, name: str) -> Room:
        """
        Return a room, made if it is new.
        """
        room = self.rooms.get(name)
        if room is None:
            log = self.new_log(name)
            log.history = min(self._history_limit, self._room_limit // LOSSY_SHARE)
            log.keep_all = self.young
            room = self.rooms[name] = self.idle[name] = Room(name, log)
        return room

    def met(self, room: Room) -> None:
        """
        Note that somebody sent to a room for the first time.
        """
        if len(room.log.positions) > MAX_SOURCES:
            self.crowded[room.name] = room

    def forget(self, room: Room) -> None:
        """
        Remove a room that nobody would miss.
        """
        del self.rooms[room.name]
        self.idle.pop(room.name, None)
        self.crowded.pop(room.name, None)

    def new_log(self, name: str) -> Log:
        """
        Return a new log. Its offsets begin above all that were given out, so that an old one is known to be old.
        """
        return Log(name, next(self._numbers), self._room_limit, self.budget, self.appended)

    def add(self, session: Session) -> None:
        """
        Add a component.
        """
        self.sessions[session.instance] = session
        self._names.setdefault(session.instance.name, {})[session.instance] = session

    def remove(self, session: Session) -> None:
        """
        Remove a component.
        """
        del self.sessions[session.instance]
        replicas = self._names[session.instance.name]
        del replicas[session.instance]
        if not replicas:
            del self._names[session.instance.name]

    def named(self, name: str) -> list[Session]:
        """
        Return the components of a name.
        """
        return list(self._names.get(name, {}).values())

    def addressed(self, to: str) -> list[Session]:
        """
        Return the components that a name, or an instance, stands for.
        """
        return [self.sessions[to]] if to in self.sessions else self.named(to)

    def inboxes(self, channel: HubChannel) -> list[Log]:
        """
        Return the logs that a channel to a component leads to.
        """
        return [session.lanes[channel.lane] for session in self.addressed(channel.to or "")]

    def channel(self, sender: str, number: int) -> HubChannel | None:
        """
        Return a channel of a component that is here.
        """
        session = self.sessions.get(Instance(sender))
        return None if session is None else session.channels.get(number)
