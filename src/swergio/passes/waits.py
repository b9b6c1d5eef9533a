"""How a flow of the passes waits: on the event loop, or blocking the thread that it runs on.

The flows (a forward step, a backward step, a call of a process) are written once, as coroutines that wait only through
the methods of `Waits`. On the loop they are awaited. On a plain thread `drive` runs them: there every wait blocks
inside the coroutine, so that it never suspends and one ``send`` takes it to its end. That saves a hop to the loop and
back (0.1 ms) on each call of the plain face, and a second copy of every flow.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from swergio.errors import ConfigurationError

if TYPE_CHECKING:
    from swergio.channels import Channel
    from swergio.core import Core

T = TypeVar("T")

Append = Callable[[], "tuple[Channel, int]"]


class Deadline:
    """
    The end of a wait that may have several parts.

    Attributes:
        seconds: How long it may take.
        at: When it is over, by the monotonic clock.
    """

    __slots__ = ("at", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """
        Seconds until then, 0 if it is over.
        """
        return max(0.0, self.at - time.monotonic())

    @property
    def spent(self) -> float:
        """
        Seconds since the wait began.
        """
        return self.seconds - self.at + time.monotonic()


class Signal(Protocol):
    """
    Something that a flow waits for; set on the loop's thread.
    """

    def set(self) -> None:
        """
        End the wait.
        """


class Waits(Protocol):
    """
    The ways in which a flow waits.
    """

    def signal(self) -> Signal:
        """
        Return a new signal, to be waited for with `until`.
        """

    async def until(self, signal: Any, seconds: float) -> bool:
        """
        Wait until the signal is set; False if it was not in time.
        """

    async def append(self, room: str, append: Append) -> None:
        """
        Call ``append`` until it says that something was queued: the number of the message instead of 0.

        Raises:
            Backlog: the outbox stayed full for ``send_timeout``.
        """

    async def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        Run a coroutine function on the loop.
        """

    async def result(self, returned: Any) -> Any:
        """
        Return the result of a user's function, given what it returned.

        Raises:
            TypeError: it is to be awaited, and this is a plain thread.
        """


class OnLoop:
    """
    Waits of flows that are awaited on the component's loop.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def signal(self) -> asyncio.Event:
        """
        See `Waits.signal`.
        """
        return asyncio.Event()

    async def until(self, signal: asyncio.Event, seconds: float) -> bool:
        """
        See `Waits.until`.
        """
        try:
            async with asyncio.timeout(seconds):
                await signal.wait()
        except TimeoutError:
            return signal.is_set()
        return True

    async def append(self, room: str, append: Append) -> None:
        """
        See `Waits.append`.
        """
        while True:
            self._core.check()
            channel, number = append()
            if number:
                return
            await self._core.room_made(channel, room)

    async def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        See `Waits.run`.
        """
        return await function()

    async def result(self, returned: Any) -> Any:
        """
        See `Waits.result`.
        """
        return await returned if isawaitable(returned) else returned


class OnThread:
    """
    Waits of flows that `drive` runs on a plain thread.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def signal(self) -> threading.Event:
        """
        See `Waits.signal`.
        """
        return threading.Event()

    async def until(self, signal: threading.Event, seconds: float) -> bool:
        """
        See `Waits.until`.
        """
        if not signal.is_set():
            self._check_thread()
        return signal.wait(min(seconds, threading.TIMEOUT_MAX))

    async def append(self, room: str, append: Append) -> None:
        """
        See `Waits.append`.
        """
        while True:
            self._core.check()
            channel, number = append()
            if number:
                return
            self._core.wait_for_room(channel, room)

    async def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        See `Waits.run`.
        """
        self._check_thread()
        future = asyncio.run_coroutine_threadsafe(function(), self._core.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def result(self, returned: Any) -> Any:
        """
        See `Waits.result`.
        """
        if not isawaitable(returned):
            return returned
        if isinstance(returned, Coroutine):
            returned.close()
        raise TypeError("a plain function returned an awaitable: register it as an 'async def' function")

    def _check_thread(self) -> None:
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            return
        if here is self._core.loop:
            raise ConfigurationError(
                "a process of the plain face is called inside an 'async def' handler",
                remedy="Call it in a plain handler, or use swergio.asyncio",
            )


def waits_of(core: Core, function: Callable[..., Any] | None) -> OnLoop | OnThread:
    """
    Return how a flow waits that calls ``function``: an ``async def`` function runs on the loop, any other on a thread.
    """
    return OnLoop(core) if iscoroutinefunction(function) else OnThread(core)


def drive(flow: Coroutine[Any, Any, T]) -> T:
    """
    Run a flow whose waits are those of `OnThread` to its end.
    """
    try:
        flow.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    flow.close()
    raise RuntimeError("a flow on a plain thread waited for an event loop")
