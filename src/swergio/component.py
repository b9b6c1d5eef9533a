"""The plain face of a component: for scripts, notebooks and training loops.

A thin door to `swergio.asyncio.Component`, whose loop runs in a thread of its own. ``send`` does not go through the
door: it appends to the outbox, which the loop empties, and wakes the loop once for as much as it then finds.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, Self

import swergio.asyncio
from swergio.asking import PlainAsking
from swergio.conversation import PLAIN, defaults, nobody_keeps
from swergio.core import LOGGING_ROOM, Core
from swergio.dispatch import left_a_handler
from swergio.errors import UsedAfterFork
from swergio.membership import Since
from swergio.messages import MessageType, Phase
from swergio.passes import PlainPasses
from swergio.people.asking import PlainAsksPeople
from swergio.portal import Portal, stop_on_sigterm
from swergio.registration import Registration
from swergio.streams import PlainReading
from swergio.transport import Manner, Member, Past

_open: set[Component] = set()


class Component(PlainPasses, PlainAsking, PlainAsksPeople, PlainReading, Registration):
    """
    A component of a process: it joins rooms, sends, and handles what comes.

    Example::

        world = swergio.Component("world")

        @world.on("galactic_chat", "DATA/TEXT")
        def reply(message):
            return "Hello Universe!"

        world.run()

    Used in a ``with`` block, or between `start` and `close`, its handlers run on a thread of their own; `run` has
    them run on the calling thread. Its methods may be called from any thread, and inside plain handlers.

    Args:
        name: What it is called; replicas share a name.
        url: The deployment, such as ``ws://host:7300``. Without one here or in the settings it is the user's own
            hub, started if none answers.
        unique: Refuse to connect while another component of the name is connected.
        on_error: ``"log"``: a handler that raises is logged and reported, and the component goes on; ``"raise"``:
            the component stops, and `run` raises what the handler did.
        settings: Any setting of `swergio.settings.Settings`, such as ``token`` or ``send_timeout``.

    Raises:
        ConfigurationError: a setting is wrong.
        InvalidName: the name cannot be used.
    """

    _inner: swergio.asyncio.Component

    def __init__(
        self,
        name: str,
        url: str | None = None,
        *,
        unique: bool = False,
        on_error: Literal["log", "raise"] = "log",
        **settings: Any,
    ) -> None:
        self._inner = swergio.asyncio.Component(name, url, unique=unique, on_error=on_error, **settings)
        self._core: Core = self._inner._core  # noqa: SLF001  one component, two faces
        self._prepare_passes()
        self._portal: Portal | None = None
        self._dispatching: threading.Thread | None = None
        self._stopped = threading.Event()

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """
        Connect, join the rooms of the handlers, and begin to handle messages on a thread of its own.

        Does nothing if that was done.

        Raises:
            ConnectFailed: there is no hub, or it refuses (`AccessRefused`, `IncompatiblePeer`, `NameTaken`).
        """
        if self._portal is not None:
            return self
        self._connect()
        run = self._core.dispatcher.run
        self._dispatching = threading.Thread(target=run, name=f"{self.name} handlers", daemon=True)
        self._dispatching.start()
        return self

    def _connect(self) -> None:
        self._stopped.clear()
        self._core.stop = self._stop
        self._portal = Portal(f"{self.name} I/O", self._core.settings.loop)
        try:
            self._portal.call(self._core.open)
        except BaseException:
            self._portal.end(1)
            self._portal = None
            raise
        _open.add(self)

    def close(self) -> int:
        """
        Send what is queued, under the setting ``close_timeout``, and disconnect. Closing twice does nothing.

        Nodes with a checkpoint save what they learned since the last one.

        Returns:
            How many messages were not acknowledged and may be lost.

        Raises:
            CheckpointFailed: it could not be saved. The component is closed.
        """
        return self._close()

    def _close(self, *, interrupted: bool = False) -> int:
        portal, self._portal = self._portal, None
        _open.discard(self)
        if portal is None or isinstance(self._core.refusal, UsedAfterFork):
            return 0
        left = portal.call(self._core.close)
        ended = True
        if self._dispatching is not None and self._dispatching is not threading.current_thread():
            self._dispatching.join(self._core.settings.close_timeout)
            ended = not self._dispatching.is_alive()
        self._dispatching = None
        portal.end(1)
        self._keeper.finish(ended=ended and not interrupted)
        return left

    def stop(self) -> None:
        """
        Have `run` close the component and return after the message that is being handled. From any thread.
        """
        self._stop()

    def _stop(self) -> None:
        self._stopped.set()
        if self._portal is not None:
            self._core.dispatcher.halt()

    def run(self) -> None:
        """
        Connect unless that was done, and handle messages on this thread until `stop`, Ctrl-C or SIGTERM; then close.

        Raises:
            ConnectFailed: there is no hub, or it refuses.
            Exception: what a handler raised, with ``on_error="raise"``.
        """
        interrupted = False
        with stop_on_sigterm(self._stop), contextlib.suppress(KeyboardInterrupt):
            try:
                if self._portal is None:
                    self._connect()
                if self._dispatching is None:
                    self._core.dispatcher.run()
                else:
                    self._stopped.wait()
            except KeyboardInterrupt as exc:
                interrupted = left_a_handler(exc)
                raise
            finally:
                self._close(interrupted=interrupted)
        if self._core.crash is not None:
            raise self._core.crash

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _door(self) -> Portal:
        self._core.check()
        assert self._portal is not None
        return self._portal

    def _ensure_joined(self, room: str, manner: Manner, past: Past) -> None:
        if self._core.refusal is None:
            self._door().call(lambda: self._core.transport.join(room, manner, past))

    # -- rooms ----------------------------------------------------------------------------------------------------

    def join(
        self,
        room: str,
        *,
        lossy: bool = False,
        observe: bool = False,
        echo: bool = False,
        group: str | None = None,
        last: int | None = None,
        since: Since | None = None,
        kept: bool = False,
    ) -> None:
        """
        Become a member of a room: every message that anyone sends there after this returned arrives.

        A room keeps some of what all its members have handled (the setting ``hub.history_limit``), and as its *kept
        value* the last message that was sent with ``keep=True``. Who asks for that gets it before anything newer, in
        order; ``message.past`` tells it from what was sent since.

        Args:
            room: The room.
            lossy: Skip messages (counted in ``stats.dropped``) rather than slow the senders down.
            observe: See the direct messages of the room too (feedback), lossily, and do not count as a member.
            echo: Receive own messages too.
            group: Share the messages of the room with the other members of this group: each goes to one of them. What
                a member had not finished when it left or died goes to another, with ``message.attempt`` above 0.
            last: The newest so many messages, of those that are still there.
            since: The messages since then (seconds since the epoch, or a datetime), of those that are still there.
            kept: The kept value of the room.

        Raises:
            InvalidName: the room or the group cannot be named so.
            ConfigurationError: the arguments contradict each other, or the transport has no groups.
        """
        self._door().call(
            lambda: self._inner.join(
                room, lossy=lossy, observe=observe, echo=echo, group=group, last=last, since=since, kept=kept
            )
        )

    def leave(self, room: str) -> None:
        """
        Cease to be a member. Messages that came before may still be handled.
        """
        self._door().call(lambda: self._inner.leave(room))

    def members(self, room: str) -> list[Member]:
        """
        Return who is in a room now, in the order in which they joined.
        """
        return self._door().call(lambda: self._inner.members(room))

    def rooms(self) -> list[dict[str, Any]]:
        """
        Return every room of the deployment: name, members as (instance, mode), bytes held.
        """
        return self._door().call(self._inner.rooms)

    def will(
        self,
        room: str,
        data: Any,
        *,
        type: str | None = None,
        to: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Leave a message that is sent when this component is gone without having closed: killed, or away for too long.

        It can be left before the component starts, or at any time after; the last one counts. It is in force when this
        returns, or when the component has started. `close` takes it back.

        Args:
            room, data, type, to, meta: As `send`; a will takes 64 KiB at most.

        Raises:
            UnsupportedBody, MessageTooLarge, InvalidName: the one before stays in force.
        """
        core = self._core
        draft = core.draft(room, data, defaults(data, type, None)[0], to, meta)
        if self._portal is None:
            core.note_will(draft)
        else:
            self._door().call(lambda: core.leave_will(draft))

    # -- sending --------------------------------------------------------------------------------------------------

    def send(
        self,
        room: str,
        data: Any,
        *,
        type: str | None = None,
        to: str | None = None,
        phase: Phase | None = None,
        meta: Mapping[str, Any] | None = None,
        keep: bool = False,
    ) -> None:
        """
        Send to everyone in a room, or to one component. Queues and returns; waits only while the outbox is full.

        Messages to one room (or one component) arrive in the order in which they were sent. The value of ``data`` at
        this moment travels. A send to a room without members is no error.

        Args:
            room: The room.
            data: The body: what msgpack carries, and arrays, at any depth.
            type: The message type; by default ``DATA/TEXT`` for text and ``DATA/CUSTOM`` for anything else.
            to: A component name (every instance of it) or an instance: only they get the message.
            phase: `Phase.TRAIN` or `Phase.VALIDATE`, for messages that begin a pass.
            meta: What is to be known about the message beside its body; handed on along a pass.
            keep: The room keeps the message as its value, until the next one is sent so, for those who join later and
                ask for it. Not with ``to``.

        Raises:
            UnsupportedBody, MessageTooLarge, InvalidName: nothing was sent.
            Backlog: the outbox stayed full for ``send_timeout``; nothing was sent.
            ComponentClosed, UsedAfterFork, ConnectFailed: the component cannot send any more.
        """
        core = self._core
        body, segments = core.prepare(room, data)
        type, wants = defaults(data, type, phase)
        if keep and to is not None:
            raise nobody_keeps(room, to)
        key = (room, to, type, PLAIN, phase, wants, False, keep)
        while (full := core.outbox.add(key, body, segments, meta)) is not None:
            core.wait_for_room(full, room)
            core.check()

    def flush(self, timeout: float | None = None) -> None:
        """
        Return when everything that was sent is acknowledged: it is in the log of its room.

        Raises:
            TimeoutError: that took longer than ``timeout`` seconds.
        """
        self._door().call(lambda: self._inner.flush(timeout))

    def kpi(self, name: str, value: float, step: int | None = None) -> None:
        """
        Publish a key performance indicator: a ``LOG/KPI`` message in the room ``_logging``.
        """
        core = self._core
        core.check()
        core.append(LOGGING_ROOM, None, MessageType.KPI, core.pack(core.indicator(name, value, step=step)))


@atexit.register
def _close_all() -> None:
    for component in list(_open):
        if not isinstance(component._core.refusal, UsedAfterFork):  # noqa: SLF001
            warnings.warn(f"component {component.name!r} was not closed", ResourceWarning, stacklevel=1)
        component.close()
