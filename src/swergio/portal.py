"""An event loop in a thread of its own, and the door to it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from swergio.errors import ConfigurationError
from swergio.loops import AUTO, loop_factory, run

T = TypeVar("T")


class Portal:
    """
    Runs coroutines for threads that have no event loop, or one that must not be blocked or relied on.

    A call costs about 0.1 ms, so what is called often does not go through here.

    Args:
        name: What the thread is called.
        loop: The setting ``loop``.

    Raises:
        ConfigurationError: that loop is not installed.
    """

    def __init__(self, name: str, loop: str = AUTO) -> None:
        loop_factory(loop)  # raises here, and not on the thread
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started, loop), name=name, daemon=True)
        self._thread.start()
        started.wait()

    def _run(self, started: threading.Event, loop: str) -> None:
        async def main() -> None:
            self.loop = asyncio.get_running_loop()
            self._ended = asyncio.Event()
            started.set()
            await self._ended.wait()

        run(main, loop)

    def call(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        Run ``function()`` on the loop and return its result. An interrupted wait cancels it.

        Raises:
            ConfigurationError: called on the loop's own thread, which would wait for itself.
        """
        if threading.get_ident() == self._thread.ident:
            raise ConfigurationError(
                "a blocking call inside an 'async def' handler", remedy="Use a plain handler, or swergio.asyncio"
            )
        future = asyncio.run_coroutine_threadsafe(function(), self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """
        Call a function on the loop, unless the loop has ended.
        """
        try:
            self.loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            if not self.loop.is_closed():
                raise

    def end(self, timeout: float) -> None:
        """
        End the loop and its thread.
        """
        self.soon(self._ended.set)
        self._thread.join(timeout)


@contextlib.contextmanager
def stop_on_sigterm(stop: Callable[[], object]) -> Iterator[None]:
    """
    Call ``stop`` on SIGTERM, if nobody else has a say in that: on the main thread, and with no handler set.
    """
    on_main = threading.current_thread() is threading.main_thread()
    if not on_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda number, frame: stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
