"""Who is in the rooms that passes go through, kept up to date by watching them.

Until it was answered who is there (at first, and after the connection was broken) a roster is *unsettled*: who owes
feedback on a message that is sent now is unknown.

A group owes as one: any of its members may be given the message, and if one leaves another one is. It stands in the
roster as ``*`` and its name, which no instance is called.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from swergio.errors import SwergioError
from swergio.passes.waits import Signal
from swergio.transport import Member, Mode

if TYPE_CHECKING:
    from swergio.core import Core

log = logging.getLogger("swergio.passes")


class Roster:
    """
    Those in one room who can take part in a pass: reliable members without this component, and groups.
    """

    __slots__ = ("before", "changes", "groups", "members", "settled", "waiting")

    def __init__(self) -> None:
        self.members: frozenset[str] = frozenset()
        self.groups: dict[str, str] = {}  # by instance, as it stands in ``members``
        self.before: frozenset[str] = frozenset()  # who was there when the connection broke
        self.settled = False
        self.changes = 0
        self.waiting: list[Signal] = []

    def enter(self, member: Member) -> None:
        """
        Note a member.
        """
        self.leave(member.instance)
        if member.group is not None:
            self.groups[member.instance] = group = f"*{member.group}"
            self.members |= {group}
        elif member.mode is Mode.RELIABLE:
            self.members |= {member.instance}

    def leave(self, instance: str) -> str | None:
        """
        Note that somebody left; return whose feedback will not come now. That of a group still may.
        """
        group = self.groups.pop(instance, None)
        if group is None and instance in self.members:
            self.members -= {instance}
            return instance
        if group is not None and group not in self.groups.values():
            self.members -= {group}
        return None


class Rosters:
    """
    The watched rooms of a component. Changed on the loop, read from any thread.

    Args:
        core: The component.
        left: Called with a room and who left it.
    """

    def __init__(self, core: Core, left: Callable[[str, str], None]) -> None:
        self._core = core
        self._left = left
        self._rooms: dict[str, Roster] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._lock = threading.Lock()

    def watches(self, room: str) -> bool:
        """
        Whether the room is watched.
        """
        return room in self._rooms

    def gone(self, room: str, instances: frozenset[str]) -> frozenset[str]:
        """
        Return those of ``instances``, who were in a room, that have left it.
        """
        roster = self._rooms.get(room)
        return frozenset() if roster is None else instances - roster.members

    def owing(self, room: str, sender: str) -> str:
        """
        Return who owed what ``sender`` sends: itself, or the group that it is in.
        """
        roster = self._rooms.get(room)
        return sender if roster is None else roster.groups.get(sender, sender)

    def unsettled(self, room: str) -> bool:
        """
        Whether it is being found out who is in a room.
        """
        return room in self._tasks

    def members(self, room: str, changed: Signal | None = None) -> frozenset[str] | None:
        """
        Return who could answer in a room now; None if that is not known.

        Args:
            changed: Set once when the answer may have changed.
        """
        roster = self._rooms.get(room)
        if roster is None:
            return None
        if changed is not None:
            with self._lock:
                roster.waiting.append(changed)
        return roster.members if roster.settled else None

    def forget(self, room: str, changed: Signal) -> None:
        """
        Nobody waits for the signal any more.
        """
        roster = self._rooms.get(room)
        with self._lock:
            if roster is not None and changed in roster.waiting:
                roster.waiting.remove(changed)

    # -- on the loop ----------------------------------------------------------------------------------------------

    async def watch(self, room: str) -> None:
        """
        Watch a room from now on; its roster is settled when this returns.
        """
        self.begin(room)
        task = self._tasks.get(room)
        if task is not None:
            await asyncio.shield(task)

    def begin(self, room: str) -> None:
        """
        Begin to watch a room.
        """
        if room not in self._rooms:
            self._rooms[room] = Roster()
            self._ask(room, "watch")

    def presence(self, room: str, member: Member, joined: bool) -> None:
        """
        Somebody came or went.
        """
        roster = self._rooms.get(room)
        if roster is None or member.instance == self._core.instance:
            return
        roster.changes += 1
        if joined:
            roster.enter(member)
            self._changed(roster)
            return
        gone = roster.leave(member.instance)
        self._changed(roster)
        if gone is not None:
            self._left(room, gone)

    def connected(self, resumed: bool) -> None:
        """
        The connection is back: what happened meanwhile was not told.

        A hub that was started again does not know everyone yet: whoever is missing there may come back.
        """
        for room, roster in self._rooms.items():
            roster.changes += 1
            roster.before = (roster.before | roster.members) if resumed else frozenset()
            self._ask(room, "members")
            roster.settled = False

    def close(self) -> None:
        """
        Watch nothing any more.
        """
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        rosters = list(self._rooms.values())
        self._rooms.clear()
        for roster in rosters:
            self._changed(roster)

    def _ask(self, room: str, verb: str) -> None:
        if room not in self._tasks:  # a question that is under way is asked again when something changed
            self._tasks[room] = asyncio.create_task(self._settle(room, verb), name=f"swergio roster of {room}")

    async def _settle(self, room: str, verb: str) -> None:
        roster = self._rooms[room]
        try:
            members = await self._found(roster, room, verb)
            roster.members, roster.groups = frozenset(), {}
            for member in members:
                if member.instance != self._core.instance:
                    roster.enter(member)
            roster.settled = True
        except SwergioError as exc:
            log.warning("%s cannot know who is in %r: %s", self._core.instance, room, exc)
        finally:
            self._tasks.pop(room, None)
            self._changed(roster)
        gone, roster.before = roster.before - roster.members, frozenset()
        for instance in gone:
            if not instance.startswith("*"):
                self._left(room, instance)

    async def _found(self, roster: Roster, room: str, verb: str) -> list[Member]:
        asked = -1
        members: list[Member] = []
        while roster.changes != asked:  # what was told while the answer was on its way may be newer
            asked = roster.changes
            members = await self._core.transport.ask(verb, room)
        return members

    def _changed(self, roster: Roster) -> None:
        with self._lock:
            waiting, roster.waiting = roster.waiting, []
        for signal in waiting:
            signal.set()
