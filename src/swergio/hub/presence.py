"""Who wants to be told of joins and leaves."""

from __future__ import annotations

from swergio.codec.frames import Op
from swergio.hub.cursors import Cursor
from swergio.hub.sessions import Session


class Presence:
    """
    The watchers of the rooms.
    """

    def __init__(self) -> None:
        self._watchers: dict[str, set[Session]] = {}

    def watch(self, session: Session, room: str, *, wanted: bool) -> None:
        """
        Tell the session of joins and leaves, or no longer.
        """
        watchers = self._watchers.setdefault(room, set())
        if wanted:
            watchers.add(session)
            session.watching.add(room)
        else:
            watchers.discard(session)
            session.watching.discard(room)
        if not watchers:
            del self._watchers[room]

    def watch_only(self, session: Session, rooms: list[str]) -> None:
        """
        Tell the session of joins and leaves in these rooms and no others.
        """
        for room in session.watching.difference(rooms):
            self.watch(session, room, wanted=False)
        for room in rooms:
            self.watch(session, room, wanted=True)

    def announce(self, room: str, member: Cursor, *, joined: bool) -> None:
        """
        Tell those who watch the room that somebody is a member, or no longer.
        """
        for watcher in self._watchers.get(room, ()):
            watcher.tell(Op.PRESENCE, room, member.instance, joined, str(member.mode), member.group)
