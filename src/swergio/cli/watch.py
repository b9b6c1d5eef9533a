"""``swergio watch``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import typer

import swergio.asyncio
from swergio.cli.show import line, record
from swergio.messages import Message


def run(rooms: Sequence[str], *, as_json: bool, url: str | None) -> None:
    """
    Print the messages of rooms until Ctrl-C, which is how it is meant to end: the exit code is 0.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(list(dict.fromkeys(rooms)), record if as_json else line, url))


async def _watch(rooms: Sequence[str], show: Callable[[Message], str], url: str | None) -> None:
    # Not with handlers, which would answer the requests that they see.
    async with swergio.asyncio.Component("swergio-watch", url) as watcher:
        typer.echo(f"watching {', '.join(rooms)}; Ctrl-C ends", err=True)
        try:
            async with asyncio.TaskGroup() as group:
                for room in rooms:
                    group.create_task(_follow(watcher, room, show))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            if skipped := watcher.stats.dropped:
                typer.echo(f"{skipped} messages came too fast and were skipped", err=True)


async def _follow(watcher: swergio.asyncio.Component, room: str, show: Callable[[Message], str]) -> None:
    async for message in watcher.messages(room, observe=True):
        await asyncio.to_thread(typer.echo, show(message))  # a pager may hold it up for as long as somebody reads
    await watcher.members(room)  # the messages end without Ctrl-C if the hub refused us for good: raise that
