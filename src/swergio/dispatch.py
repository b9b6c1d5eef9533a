"""Dispatch: handlers run one at a time and in arrival order; plain ones on a thread, async ones on the loop.

Theory of operation. All messages of a batch have one room and type, so handlers are looked up and threads are crossed
once per batch. There are two lanes: a queue that the dispatching thread reads (the thread that called ``run``, or one
of its own), and a task on the loop. Only one lane works at a time: work for the other one is held until this one has
finished, which keeps the order of a component that has handlers of both sorts.

While a receiver does not take the answers (feedback, replies) of this component, messages that would make more of them
are stayed, and feedback goes on: so components that answer each other cannot all wait for one another.

The thread notes what it has finished in a deque; the loop collects it by a timer (20 ms), and is woken only when it
waits for more or when much has been finished: waking it for each batch would cost more than handling a small one, and
not waking it for large ones would leave a window of a few arrays closed for most of those 20 ms.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import isawaitable, iscoroutinefunction
from itertools import groupby
from types import CoroutineType
from typing import Any

from swergio.messages import Kind, Message
from swergio.received import Received

log = logging.getLogger("swergio.dispatch")

COLLECT_DELAY = 0.02
COLLECT_BATCHES = 64
COLLECT_BYTES = 512 * 1024
LOOK_UP = 0.5


@dataclass(frozen=True)
class Handler:
    """
    A function that takes messages (or other items); ``answers`` says that what it returns is the reply to a request.
    """

    function: Callable[[Any], Any]
    answers: bool = True

    @cached_property
    def is_async(self) -> bool:
        """
        Whether it runs on the loop. Kept: finding it out takes five calls, and it is asked for each batch.
        """
        return iscoroutinefunction(self.function)


def left_a_handler(exc: BaseException) -> bool:
    """
    Whether an exception ended a plain handler on its way: one that no handler's mistake is, such as Ctrl-C.

    Read off the traceback, so that it costs nothing while messages are handled.
    """
    trace = exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is Dispatcher._handle.__code__:  # noqa: SLF001
            return True
        trace = trace.tb_next
    return False


def by_lane(handlers: tuple[Handler, ...]) -> list[tuple[Handler, ...]]:
    """
    Return the handlers in their order, in runs that are of one sort.
    """
    if len(handlers) == 1:
        return [handlers]
    return [tuple(group) for _, group in groupby(handlers, key=lambda handler: handler.is_async)]


@dataclass(slots=True, eq=False)
class Work:
    """
    Something for handlers to do, in order: messages of one batch, or (without one) the ``items`` themselves.
    """

    handlers: tuple[Handler, ...]
    received: Received | None
    items: Sequence[Any]
    on_loop: bool

    @property
    def replies(self) -> bool:
        """
        Whether somebody waits for what the handlers return.
        """
        return self.received is not None and self.received.kind is Kind.REQUEST

    @property
    def answerable(self) -> bool:
        """
        Whether handling it may make answers.
        """
        return self.received is not None and self.received.kind in (Kind.MESSAGE, Kind.REQUEST)

    @property
    def size(self) -> int:
        """
        The bytes that came for it.
        """
        return 0 if self.received is None else self.received.size

    def arguments(self) -> Sequence[Any]:
        """
        What the handlers are called with, one after another.
        """
        received = self.received
        return self.items if received is None else [Message(received, index) for index in self.items]


Finish = Callable[[Work], None]
Fail = Callable[[Any, Exception], None]
Reply = Callable[[Message, Any], None]


class Dispatcher:
    """
    The two lanes of one component.

    Args:
        finished: Called on the loop when work is done.
        failed: Called where a handler raised; must not raise.
        congested: Whether answers are held back, so that only feedback and replies are to be handled.
        reply: Called with what an answering handler returned for a request.
    """

    def __init__(self, finished: Finish, failed: Fail, reply: Reply, congested: Callable[[], bool]) -> None:
        self._loop = asyncio.get_running_loop()
        self._finished = finished
        self._failed = failed
        self._reply = reply
        self._congested = congested
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._done: deque[Work] = deque()
        self._held: deque[Work] = deque()
        self._stayed: deque[Work] = deque()
        self._here: deque[Work] = deque()
        self._outstanding = 0
        self._on_loop = False
        self._eager = True  # the thread shall wake the loop when it finishes something
        self._timer: asyncio.TimerHandle | None = None
        self._woken = asyncio.Event()
        self._runner = asyncio.create_task(self._run_here(), name="swergio handlers")
        self._stopped = False
        self._measured = False
        self._since: float | None = None  # when the handlers took up what they are at, if that is measured
        self._seconds = 0.0

    # -- the loop's thread ----------------------------------------------------------------------------------------

    def submit(self, work: Work) -> None:
        """
        Have ``work`` done after everything that was submitted before.
        """
        if (self._stayed or self._congested()) and work.answerable:
            self._stayed.append(work)
        else:
            self._admit(work)

    def _admit(self, work: Work) -> None:
        if self._held or (self._outstanding and work.on_loop is not self._on_loop):
            self._held.append(work)
            self._eager = True
        else:
            self._start(work)

    def relieved(self) -> None:
        """
        Answers have left the outbox: take up what was stayed for them.
        """
        while self._stayed and not self._congested():
            self._admit(self._stayed.popleft())

    def _start(self, work: Work) -> None:
        self._on_loop = work.on_loop
        self._outstanding += 1
        if work.on_loop:
            self._here.append(work)
            self._woken.set()
            return
        self._queue.put(work)
        if work.received is not None and work.received.shared:
            self._eager = True  # more of what the group shares comes when this is known to be done
        elif self._timer is None:
            self._eager = bool(self._held)
        if self._timer is None:
            self._timer = self._loop.call_later(COLLECT_DELAY, self._collect_later)

    async def _run_here(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._here:
                work = self._here.popleft()
                if self._measured:
                    self._since = time.monotonic()
                await self._handle_here(work)
                if self._since is not None:
                    self._add_up()
                self._finish(work)

    async def _handle_here(self, work: Work) -> None:
        replies = work.replies
        for item in work.arguments():
            try:
                for handler in work.handlers:
                    result = handler.function(item)
                    if result.__class__ is CoroutineType or isawaitable(result):  # the question alone costs 0.3 µs
                        result = await result
                    if replies and handler.answers:
                        self._reply(item, result)
            except Exception as exc:  # noqa: BLE001  whatever user code raises is its owner's to judge
                self._failed(item, exc)

    def _collect_later(self) -> None:
        self._timer = None
        if self._done:
            self._collect()
        if self._outstanding and not self._on_loop and self._timer is None:
            # Nothing came for 20 ms, so a handler takes long: rather be woken than look again and again.
            self._eager = True
            if self._done:
                self._collect()

    def _collect(self) -> None:
        while self._done:
            self._finish(self._done.popleft())

    def _finish(self, work: Work) -> None:
        self._outstanding -= 1
        self._finished(work)
        while self._held and (not self._outstanding or self._held[0].on_loop is self._on_loop):
            self._start(self._held.popleft())

    def measure(self, *, wanted: bool) -> None:
        """
        Measure how long handlers take from now on, or no longer: two looks at the clock for each batch.
        """
        self._measured = wanted
        if wanted and self._busy:
            self._since = time.monotonic()

    @property
    def _busy(self) -> bool:
        return self._outstanding > len(self._done)

    def measured(self) -> tuple[float, float]:
        """
        Return how many seconds handlers took in all, and with the batch that they are at, as far as it was measured.
        """
        since, seconds = self._since, self._seconds
        handling = time.monotonic() - since if since is not None and self._busy else 0.0
        return seconds + handling, handling

    async def stop(self) -> None:
        """
        Stop handling: what is running ends, what is queued is dropped.
        """
        self.halt()
        if self._timer is not None:
            self._timer.cancel()
        self._collect()
        if self._runner is not asyncio.current_task():
            self._runner.cancel()
            await asyncio.wait({self._runner})

    # -- the dispatching thread -----------------------------------------------------------------------------------

    def run(self) -> None:
        """
        Handle what is for plain functions, until ``stop`` or ``halt``; exceptions of ``failed`` pass through.
        """
        size = 0
        while (work := self._next()) is not None and not self._stopped:
            if self._measured:
                self._since = time.monotonic()
            self._handle(work)
            if self._since is not None:
                self._add_up()
            self._done.append(work)
            size += work.size
            if self._eager or len(self._done) >= COLLECT_BATCHES or size >= COLLECT_BYTES:
                size = 0
                self._wake()

    def _next(self) -> Work | None:
        # Python runs the handler of a signal between two steps of the main thread. One that comes just before the wait,
        # or on another thread, does not end the wait: so no wait is long.
        while True:
            try:
                return self._queue.get(timeout=LOOK_UP)
            except queue.Empty:
                continue

    def _add_up(self) -> None:
        since, self._since = self._since, None
        if since is not None:
            self._seconds += time.monotonic() - since

    def halt(self) -> None:
        """
        Have ``run`` return after the message that is being handled. From any thread.
        """
        self._stopped = True
        self._queue.put(None)

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._collect)
        except RuntimeError:
            self._stopped = True  # the loop was closed while a handler was running

    def _handle(self, work: Work) -> None:
        replies = work.replies
        handlers = work.handlers
        if len(handlers) == 1 and not replies:
            self._handle_each(handlers[0].function, work.arguments())
            return
        for item in work.arguments():
            if self._stopped:
                return
            try:
                for handler in handlers:
                    result = handler.function(item)
                    if replies and handler.answers:
                        self._reply(item, result)
            except Exception as exc:  # noqa: BLE001  whatever user code raises is its owner's to judge
                self._failed(item, exc)

    def _handle_each(self, function: Callable[[Any], Any], items: Sequence[Any]) -> None:
        """
        As `_handle` for what is usual, one handler that nobody waits for: 516 instructions a message, and not 1,111.
        """
        for item in items:
            if self._stopped:
                return
            try:
                function(item)
            except Exception as exc:  # noqa: BLE001  whatever user code raises is its owner's to judge
                self._failed(item, exc)
