"""A room: its log, its members, the groups among them, and the value that it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from swergio.hub.cursors import Cursor
from swergio.hub.groups import Group
from swergio.hub.log import Log
from swergio.hub.positions import Source
from swergio.transport import Mode


class Kept(NamedTuple):
    """
    The last message that was sent to be kept: a batch of one, and where it stands in the log.
    """

    source: Source
    number: int
    offset: int
    payload: bytes


class Room:
    """
    One room.

    Attributes:
        name: What it is called.
        log: What was sent to it.
        members: The cursors of its members, by instance, in the order in which they joined: in its log, or in the log
            of what a group gave them.
        groups: By name.
        kept: What it keeps for those who join later.
    """

    __slots__ = ("groups", "kept", "log", "members", "name")

    def __init__(self, name: str, log: Log) -> None:
        self.name = name
        self.log = log
        self.members: dict[str, Cursor] = {}
        self.groups: dict[str, Group] = {}
        self.kept: Kept | None = None

    def answerable(self, sender: str) -> bool:
        """
        Whether there is a member who could answer a request of ``sender``.
        """
        return any(
            cursor.mode is not Mode.OBSERVER and (instance != sender or self._hears_itself(cursor))
            for instance, cursor in self.members.items()
        )

    def _hears_itself(self, cursor: Cursor) -> bool:
        # A seat's log holds only what its member shall have; which that is, the seat says.
        return cursor.echo if cursor.group is None else self.groups[cursor.group].seats[cursor.instance].echo

    def logs(self) -> Iterator[Log]:
        """
        Return its log, and those of the members of its groups.
        """
        yield self.log
        for group in self.groups.values():
            for seat in group.seats.values():
                yield seat.log

    @property
    def observed(self) -> bool:
        """
        Whether somebody wants to see the direct messages of the room.
        """
        return any(cursor.mode is Mode.OBSERVER for cursor in self.members.values())

    @property
    def idle(self) -> bool:
        """
        Whether nobody would miss it: it has no members, awaits none, and keeps nothing.
        """
        return not self.members and not self.groups and self.kept is None

    def slowest(self) -> str:
        """
        Return who holds the senders back.
        """
        slowest = self.log.slowest() or ""
        return f"the group {slowest[1:]!r}" if slowest.startswith("*") else slowest
