"""swergio for asyncio: the component whose methods are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self

from swergio.conversation import check_answers, defaults, eligible, gather_error, request_error
from swergio.core import LOGGING_ROOM, Core
from swergio.errors import ConnectFailed, RequestError
from swergio.messages import Kind, Message, MessageType, Phase, check_name
from swergio.outbox import Channel
from swergio.passes import Passes
from swergio.registration import Registration
from swergio.requests import Request
from swergio.streams import Stream
from swergio.transport import Member, Mode

__all__ = ["Component"]


class Component(Passes, Registration):
    """
    A component of a process: it joins rooms, sends, and handles what comes.

    Example::

        async with Component("universe") as universe:
            print(await universe.request("galactic_chat", "Hello World!"))

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
        from swergio.settings import load

        self._core = Core(check_name(name, "component"), load(url, **settings), unique=unique, on_error=on_error)
        self._prepare_passes()
        self._thread: asyncio.Future[None] | None = None
        self._stopping: asyncio.Event | None = None

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> Self:
        """
        Connect, join the rooms of the handlers, and begin to handle messages. Does nothing if that was done.

        Raises:
            ConnectFailed: there is no hub, or it refuses (`AccessRefused`, `IncompatiblePeer`, `NameTaken`).
        """
        if self._thread is not None:
            return self
        self._stopping = asyncio.Event()
        self._core.stop = self._stopping.set
        await self._core.open()
        self._thread = self._core.loop.run_in_executor(None, self._core.dispatcher.run)
        return self

    async def close(self) -> int:
        """
        Send what is queued, under the setting ``close_timeout``, and disconnect.

        Returns:
            How many messages were not acknowledged and may be lost.
        """
        if self._thread is None:
            return 0
        thread, self._thread = self._thread, None
        left = await self._core.close()
        await asyncio.wait({thread}, timeout=self._core.settings.close_timeout)
        return left

    def stop(self) -> None:
        """
        Have `run` close the component and return. From the loop's thread, also inside a handler.
        """
        self._core.stop()

    async def run(self) -> None:
        """
        Start unless that was done, handle messages until `stop` is called or the task is cancelled, then close.

        Raises:
            Exception: what a handler raised, with ``on_error="raise"``; a `ConnectFailed` that is final.
        """
        if self._thread is None:
            await self.start()
        try:
            assert self._stopping is not None
            await self._stopping.wait()
        finally:
            await self.close()
        if self._core.crash is not None:
            raise self._core.crash

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- rooms ----------------------------------------------------------------------------------------------------

    async def join(self, room: str, *, lossy: bool = False, observe: bool = False, echo: bool = False) -> None:
        """
        Become a member of a room: every message that anyone sends there after this returned arrives.

        Args:
            room: The room.
            lossy: Skip messages (counted in ``stats.dropped``) rather than slow the senders down.
            observe: See the direct messages of the room too (feedback), lossily, and do not count as a member.
            echo: Receive own messages too.
        """
        self._core.check()
        mode = Mode.OBSERVER if observe else Mode.LOSSY if lossy else Mode.RELIABLE
        await self._core.transport.join(check_name(room, "room"), mode, echo)
        self._core.modes[room] = (mode, echo)

    async def leave(self, room: str) -> None:
        """
        Cease to be a member. Messages that came before may still be handled.
        """
        self._core.check()
        self._core.modes.pop(room, None)
        await self._core.transport.leave(room)

    async def members(self, room: str) -> list[Member]:
        """
        Return who is in a room now, in the order in which they joined.
        """
        self._core.check()
        found: list[Member] = await self._core.transport.ask("members", check_name(room, "room"))
        return found

    async def rooms(self) -> list[dict[str, Any]]:
        """
        Return every room of the deployment: name, members as (instance, mode), bytes held.
        """
        self._core.check()
        found: list[dict[str, Any]] = await self._core.transport.ask("rooms")
        return found

    # -- sending --------------------------------------------------------------------------------------------------

    async def send(
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
        this moment travels. A send to a room without members is no error. If the call is cancelled, nothing was sent.

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
        packed = core.pack(data)
        type, wants = defaults(data, type, phase)
        while True:
            channel, number = core.outbox.append(room, to, type, *packed, phase=phase, wants_feedback=wants, meta=meta)
            if number:
                return
            await core.room_made(channel, room)
            core.check()

    async def flush(self, timeout: float | None = None) -> None:
        """
        Return when everything that was sent is acknowledged: it is in the log of its room.

        Raises:
            TimeoutError: that took longer than ``timeout`` seconds.
        """
        self._core.check()
        async with asyncio.timeout(timeout):
            while self._core.outbox.unacknowledged:
                await self._core.transport.ask("sync")
                self._core.check()

    async def kpi(self, name: str, value: float, step: int | None = None) -> None:
        """
        Publish a key performance indicator: a ``LOG/KPI`` message in the room ``_logging``.
        """
        core = self._core
        core.check()
        core.append(LOGGING_ROOM, None, MessageType.KPI, core.pack(core.indicator(name, value, step=step)))

    # -- conversations --------------------------------------------------------------------------------------------

    async def request(
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
        request = await self._converse(room, data, 1, seconds, type=type, to=to, meta=meta, now=not wait)
        return request.replies[0].data

    async def gather(
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
        wanted = len(eligible(await self.members(room), self.instance)) if count is None else count
        request = await self._converse(room, data, max(1, wanted), seconds, type=type, to=None, meta=meta, now=False)
        return check_answers(request)

    async def _converse(
        self, room: str, data: Any, wanted: int, seconds: float, *, type: str | None, to: str | None,
        meta: Mapping[str, Any] | None, now: bool,
    ) -> Request:  # fmt: skip
        core = self._core
        core.check()
        core.check_room(room)
        packed = core.pack(data)
        type, _ = defaults(data, type, None)
        done: asyncio.Future[bool] = core.loop.create_future()
        request = Request(room, wanted, done)

        def append() -> tuple[Channel, int]:
            return core.outbox.append(room, to, type, *packed, kind=Kind.REQUEST, meta=meta, now=now)

        # A timer of its own: asyncio.timeout costs 6 µs more, of a round trip of a few hundred.
        timer = core.loop.call_later(seconds, _expire, done)
        try:
            while not core.requests.begin(request, append)[1] and not done.done():
                await core.room_made(core.outbox.channel_to(room, to), room, done)
            in_time = await done
        finally:
            timer.cancel()
            core.requests.end(request)
        if not in_time:
            raise await self.unanswered(request, seconds, to)
        if request.error is not None:
            raise request.error
        return request

    async def unanswered(self, request: Request, seconds: float, to: str | None) -> RequestError:
        """
        Take back a request whose deadline has passed, and say why it had no answer. Not for applications.
        """
        core = self._core
        if request.channel is not None:
            core.transport.withdraw(request.channel.number, request.number)
        try:
            async with asyncio.timeout(1):
                members = await core.transport.ask("members", request.room) if to is None else None
        except (TimeoutError, ConnectFailed):
            members = None
        if request.wanted > 1:
            return gather_error(request, seconds, members, self.instance)
        return request_error(request, seconds, members, self.instance)

    async def messages(
        self, room: str, *, lossy: bool = True, observe: bool = False, echo: bool = False
    ) -> AsyncIterator[Message]:
        """
        Iterate over the messages of a room as they come, as a lossy member unless said otherwise.

        The membership begins with the first step of the iteration and ends when the iterator is closed, unless the
        component was a member before. The iteration ends when the component is closed.
        """
        stream = Stream(self._core)
        core = self._core
        was_member = room in core.modes
        core.add_tap(room, stream)
        try:
            if not was_member:
                await self.join(room, lossy=lossy, observe=observe, echo=echo)
            while batch := await stream.next():
                for message in batch:
                    yield message
        finally:
            core.remove_tap(room, stream)
            stream.close()
            if not was_member and core.refusal is None:
                await self.leave(room)


def _expire(done: asyncio.Future[bool]) -> None:
    if not done.done():
        done.set_result(False)
