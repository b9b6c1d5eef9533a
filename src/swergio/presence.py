"""Who comes and goes in the rooms that a component watches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from swergio.dispatch import Handler, Work, by_lane
from swergio.errors import SwergioError
from swergio.messages import Instance
from swergio.transport import Member, Mode

if TYPE_CHECKING:
    from swergio.dispatch import Dispatcher
    from swergio.transport import Transport

log = logging.getLogger("swergio.component")


class Presence(NamedTuple):
    """
    A component joined a room or left it, or changed how it takes part.

    Attributes:
        room: The room.
        instance: Who.
        joined: It is a member now; false: it has left, was closed, or is given up.
        mode, group: How it is, or was, a member.
    """

    room: str
    instance: Instance
    joined: bool
    mode: Mode
    group: str | None


class Owner(Protocol):
    """
    The component, as far as watching needs it.
    """

    instance: Instance
    refusal: SwergioError | None
    transport: Transport
    dispatcher: Dispatcher
    loop: asyncio.AbstractEventLoop


class Watchers:
    """
    The watched rooms of a component, and what is called with each change. On the loop, but for `add`.
    """

    def __init__(self, core: Owner) -> None:
        self._core = core
        self._handlers: dict[str, tuple[Handler, ...]] = {}
        self._followers: dict[str, tuple[Callable[[Presence], None], ...]] = {}
        self._known: dict[str, dict[Instance, Member]] = {}
        self._changes = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def add(self, room: str, handler: Handler) -> None:
        """
        Have ``handler`` called with the changes in a room. From any thread.
        """
        self._handlers[room] = (*self._handlers.get(room, ()), handler)
        if self._core.refusal is None:
            self._core.loop.call_soon_threadsafe(self._begin, room)

    def follow(self, room: str, function: Callable[[Presence], None]) -> None:
        """
        Have ``function`` called with the changes in a room, on the loop and at once: not behind the work of handlers.
        """
        self._followers[room] = (*self._followers.get(room, ()), function)
        self._begin(room)

    async def opened(self) -> None:
        """
        Watch the rooms that handlers are registered for; who is there is told when this returns.
        """
        for room in self._handlers:
            await self._look(room)

    def presence(self, room: str, member: Member, joined: bool) -> None:
        """
        Take what the transport tells.
        """
        self._changes += 1
        if room in self._known:
            self._note(room, member, joined=joined)

    def connected(self) -> None:
        """
        The connection is back: find out what happened meanwhile.
        """
        for room in {*self._known, *self._followers}:
            self._begin(room)

    def close(self) -> None:
        """
        Watch nothing any more.
        """
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def _begin(self, room: str) -> None:
        if room not in self._tasks:
            task = asyncio.create_task(self._look(room), name=f"swergio watch of {room}")
            self._tasks[room] = task
            task.add_done_callback(lambda _: self._tasks.pop(room, None))

    async def _look(self, room: str) -> None:
        asked = -1
        members: list[Member] = []
        try:
            while asked != self._changes:  # what was told while the answer was on its way may be newer
                asked = self._changes
                members = await self._core.transport.ask("watch", room)
        except SwergioError as exc:
            log.warning("%s cannot know who is in %r: %s", self._core.instance, room, exc)
            return
        known = self._known.setdefault(room, {})
        there = {member.instance for member in members}
        for member in [member for instance, member in known.items() if instance not in there]:
            self._note(room, member, joined=False)
        for member in members:
            self._note(room, member, joined=True)

    def _note(self, room: str, member: Member, *, joined: bool) -> None:
        known = self._known[room]
        if joined and known.get(member.instance) != member:
            known[member.instance] = member
            self._tell(room, member, joined=True)
        elif not joined and known.pop(member.instance, None) is not None:
            self._tell(room, member, joined=False)

    def _tell(self, room: str, member: Member, *, joined: bool) -> None:
        change = Presence(room, member.instance, joined, member.mode, member.group)
        for follow in self._followers.get(room, ()):
            follow(change)
        for same_lane in by_lane(self._handlers.get(room, ())):
            self._core.dispatcher.submit(Work(same_lane, None, (change,), same_lane[0].is_async))
