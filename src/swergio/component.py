"""The plain face of a component: for scripts, notebooks and training loops.

A thin door to `swergio.asyncio.Component`, whose loop runs in a thread of its own. ``send`` does not go through the
door: it appends to the outbox, which the loop empties, and wakes the loop once for as much as it then finds.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self

import swergio.asyncio
from swergio.conversation import check_answers, defaults, eligible
from swergio.core import LOGGING_ROOM, Core
from swergio.errors import UsedAfterFork
from swergio.messages import Kind, Message, MessageType, Phase
from swergio.outbox import Channel
from swergio.passes import PlainPasses
from swergio.portal import Portal, stop_on_sigterm
from swergio.registration import Registration
from swergio.requests import Request
from swergio.streams import PlainStream
from swergio.transport import Member, Mode

_open: set[Component] = set()


class Component(PlainPasses, Registration):
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
        self._portal = Portal(f"{self.name} I/O")
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

        Returns:
            How many messages were not acknowledged and may be lost.
        """
        portal, self._portal = self._portal, None
        _open.discard(self)
        if portal is None or isinstance(self._core.refusal, UsedAfterFork):
            return 0
        left = portal.call(self._core.close)
        if self._dispatching is not None and self._dispatching is not threading.current_thread():
            self._dispatching.join(self._core.settings.close_timeout)
        self._dispatching = None
        portal.end(1)
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
        with stop_on_sigterm(self._stop), contextlib.suppress(KeyboardInterrupt):
            try:
                if self._portal is None:
                    self._connect()
                if self._dispatching is None:
                    self._core.dispatcher.run()
                else:
                    self._stopped.wait()
            finally:
                self.close()
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

    def _ensure_joined(self, room: str, mode: Mode, echo: bool) -> None:
        if self._core.refusal is None:
            self._door().call(lambda: self._core.transport.join(room, mode, echo))

    # -- rooms ----------------------------------------------------------------------------------------------------

    def join(self, room: str, *, lossy: bool = False, observe: bool = False, echo: bool = False) -> None:
        """
        Become a member of a room: every message that anyone sends there after this returned arrives.

        Args:
            room: The room.
            lossy: Skip messages (counted in ``stats.dropped``) rather than slow the senders down.
            observe: See the direct messages of the room too (feedback), lossily, and do not count as a member.
            echo: Receive own messages too.
        """
        self._door().call(lambda: self._inner.join(room, lossy=lossy, observe=observe, echo=echo))

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

        Raises:
            UnsupportedBody, MessageTooLarge, InvalidName: nothing was sent.
            Backlog: the outbox stayed full for ``send_timeout``; nothing was sent.
            ComponentClosed, UsedAfterFork, ConnectFailed: the component cannot send any more.
        """
        core = self._core
        core.check()
        core.check_room(room)
        body, segments = core.pack(data)
        type, wants = defaults(data, type, phase)
        while True:
            channel, number = core.outbox.append(
                room, to, type, body, segments, phase=phase, wants_feedback=wants, meta=meta
            )
            if number:
                return
            core.wait_for_room(channel, room)
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

    # -- conversations --------------------------------------------------------------------------------------------

    def request(
        self,
        room: str,
        data: Any,
        *,
        timeout: float | None = None,
        type: str | None = None,
        to: str | None = None,
        meta: Mapping[str, Any] | None = None,
        wait: bool = True,
    ) -> Any:
        """
        Ask and return the data of the first reply. Can be used inside a handler.

        Args:
            room, data, type, to, meta: As `send`.
            timeout: Seconds until the reply must be here; by default the setting ``request_timeout``.
            wait: Wait for a first member of the room until the deadline; false: fail at once if there is none.

        Raises:
            NoMembers: nobody who could answer was there until the deadline.
            RequestTimeout: members stayed silent.
            HandlerFailed: the handler that should have answered raised.
        """
        seconds = self._core.settings.request_timeout if timeout is None else timeout
        return self._converse(room, data, 1, seconds, type=type, to=to, meta=meta, now=not wait).replies[0].data

    def gather(
        self,
        room: str,
        data: Any,
        *,
        count: int | None = None,
        timeout: float | None = None,
        type: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> list[Message]:
        """
        Ask everyone in a room and return ``count`` replies of different members, in the order of their arrival.

        Args:
            room, data, type, meta: As `send`.
            count: How many replies to wait for; by default, of everyone who is in the room now.
            timeout: Seconds; by default the setting ``request_timeout``.

        Raises:
            RequestTimeout: fewer came; names the members that stayed silent.
            NoMembers: nobody was there.
            HandlerFailed: a handler that should have answered raised.
        """
        seconds = self._core.settings.request_timeout if timeout is None else timeout
        wanted = len(eligible(self.members(room), self.instance)) if count is None else count
        request = self._converse(room, data, max(1, wanted), seconds, type=type, to=None, meta=meta, now=False)
        return check_answers(request)

    def _converse(
        self, room: str, data: Any, wanted: int, seconds: float, *, type: str | None, to: str | None,
        meta: Mapping[str, Any] | None, now: bool,
    ) -> Request:  # fmt: skip
        # Without a call through the door: the reply wakes this thread directly, which saves 0.1 ms of a round trip.
        core = self._core
        core.check()
        core.check_room(room)
        packed = core.pack(data)
        type, _ = defaults(data, type, None)
        done: concurrent.futures.Future[bool] = concurrent.futures.Future()
        request = Request(room, wanted, done)
        deadline = time.monotonic() + seconds

        def append() -> tuple[Channel, int]:
            return core.outbox.append(room, to, type, *packed, kind=Kind.REQUEST, meta=meta, now=now)

        try:
            # The wait is outside of ``begin``, whose lock the loop needs to take the replies that make room.
            while not core.requests.begin(request, append)[1]:
                core.wait_for_room(core.outbox.channel_to(room, to), room)
                core.check()
            done.result(max(0, deadline - time.monotonic()))
        except TimeoutError:
            raise self._door().call(lambda: self._inner.unanswered(request, seconds, to)) from None
        finally:
            core.requests.end(request)
        if request.error is not None:
            raise request.error
        return request

    def messages(
        self, room: str, *, lossy: bool = True, observe: bool = False, echo: bool = False
    ) -> Iterator[Message]:
        """
        Iterate over the messages of a room as they come, as a lossy member unless said otherwise.

        The membership begins with the first step of the iteration and ends when the iterator is closed, unless the
        component was a member before. The iteration ends when the component is closed.
        """
        stream = PlainStream()
        portal, core = self._door(), self._core
        was_member = room in core.modes
        portal.soon(core.add_tap, room, stream)
        try:
            if not was_member:
                self.join(room, lossy=lossy, observe=observe, echo=echo)
            while (received := stream.batches.get()) is not None:
                for index in range(received.count):
                    yield Message(received, index)
                portal.soon(core.release, received)
        finally:
            portal.soon(core.remove_tap, room, stream)
            if not was_member and core.refusal is None:
                self.leave(room)


@atexit.register
def _close_all() -> None:
    for component in list(_open):
        if not isinstance(component._core.refusal, UsedAfterFork):  # noqa: SLF001
            warnings.warn(f"component {component.name!r} was not closed", ResourceWarning, stacklevel=1)
        component.close()
