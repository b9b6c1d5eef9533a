"""
What a broker told, for tests that wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from swergio.errors import SwergioError
from swergio.settings import load
from swergio_transports.redis.broker import Broker
from swergio_transports.redis.errors import BrokerLost

DEADLINE = 30.0


class Heard:
    """
    Events of a broker, in order: ("came", channel, data), ("hole", channels), ("lost",), ("back", identity).
    """

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self._changed = asyncio.Event()

    def came(self, channel: bytes, data: bytes) -> None:
        self._note("came", channel, data)

    def hole(self, channels: Sequence[bytes], reason: str) -> None:
        self._note("hole", sorted(channels), reason)

    def lost(self, reason: str) -> None:
        self._note("lost", reason)

    def back(self, identity: str) -> None:
        self._note("back", identity)

    def failed(self, error: SwergioError) -> None:
        self._note("failed", error)

    def _note(self, *event: Any) -> None:
        self.events.append(event)
        self._changed.set()

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [event[1:] for event in self.events if event[0] == kind]

    async def more(self, kind: str, than: int) -> None:
        await self.until(lambda: len(self.of(kind)) > than)

    async def until(self, condition: Callable[[], Any]) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"after {DEADLINE:g} s there were only {self.events[-20:]}") from None


@contextlib.asynccontextmanager
async def connected(url: str, **settings: Any) -> AsyncIterator[tuple[Broker, Heard]]:
    """
    A broker on ``url`` and what it tells.
    """
    heard = Heard()
    broker = Broker(load(url, **settings), heard)
    await broker.connect()
    try:
        yield broker, heard
    finally:
        await broker.close()
        await asyncio.sleep(0)
        left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert [name for name in left if name.startswith("swergio redis")] == []


async def patiently(attempt: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """
    Try until the broker is back, as the rooms do.
    """
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return await attempt()
            except BrokerLost:
                await asyncio.sleep(0.02)
