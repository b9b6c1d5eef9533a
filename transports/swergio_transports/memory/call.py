"""How two threads come to have a link."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

from swergio.hub.link import LinkOptions
from swergio_transports.memory.link import MemoryLink


class Call:
    """
    What a dialling thread makes and a listening one answers.

    Attributes:
        link: The caller's end.
        token: What the caller shows.
        answered: Done on the caller's loop: None, or what ``dial`` is to raise.
    """

    def __init__(self, url: str, options: LinkOptions) -> None:
        self._loop = asyncio.get_running_loop()
        self.link = MemoryLink(url, options.max_packet)
        self.token = options.token
        self.answered: asyncio.Future[Exception | None] = self._loop.create_future()

    def accept(self, other: MemoryLink) -> None:
        """
        Give the caller the other end of its link.
        """
        if not self._on_caller(functools.partial(self._connect, other)):
            other.abort()

    def refuse(self, problem: Exception) -> None:
        """
        Let ``dial`` raise ``problem``.
        """
        self._on_caller(functools.partial(self._settle, problem))

    def _on_caller(self, callback: Callable[[], object]) -> bool:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the caller's loop is closed
            return False
        return True

    def _connect(self, other: MemoryLink) -> None:
        self.link.connect(other)
        if not self._settle(None):
            self.link.abort()

    def _settle(self, problem: Exception | None) -> bool:
        """
        Return false if the caller has given up.
        """
        if self.answered.done():
            return False
        self.answered.set_result(problem)
        return True
