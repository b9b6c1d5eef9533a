"""Reads what the components of a deployment tell of themselves into an `Overview`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import swergio.asyncio
from swergio.cli.overview import Overview
from swergio.core import LOGGING_ROOM
from swergio.errors import CorruptBody, MissingExtra
from swergio.messages import Message, MessageType
from swergio.reports import STATS_ROOM

LOOK = 2.0  # seconds between two looks at the rooms, which a hub makes a list of
TICK = 0.1


async def watch(name: str, url: str | None, show: Callable[[Overview, float], bool], pause: float = TICK) -> None:
    """
    Connect, and call ``show`` with what is known and the time, each ``pause`` seconds, until it returns true.

    Holds nobody up: it is a lossy member of its rooms, and tells nothing of itself.

    Raises:
        ConnectFailed: there is no deployment, or it refuses; now or later.
    """
    async with swergio.asyncio.Component(name, url, stats_interval=0) as watcher:
        overview = Overview(time.monotonic())
        tasks = [
            asyncio.create_task(_follow(watcher, STATS_ROOM, MessageType.STATS, overview)),
            asyncio.create_task(_follow(watcher, LOGGING_ROOM, MessageType.KPI, overview)),
            asyncio.create_task(_look(watcher, overview)),
        ]
        try:
            while not show(overview, time.monotonic()):
                done, _ = await asyncio.wait(tasks, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _follow(watcher: swergio.asyncio.Component, room: str, type: str, overview: Overview) -> None:
    async for message in watcher.messages(room):
        if message.type == type:
            _note(message, overview)
    await watcher.members(room)  # the messages end without being told to if the hub refused us for good: raise that


def _note(message: Message, overview: Overview) -> None:
    try:
        data = message.data
    except (CorruptBody, MissingExtra):
        overview.unreadable += 1
        return
    if message.type == MessageType.STATS:
        overview.report(message.sender, data, time.monotonic())
    else:
        overview.indicator(message.sender, data)


async def _look(watcher: swergio.asyncio.Component, overview: Overview) -> None:
    while True:
        overview.found(await watcher.rooms())
        await asyncio.sleep(LOOK)
