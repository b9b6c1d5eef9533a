"""What a component declares before it is connected; the same words on both faces."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from swergio.core import Core
from swergio.dispatch import Handler
from swergio.errors import ConfigurationError
from swergio.membership import Since, joint, manner_of, past_of
from swergio.messages import Instance, check_name
from swergio.stats import Stats
from swergio.transport import NOTHING, Guarantees, Manner, Past

H = TypeVar("H", bound=Callable[..., Any])


class Registration:
    """
    The declarations of a component: its handlers and nodes.
    """

    _core: Core

    @property
    def name(self) -> str:
        """
        The component's name, shared by its replicas.
        """
        return self._core.instance.name

    @property
    def instance(self) -> Instance:
        """
        The id of this running component; messages addressed to it reach nobody else.
        """
        return self._core.instance

    @property
    def guarantees(self) -> Guarantees:
        """
        What the transport promises. Known once the component is connected.

        Raises:
            ComponentClosed: it is not.
        """
        self._core.check()
        return self._core.transport.guarantees

    @property
    def stats(self) -> Stats:
        """
        What it has counted since it began.
        """
        return self._core.collect_stats()

    def on(
        self,
        room: str,
        type: str | None = None,
        *,
        lossy: bool = False,
        echo: bool = False,
        group: str | None = None,
        last: int | None = None,
        since: Since | None = None,
        kept: bool = False,
    ) -> Callable[[H], H]:
        """
        Register a handler for the messages of a room, and make the component a member of it.

        The handler is called with each `Message`, in the order of arrival, one at a time with all other handlers of
        the component: a plain function on the dispatching thread, an ``async def`` function on the event loop. What
        it returns is the reply, if the message was a request (``None`` too). If it raises, the component goes on.

        Args:
            room: The room; handlers of one room and type are called in the order of their registration.
            type: Only messages of this type; None for those that no other handler of the room is registered for.
            lossy: Skip messages (counted) rather than slow the senders down.
            echo: Receive the component's own messages too.
            group: Share the messages of the room with the others of this group; see `join`.
            last, since, kept: What was sent before, if the room still has it; see `join`.

        Raises:
            InvalidName: the room or the group cannot be named so.
            ConfigurationError: an asyncio component is connected and has not joined the room; or the arguments
                contradict each other, or those of another handler of the room.
        """
        check_name(room, "room")
        manner = manner_of(lossy=lossy, echo=echo, group=group)
        past = partial(past_of, last, since, kept=kept)  # how long ago ``since`` is counts when the room is joined
        past()  # a mistake in it is told here

        def register(function: H) -> H:
            self._add_handler(room, type, Handler(function), manner, past)
            return function

        return register

    def on_presence(self, room: str) -> Callable[[H], H]:
        """
        Register a function that is called with a `Presence` for each join and leave in a room.

        It is called first for those who are there when the component connects. To watch a room is not to be in it. A
        component whose connection broke has left when it is given up (the setting ``hub.session_grace``), and so has
        one that was killed. What happened while this component was away is told when it is back, in one step for each
        instance.

        Raises:
            InvalidName: the room cannot be named so.
        """
        check_name(room, "room")

        def register(function: H) -> H:
            self._core.watchers.add(room, Handler(function, answers=False))
            return function

        return register

    def on_loss(self, function: H) -> H:
        """
        Register a function that is called with each `Loss`: messages that this component will never get.
        """
        self._core.loss_handlers += (Handler(function, answers=False),)
        return function

    def _add_handler(
        self, room: str, type: str | None, handler: Handler, manner: Manner, past: Callable[[], Past] = Past
    ) -> None:
        core = self._core
        known = core.rooms.get(room)
        manner = manner if known is None else joint(room, known, manner)
        key = (room, None if type is None else str(type))
        core.handlers[key] = (*core.handlers.get(key, ()), handler)
        if past() != NOTHING:
            core.pasts[room] = past
        if known != manner:
            core.rooms[room] = manner
            self._ensure_joined(room, manner, past())

    def _ensure_joined(self, room: str, manner: Manner, past: Past) -> None:
        """
        Join a room that a handler was just registered for, if the component is connected.
        """
        if self._core.refusal is None:
            raise ConfigurationError(
                f"{self.name!r} is connected and not in room {room!r}",
                remedy="Register handlers before it starts, or await join(room) first",
            )
