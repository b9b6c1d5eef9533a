"""``swergio top``."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import typer
from rich.console import Console
from rich.live import Live

from swergio.cli import screen
from swergio.cli.overview import Overview, as_record
from swergio.cli.show import as_json as to_json
from swergio.cli.watching import watch

NAME = "swergio-top"
REFRESH = 1.0


def run(url: str | None, *, once: bool, as_json: bool) -> None:
    """
    Show the deployment until Ctrl-C, or ``once``.

    Where the standard output is no terminal, it is shown once; as JSON it is a line each second unless once is meant.

    Raises:
        ConnectFailed: there is no deployment.
    """
    with contextlib.suppress(KeyboardInterrupt):
        if once or (not as_json and not sys.stdout.isatty()):
            asyncio.run(watch(NAME, url, lambda overview, now: _once(overview, now, as_json=as_json)))
        elif as_json:
            asyncio.run(watch(NAME, url, _line, REFRESH))
        else:
            _live(url)


def _once(overview: Overview, now: float, *, as_json: bool) -> bool:
    if not overview.complete(now):
        return False
    state = overview.state(now)
    if as_json:
        typer.echo(to_json(as_record(state)))
    else:
        Console().print(screen.top(state))
    return True


def _line(overview: Overview, now: float) -> bool:
    typer.echo(to_json(as_record(overview.state(now))))
    return False


def _live(url: str | None) -> None:
    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def draw(overview: Overview, now: float) -> bool:
            live.update(screen.top(overview.state(now), console.height), refresh=True)
            return False

        asyncio.run(watch(NAME, url, draw, REFRESH))
