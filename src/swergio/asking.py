"""Asking: requests, questions to everyone, and many questions over a group; on both faces."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from swergio.channels import Channel
from swergio.conversation import check_answers, defaults, eligible, gather_error, map_error, request_error
from swergio.core import Core
from swergio.errors import ConnectFailed, RequestError, SwergioError
from swergio.messages import Kind, Message
from swergio.portal import Portal
from swergio.requests import Latch, Request
from swergio.transport import Member

Append: TypeAlias = Callable[[], tuple[Channel, int]]


def _appending(
    core: Core, room: str, data: Any, *, type: str | None, to: str | None, meta: Mapping[str, Any] | None, now: bool
) -> Append:
    """
    Check and pack a question; return what appends it to the outbox.
    """
    packed = core.prepare(room, data)
    type, _ = defaults(data, type, None)
    return lambda: core.outbox.append(room, to, type, *packed, kind=Kind.REQUEST, meta=meta, now=now)


async def begin(
    core: Core, request: Request, done: asyncio.Future[bool], room: str, to: str | None, append: Append
) -> None:
    """
    Send a request as soon as the outbox takes it, unless it is ``done`` before.

    Raises:
        Backlog: the outbox stayed full.
    """
    while not core.requests.begin(request, append)[1] and not done.done():
        await core.room_made(core.outbox.channel_to(room, to), room, done)


class Asking:
    """
    The part of the asyncio component that asks.
    """

    _core: Core

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
        append = _appending(self._core, room, data, type=type, to=to, meta=meta, now=not wait)
        request = await self._converse(room, 1, seconds, append, to)
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
            count: How many replies to wait for; by default, of everyone who is in the room now, a group counting once.
            timeout: Seconds; by default the setting ``request_timeout``.

        Raises:
            RequestTimeout: fewer came; names the members that stayed silent.
            NoMembers: nobody was there.
            HandlerFailed: a handler that should have answered raised.
        """
        core = self._core
        seconds = core.settings.request_timeout if timeout is None else timeout
        append = _appending(core, room, data, type=type, to=None, meta=meta, now=False)
        if count is None:
            count = _answers_of(await core.transport.ask("members", room), core)
        return check_answers(await self._converse(room, max(1, count), seconds, append, None))

    async def map(
        self,
        room: str,
        items: Iterable[Any],
        *,
        timeout: float | None = None,
        type: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """
        Ask one question for each item, all at once, and return the data of the replies in the order of the items.

        If the members of the room are a group, they share the questions; a question whose worker dies goes to another.

        Args:
            room, type, meta: As `send`.
            items: The data of the questions.
            timeout: Seconds until all replies must be here; by default the setting ``request_timeout``.

        Raises:
            RequestTimeout: some did not come in time.
            NoMembers: nobody who could answer was there until the deadline.
            HandlerFailed: a handler raised; the other questions are given up.
        """
        core = self._core
        seconds = core.settings.request_timeout if timeout is None else timeout
        requests: dict[Request, asyncio.Future[bool]] = {}
        try:
            async with asyncio.timeout(seconds):
                for item in items:
                    append = _appending(core, room, item, type=type, to=None, meta=meta, now=False)
                    done: asyncio.Future[bool] = core.loop.create_future()
                    request = Request(room, 1, done)
                    requests[request] = done
                    await begin(core, request, done, room, None, append)
                for request, done in requests.items():
                    await done
                    if request.error is not None:
                        raise request.error
        except TimeoutError as exc:
            if isinstance(exc, SwergioError):
                raise
            raise await _unanswered_map(core, [*requests], room, seconds) from None
        finally:
            _withdraw(core, [*requests])
        return [request.replies[0].data for request in requests]

    async def _converse(self, room: str, wanted: int, seconds: float, append: Append, to: str | None) -> Request:
        core = self._core
        done: asyncio.Future[bool] = core.loop.create_future()
        request = Request(room, wanted, done)
        # A timer of its own: asyncio.timeout costs 6 µs more, of a round trip of a few hundred.
        timer = core.loop.call_later(seconds, _expire, done)
        try:
            await begin(core, request, done, room, to, append)
            in_time = await done
        finally:
            timer.cancel()
            core.requests.end(request)
        if not in_time:
            raise await _unanswered(core, request, seconds, to)
        if request.error is not None:
            raise request.error
        return request


class PlainAsking:
    """
    The part of the plain component that asks.

    Questions do not go through the door to the loop: the reply wakes the thread that waits directly, which saves 0.1 ms
    of a round trip.
    """

    _core: Core

    def _door(self) -> Portal:
        raise NotImplementedError

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
        append = _appending(self._core, room, data, type=type, to=to, meta=meta, now=not wait)
        return self._converse(room, 1, seconds, append, to).replies[0].data

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
            count: How many replies to wait for; by default, of everyone who is in the room now, a group counting once.
            timeout: Seconds; by default the setting ``request_timeout``.

        Raises:
            RequestTimeout: fewer came; names the members that stayed silent.
            NoMembers: nobody was there.
            HandlerFailed: a handler that should have answered raised.
        """
        core = self._core
        seconds = core.settings.request_timeout if timeout is None else timeout
        append = _appending(core, room, data, type=type, to=None, meta=meta, now=False)
        if count is None:
            count = _answers_of(self._door().call(lambda: core.transport.ask("members", room)), core)
        return check_answers(self._converse(room, max(1, count), seconds, append, None))

    def map(
        self,
        room: str,
        items: Iterable[Any],
        *,
        timeout: float | None = None,
        type: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """
        Ask one question for each item, all at once, and return the data of the replies in the order of the items.

        If the members of the room are a group, they share the questions; a question whose worker dies goes to another.

        Args:
            room, type, meta: As `send`.
            items: The data of the questions.
            timeout: Seconds until all replies must be here; by default the setting ``request_timeout``.

        Raises:
            RequestTimeout: some did not come in time.
            NoMembers: nobody who could answer was there until the deadline.
            HandlerFailed: a handler raised; the other questions are given up.
        """
        core, portal = self._core, self._door()
        seconds = core.settings.request_timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        requests: dict[Request, Latch] = {}
        try:
            for item in items:
                append = _appending(core, room, item, type=type, to=None, meta=meta, now=False)
                request = Request(room, 1, done := Latch())
                requests[request] = done
                self._begin(request, room, None, append)
            for request, done in requests.items():
                if not done.wait(deadline - time.monotonic()):
                    raise portal.call(lambda: _unanswered_map(core, [*requests], room, seconds))
                if request.error is not None:
                    raise request.error
        finally:
            portal.soon(_withdraw, core, [*requests])
        return [request.replies[0].data for request in requests]

    def _converse(self, room: str, wanted: int, seconds: float, append: Append, to: str | None) -> Request:
        core = self._core
        request = Request(room, wanted, done := Latch())
        deadline = time.monotonic() + seconds
        try:
            self._begin(request, room, to, append)
            if not done.wait(deadline - time.monotonic()):
                raise self._door().call(lambda: _unanswered(core, request, seconds, to))
        finally:
            core.requests.end(request)
        if request.error is not None:
            raise request.error
        return request

    def _begin(self, request: Request, room: str, to: str | None, append: Append) -> None:
        # The wait is outside of ``begin``, whose lock the loop needs to take the replies that make room.
        core = self._core
        while not core.requests.begin(request, append)[1]:
            core.wait_for_room(core.outbox.channel_to(room, to), room)
            core.check()


def _answers_of(members: Sequence[Member], core: Core) -> int:
    # One of each member, and one of each group.
    others = eligible(members, core.instance)
    groups = {member.instance: member.group for member in members}
    return len({groups[instance] or instance for instance in others})


async def _unanswered(core: Core, request: Request, seconds: float, to: str | None) -> RequestError:
    """
    Take back a request whose deadline has passed, and say why it had no answer.
    """
    if request.channel is not None:
        core.transport.withdraw(request.channel.number, request.number)
    members = await _known_members(core, request.room) if to is None else None
    if request.wanted > 1:
        return gather_error(request, seconds, members, core.instance)
    return request_error(request, seconds, members, core.instance)


async def _unanswered_map(core: Core, requests: Sequence[Request], room: str, seconds: float) -> RequestError:
    return map_error(requests, room, seconds, await _known_members(core, room), core.instance)


async def _known_members(core: Core, room: str) -> list[Member] | None:
    try:
        async with asyncio.timeout(1):
            members: list[Member] = await core.transport.ask("members", room)
    except (TimeoutError, ConnectFailed):
        return None
    return members


def _withdraw(core: Core, requests: Sequence[Request]) -> None:
    """
    Wait no more for these, and have those that reached nobody yet reach nobody. On the loop.
    """
    for request in requests:
        core.requests.end(request)
        if request.channel is not None and not request.complete and core.refusal is None:
            core.transport.withdraw(request.channel.number, request.number)


def _expire(done: asyncio.Future[bool]) -> None:
    if not done.done():
        done.set_result(False)
