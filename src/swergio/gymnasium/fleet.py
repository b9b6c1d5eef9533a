"""Many far environments that are asked at once, on an event loop of their own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias, TypeVar

import swergio.asyncio
from swergio.errors import ConfigurationError, NoMembers, RequestTimeout
from swergio.gymnasium.calls import (
    CLOSE,
    HELLO,
    OPEN,
    EnvironmentsBusy,
    Session,
    clients_room,
    opened,
    refusal,
)
from swergio.messages import Instance
from swergio.portal import Portal
from swergio.presence import Presence

T = TypeVar("T")

CLOSE_SECONDS = 5.0

Question: TypeAlias = tuple[Session, str, Sequence[Any]]
"""A session, the type of a request, and what follows the session's id in its data."""


class Fleet:
    """
    The sessions of a vector of environments.

    A worker that leaves the room while it is asked ends the question at once: the hub tells who leaves.
    """

    def __init__(self, room: str, url: str | None, render_mode: str | None, timeout: float | None) -> None:
        self._room, self._render_mode, self._timeout = room, render_mode, timeout
        self._gone: set[str] = set()
        self._asked: dict[str, set[asyncio.Task[Any]]] = {}
        self._component = swergio.asyncio.Component("env-client", url)
        self._component.on_presence(room)(self._changed)
        self._closed = False
        self._portal = Portal("swergio environments")
        try:
            self._portal.call(self._start)
        except BaseException:
            self._portal.end(1)
            raise

    async def _start(self) -> None:
        await self._component.start()
        await self._component.join(clients_room(self._room), lossy=True)

    def open(self, indices: Sequence[int]) -> list[Session]:
        """
        Open a session for each of these, spread over the workers that are there.

        Raises:
            NoMembers: nobody served the room until the deadline.
            EnvironmentsBusy: all workers are full.
            HandlerFailed, RequestTimeout: a worker could not make an environment, or stayed silent.
        """
        return self._call(lambda: self._open_all(indices))

    def ask(self, questions: Sequence[Question]) -> list[Any]:
        """
        Ask all questions at once and return the answers in their order; in the place of one that failed, its error.
        """
        return self._call(lambda: self._ask_all(questions))

    def close(self, sessions: Sequence[Session]) -> None:
        """
        End these sessions and leave; what cannot be reached ends as this client leaves.
        """
        self._closed = True
        try:
            self._portal.call(lambda: self._close_all(sessions))
        finally:
            self._portal.end(1)

    def _call(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if self._closed:
            raise ConfigurationError(f"a call of the environments of {self._room!r} after close()")
        return self._portal.call(function)

    # -- on the loop ----------------------------------------------------------------------------------------------

    async def _open_all(self, indices: Sequence[int]) -> list[Session]:
        hello = await self._component.request(self._room, None, type=HELLO, timeout=self._timeout)
        group = hello["group"]
        workers = [member.instance for member in await self._component.members(self._room) if member.group == group]
        # Not a TaskGroup, which would leave it open whether those that it cancels have an environment by now.
        found = await asyncio.gather(*(self._open(workers, index) for index in indices), return_exceptions=True)
        sessions = [one for one in found if isinstance(one, Session)]
        for error in found:
            if isinstance(error, BaseException):
                await self._ask_all([(session, CLOSE, ()) for session in sessions])
                raise error
        return sessions

    async def _open(self, workers: Sequence[Instance], index: int) -> Session:
        id, refusals = uuid.uuid4().hex, []
        first = index % len(workers) if workers else 0
        for worker in (*workers[first:], *workers[:first]):
            try:
                answer = await self._request(worker, OPEN, [id, self._render_mode])
            except (NoMembers, _Left):
                continue
            if (text := refusal(answer)) is None:
                return opened(self._room, id, answer)
            refusals.append(text)
        raise EnvironmentsBusy(self._room, "; ".join(refusals) or "the workers that were there have left")

    async def _ask_all(self, questions: Sequence[Question]) -> list[Any]:
        return await asyncio.gather(*(self._ask(*question) for question in questions), return_exceptions=True)

    async def _ask(self, session: Session, type: str, data: Sequence[Any]) -> Any:
        try:
            return session.check(await self._request(session.worker, type, [session.id, *data]))
        except (NoMembers, _Left):
            raise session.lost("it has left") from None
        except RequestTimeout as exc:
            raise RequestTimeout(self._room, exc.seconds, missing=(session.worker,)) from None

    async def _request(self, worker: str, type: str, data: Any) -> Any:
        if worker in self._gone:
            raise _Left
        task = asyncio.current_task()
        assert task is not None
        asked = self._asked.setdefault(worker, set())
        asked.add(task)
        try:
            return await self._component.request(
                self._room, data, type=type, to=worker, timeout=self._timeout, wait=False
            )
        except asyncio.CancelledError:
            if worker in self._gone and task.uncancel() == 0:
                raise _Left from None
            raise
        finally:
            asked.discard(task)

    async def _changed(self, change: Presence) -> None:
        if change.joined:
            self._gone.discard(change.instance)
            return
        self._gone.add(change.instance)
        for task in self._asked.pop(change.instance, ()):
            task.cancel()

    async def _close_all(self, sessions: Sequence[Session]) -> None:
        self._timeout = CLOSE_SECONDS
        await self._ask_all([(session, CLOSE, ()) for session in sessions])
        await self._component.close()


class _Left(Exception):
    """
    The worker that was asked has left the room.
    """
