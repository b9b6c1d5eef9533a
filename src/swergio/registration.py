"""What a component declares before it is connected; the same words on both faces."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from swergio.alerting import Alert
from swergio.alerts import Band
from swergio.core import LOGGING_ROOM, Core
from swergio.dispatch import Handler
from swergio.errors import ConfigurationError
from swergio.membership import Since, joint, manner_of, past_of
from swergio.messages import Instance, check_name, check_open_room
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

    def alert(
        self,
        kpi: str,
        *,
        low: float | None = None,
        high: float | None = None,
        component: str | None = None,
        room: str = "alerts",
        patience: int = 3,
        recovery: int | None = None,
        window: int = 1,
    ) -> Alert:
        """
        Watch a KPI, and send a message when it leaves its band, and another one when it is back.

        The KPIs of all components are judged, those of this one too, in the order in which they come and without
        waiting for a handler. Each instance is judged for itself. It is *out* when ``patience`` values in a row were
        outside the band (NaN and infinity are), and back *in* when ``recovery`` in a row were inside; so an excursion
        is told once. With ``window`` above 1, the mean of so many values is judged.

        What is sent to ``room`` has the type ``LOG/ALERT`` and these data: ``kpi``; ``component`` and ``instance``;
        ``state`` (``"out"`` or ``"in"``); ``value``, as judged, ``step`` and ``time`` of the value that made it
        certain; ``since_step`` and ``since`` of the first in the row; ``low`` and ``high``. Times are seconds since
        the epoch, by the clock of whoever published the KPI. As with any message, the component itself gets it only
        by a handler with ``echo=True``.

        The component becomes a lossy member of ``_logging``: it holds nobody up, and what comes too fast for it is
        not judged, and counted in ``stats.dropped``.

        Args:
            kpi: The name of the KPI, as in `kpi`, or of a loss.
            low, high: The smallest and the largest value inside; one of them at least.
            component: Only the KPI of components of this name.
            room: Where alerts are sent.
            patience, recovery: How many values in a row; ``recovery`` is as ``patience`` unless said.
            window: The mean of so many values is judged, from when there are so many.

        Raises:
            InvalidName: the room or the component cannot be named so.
            ConfigurationError: the band makes no sense; or an asyncio component is connected already.
        """
        core = self._core
        band = Band(low, high, patience, patience if recovery is None else recovery, window)
        if component is not None:
            check_name(component, "component")
        made = Alert(core, kpi, band, component, check_open_room(room))
        self._enter(LOGGING_ROOM, manner_of(lossy=True))
        if core.refusal is None:
            core.loop.call_soon_threadsafe(core.add_tap, LOGGING_ROOM, made)
        else:
            core.add_tap(LOGGING_ROOM, made)
        core.indicators = (*core.indicators, made.take_own)
        return made

    def _add_handler(
        self, room: str, type: str | None, handler: Handler, manner: Manner, past: Callable[[], Past] = Past
    ) -> None:
        core = self._core
        known = core.rooms.get(room)
        if known is not None:
            joint(room, known, manner)  # a contradiction is told before anything is registered
        key = (room, None if type is None else str(type))
        core.handlers[key] = (*core.handlers.get(key, ()), handler)
        self._enter(room, manner, past)

    def _enter(self, room: str, manner: Manner, past: Callable[[], Past] = Past) -> None:
        """
        Be a member of a room, now or when the component starts.
        """
        core = self._core
        known = core.rooms.get(room)
        manner = manner if known is None else joint(room, known, manner)
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
