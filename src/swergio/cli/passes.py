"""``swergio passes``."""

from __future__ import annotations

import asyncio
import contextlib

import typer
from rich.console import Console

from swergio.cli import screen, waiting
from swergio.cli.overview import Overview
from swergio.cli.overview import as_record as state_as_record
from swergio.cli.show import as_json as to_json
from swergio.cli.watching import watch


def run(url: str | None, *, as_json: bool) -> None:
    """
    Print the passes of a deployment.

    Raises:
        ConnectFailed: there is none.
    """

    def show(overview: Overview, now: float) -> bool:
        if not overview.complete(now):
            return False
        state, found = overview.state(now), waiting.passes(overview, now)
        if as_json:
            nodes = state_as_record(state)["nodes"]
            typer.echo(to_json({"nodes": nodes} | waiting.as_record(found)))
        else:
            Console().print(screen.passes(found, state.nodes), soft_wrap=False)
        return True

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(watch("swergio-passes", url, show))
