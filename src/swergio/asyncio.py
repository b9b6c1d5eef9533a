"""swergio for asyncio: the component whose methods are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, Self

from swergio.asking import Asking
from swergio.conversation import PLAIN, defaults, nobody_keeps
from swergio.core import LOGGING_ROOM, Core
from swergio.membership import Since, manner_of, past_of
from swergio.messages import MessageType, Phase, check_name
from swergio.passes import Passes
from swergio.people.asking import AsksPeople
from swergio.registration import Registration
from swergio.streams import Reading
from swergio.transport import Member

__all__ = ["Component"]


class Component(Passes, Asking, AsksPeople, Reading, Registration):
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

        Nodes with a checkpoint save what they learned since the last one.

        Returns:
            How many messages were not acknowledged and may be lost.

        Raises:
            CheckpointFailed: it could not be saved. The component is closed.
        """
        if self._thread is None:
            return 0
        thread, self._thread = self._thread, None
        left = await self._core.close()
        ended, _ = await asyncio.wait({thread}, timeout=self._core.settings.close_timeout)
        await asyncio.to_thread(self._keeper.finish, ended=bool(ended))
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

    async def join(
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
        manner = manner_of(lossy=lossy, observe=observe, echo=echo, group=group)
        await self._core.enter(check_name(room, "room"), manner, past_of(last, since, kept=kept))

    async def leave(self, room: str) -> None:
        """
        Cease to be a member. Messages that came before may still be handled.
        """
        await self._core.exit(room)

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

    async def will(
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
        await core.leave_will(core.draft(room, data, defaults(data, type, None)[0], to, meta))

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
        keep: bool = False,
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
            await core.room_made(full, room)
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
