"""Asking people: items are handed to the desks of a room, one to each at a time, until all are answered.

The asker addresses each item to one desk, so that nobody sits before a pile while another one has nothing to do, as
those who share a group's messages in advance would. It looks once a second who is there: a person takes longer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from swergio.asking import begin
from swergio.channels import Channel
from swergio.core import Core
from swergio.errors import NoMembers, RequestTimeout, SwergioError
from swergio.messages import Instance, MessageType
from swergio.people.answers import AnswerKind, Text
from swergio.people.items import Answer, Item
from swergio.portal import Portal
from swergio.requests import Request

log = logging.getLogger("swergio.people")

LOOK = 1.0  # seconds between looks at who is there
_NONE: Any = object()


class AsksPeople:
    """
    The part of the asyncio component that asks people.
    """

    _core: Core

    async def ask_human(
        self,
        room: str,
        items: Iterable[Any],
        *,
        question: str | None = None,
        answer: AnswerKind | None = None,
        timeout: float | None = None,
        patience: float | None = None,
        default: Any = _NONE,
    ) -> list[Answer]:
        """
        Have the people at the desks of a room answer items, and return their answers in the order of the items.

        Each desk (``swergio desk ROOM``, or `swergio.people.desk`) gets one item at a time. One that is skipped, or
        whose desk leaves, goes to another desk. Answers that come too late are dropped and counted
        (``stats.unmatched_feedback``). If the call is cancelled, items may still be shown until their time is over.

        Args:
            room: The room of the desks.
            items: What is shown: text, numbers, arrays, `swergio.people.Media`; or a `swergio.people.Item`, which has a
                question and a kind of answer of its own.
            question: What is asked about each.
            answer: What may be answered: `swergio.people.Choice`, `Rating`, `Number` or `Text` (the default).
            timeout: Seconds for all; by default the setting ``request_timeout``.
            patience: Seconds after which an item without an answer goes to another desk as well; the first answer
                counts. Without it, one desk has it for as long as it is there.
            default: The value of items that nobody has answered by the deadline.

        Raises:
            RequestTimeout, NoMembers: without a ``default``, some were not answered; nobody was there.
            UnsupportedBody, MessageTooLarge, InvalidName: nothing was asked.
        """
        asked = _Asked(self._core, room, items, question, answer, timeout)
        return await asked.answers(patience, default)


class PlainAsksPeople:
    """
    The part of the plain component that asks people.
    """

    _core: Core

    def _door(self) -> Portal:
        raise NotImplementedError

    def ask_human(
        self,
        room: str,
        items: Iterable[Any],
        *,
        question: str | None = None,
        answer: AnswerKind | None = None,
        timeout: float | None = None,
        patience: float | None = None,
        default: Any = _NONE,
    ) -> list[Answer]:
        """
        Have the people at the desks of a room answer items, and return their answers in the order of the items.

        Each desk (``swergio desk ROOM``, or `swergio.people.desk`) gets one item at a time. One that is skipped, or
        whose desk leaves, goes to another desk. Answers that come too late are dropped and counted
        (``stats.unmatched_feedback``). Can be used inside a handler.

        Args:
            room: The room of the desks.
            items: What is shown: text, numbers, arrays, `swergio.people.Media`; or a `swergio.people.Item`, which has a
                question and a kind of answer of its own.
            question: What is asked about each.
            answer: What may be answered: `swergio.people.Choice`, `Rating`, `Number` or `Text` (the default).
            timeout: Seconds for all; by default the setting ``request_timeout``.
            patience: Seconds after which an item without an answer goes to another desk as well; the first answer
                counts. Without it, one desk has it for as long as it is there.
            default: The value of items that nobody has answered by the deadline.

        Raises:
            RequestTimeout, NoMembers: without a ``default``, some were not answered; nobody was there.
            UnsupportedBody, MessageTooLarge, InvalidName: nothing was asked.
        """
        asked = _Asked(self._core, room, items, question, answer, timeout)
        return self._door().call(lambda: asked.answers(patience, default))


class _Question(NamedTuple):
    """
    An item at a desk.
    """

    item: int
    desk: Instance
    since: float


class _Asked:
    """
    One call of ``ask_human``.

    Raises:
        UnsupportedBody, MessageTooLarge, InvalidName: an item cannot travel, or no room is called so.
    """

    def __init__(
        self,
        core: Core,
        room: str,
        items: Iterable[Any],
        question: str | None,
        answer: AnswerKind | None,
        timeout: float | None,
    ) -> None:
        self._core, self._room = core, room
        self._seconds = core.settings.request_timeout if timeout is None else timeout
        kind = Text() if answer is None else answer
        until = time.time() + self._seconds
        self._items = [item if isinstance(item, Item) else Item(item, question, kind) for item in items]
        self._packed = [core.prepare(room, item.body(until)) for item in self._items]
        self._found: list[Answer | None] = [None] * len(self._items)
        self._waiting = deque(range(len(self._items)))
        self._seen: list[set[Instance]] = [set() for _ in self._items]
        self._open: dict[Request, _Question] = {}
        self._desks: Sequence[Instance] = ()
        self._met = False

    async def answers(self, patience: float | None, default: Any) -> list[Answer]:
        """
        Return all answers. On the loop.
        """
        self._answered = asyncio.Event()
        try:
            async with asyncio.timeout(self._seconds):
                while None in self._found:
                    await self._look(patience)
                    await self._hand_out()
                    await self._wait()
        except TimeoutError as exc:
            if isinstance(exc, SwergioError):
                raise
            self._take_answers()
        finally:
            for request in self._open:
                self._core.requests.end(request)
        return self._result(default)

    async def _look(self, patience: float | None) -> None:
        """
        See who is there, and take items back from those who are not, or take too long.
        """
        self._core.check()
        members = await self._core.transport.ask("members", self._room)
        # Whoever only looks on is in no group.
        self._desks = [one.instance for one in members if one.group is not None and one.instance != self._core.instance]
        self._met = self._met or bool(self._desks)
        now = time.monotonic()
        for request, question in list(self._open.items()):
            if question.desk not in self._desks:
                self._take_back(request)
            elif patience is not None and now - question.since > patience and question.item not in self._waiting:
                self._waiting.appendleft(question.item)

    async def _hand_out(self) -> None:
        busy = {question.desk for question in self._open.values()}
        for desk in self._desks:
            if desk not in busy:
                index = next((index for index in self._waiting if desk not in self._seen[index]), None)
                if index is not None:
                    await self._give(index, desk)

    async def _give(self, index: int, desk: Instance) -> None:
        core, packed = self._core, self._packed[index]
        done: asyncio.Future[bool] = core.loop.create_future()
        done.add_done_callback(lambda _: self._answered.set())
        request = Request(self._room, 1, done)

        def append() -> tuple[Channel, int]:
            return core.outbox.append(self._room, desk, MessageType.CUSTOM, *packed, wants_feedback=True)

        await begin(core, request, done, self._room, desk, append)
        self._waiting.remove(index)
        self._seen[index].add(desk)
        self._open[request] = _Question(index, desk, time.monotonic())

    async def _wait(self) -> None:
        if self._open or not self._desks:
            try:
                async with asyncio.timeout(LOOK):
                    await self._answered.wait()
            except TimeoutError:
                return
        else:
            await asyncio.sleep(LOOK)  # all who are there have skipped what is left
        self._answered.clear()
        self._take_answers()

    def _take_answers(self) -> None:
        for request, question in list(self._open.items()):
            if not request.complete:
                continue
            if not request.replies:  # the desk was gone, or this component is closed, which the next look will tell
                self._take_back(request)
                continue
            del self._open[request]
            answer = self._read(request, self._items[question.item])
            if self._found[question.item] is None and answer is not None:
                self._found[question.item] = answer
            self._put_back(question.item)

    def _read(self, request: Request, item: Item) -> Answer | None:
        """
        Return the answer; None if the desk has skipped the item, or says what is no answer to it.
        """
        label = request.replies[0]
        try:
            data = dict(label.data)
            if "skipped" in data:
                log.info("%s skipped an item in %r: %s", label.sender, self._room, data["skipped"])
                return None
            return Answer(item.answer.check(data.get("answer")), label.sender, float(data.get("seconds", 0.0)))
        except (TypeError, ValueError) as exc:
            log.warning("%s gave no answer to an item in %r: %s", label.sender, self._room, exc)
            return None

    def _take_back(self, request: Request) -> None:
        question = self._open.pop(request)
        self._core.requests.end(request)
        self._put_back(question.item)

    def _put_back(self, index: int) -> None:
        """
        Have an item wait that is not answered and at no desk; one that is answered waits for nobody.
        """
        there = any(question.item == index for question in self._open.values())
        if self._found[index] is not None and index in self._waiting:
            self._waiting.remove(index)
        elif self._found[index] is None and not there and index not in self._waiting:
            self._waiting.append(index)

    def _result(self, default: Any) -> list[Answer]:
        missing = self._found.count(None)
        if missing and default is _NONE:
            if not self._met:
                raise NoMembers(self._room, self._seconds)
            asked = tuple(dict.fromkeys(question.desk for question in self._open.values()))
            total = len(self._items)
            raise RequestTimeout(self._room, self._seconds, total - missing, total, asked)
        return [Answer(default) if answer is None else answer for answer in self._found]
