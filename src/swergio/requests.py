"""Requests and their replies: what a component has asked and who has answered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from swergio.channels import Channel
from swergio.errors import HandlerFailed, NoMembers, RequestError
from swergio.messages import Kind, Message
from swergio.received import Received, message_id


class Done(Protocol):
    """
    What a future of asyncio's and a `Latch` have in common.
    """

    def done(self) -> bool:
        """
        Whether it has a result.
        """

    def set_result(self, result: bool, /) -> None:
        """
        Give it its result.
        """


class Latch:
    """
    What one thread waits for and another one brings about.

    A `concurrent.futures.Future` can do more: to make, set and ask one takes 6.1 µs, a latch 0.9.
    """

    __slots__ = ("_done", "_shut")

    def __init__(self) -> None:
        self._done = False
        self._shut = threading.Lock()
        self._shut.acquire()

    def done(self) -> bool:
        """
        Whether it is open.
        """
        return self._done

    def set_result(self, result: bool, /) -> None:
        """
        Open it, once.
        """
        self._done = True
        self._shut.release()

    def wait(self, seconds: float) -> bool:
        """
        Wait until it is open; False if it is not in time. For one thread, which a signal interrupts.
        """
        return self._done or self._shut.acquire(timeout=max(0, min(seconds, threading.TIMEOUT_MAX)))


class Request:
    """
    One question, until it has all its answers or is given up.

    Args:
        room: Where it was asked.
        wanted: How many answers complete it, each from another instance.
        done: A future or a latch; its result is set, on the loop's thread, when the request is complete or has
            failed.
    """

    __slots__ = ("_done", "channel", "error", "number", "replies", "room", "wanted")

    def __init__(self, room: str, wanted: int, done: Done) -> None:
        self.room = room
        self.wanted = wanted
        self.replies: list[Message] = []
        self.error: RequestError | None = None
        self.channel: Channel | None = None
        self.number = 0
        self._done = done

    def answer(self, message: Message) -> bool:
        """
        Take a reply; False if there are enough, or its sender has answered already.
        """
        if len(self.replies) >= self.wanted or self.error is not None:
            return False
        if any(reply.sender == message.sender for reply in self.replies):
            return False
        self.replies.append(message)
        if message.kind is Kind.FAILED_REPLY and self.wanted == 1:
            self.error = HandlerFailed(self.room, message.sender, str(message.data))
        if len(self.replies) >= self.wanted or self.error is not None:
            self._complete()
        return True

    @property
    def complete(self) -> bool:
        """
        Whether it has all its answers, or was given up.
        """
        return self._done.done()

    def fail(self, error: RequestError) -> None:
        """
        End it with an error.
        """
        self.error = error
        self._complete()

    def _complete(self) -> None:
        if not self._done.done():
            self._done.set_result(True)


class Requests:
    """
    The open requests of a component. Replies that match none are counted as late.
    """

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._open: dict[str, Request] = {}
        self._lock = threading.Lock()
        self.late = 0

    def begin(self, request: Request, append: Callable[[], tuple[Channel, int]]) -> tuple[Channel, int]:
        """
        Send a request by ``append`` and wait for its replies; number 0 says that the outbox was full.

        Under one lock, since the reply may be here before the number of the request is known.
        """
        with self._lock:
            channel, number = append()
            if number:
                request.channel, request.number = channel, number
                self._open[message_id(self._instance, channel.number, number)] = request
            return channel, number

    def end(self, request: Request) -> None:
        """
        Wait no longer for a request; replies that still come are late.
        """
        if request.channel is not None:
            with self._lock:
                self._open.pop(message_id(self._instance, request.channel.number, request.number), None)

    def resolve(self, received: Received) -> None:
        """
        Hand a batch of replies to their requests.
        """
        for index in range(received.count):
            if not self.take(received, index):
                self.late += 1

    def take(self, received: Received, index: int) -> bool:
        """
        Hand one reply to its request, or feedback to what was asked as a request is; false if nobody waits for it.
        """
        with self._lock:
            request = self._open.get(received.parent(index) or "")
        return request is not None and request.answer(Message(received, index))

    def undeliverable(self, channel: int, first: int, count: int) -> None:
        """
        Fail the requests among messages that reached nobody.
        """
        for number in range(first, first + count):
            with self._lock:
                request = self._open.get(message_id(self._instance, channel, number))
            if request is not None:
                request.fail(NoMembers(request.room, 0))

    def fail_all(self, error: Callable[[str], RequestError]) -> None:
        """
        Fail everything that is open, with an error made for each room.
        """
        with self._lock:
            requests = list(self._open.values())
        for request in requests:
            request.fail(error(request.room))
