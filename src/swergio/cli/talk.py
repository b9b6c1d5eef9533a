"""``swergio send`` and ``swergio ask``."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import typer

import swergio
from swergio.cli import show
from swergio.errors import Backlog, ConfigurationError


def parse(text_or_dash: str, *, text: bool) -> Any:
    """
    Return the data that an argument says: JSON if it is JSON, else text; ``-`` is the standard input.
    """
    told = sys.stdin.read().removesuffix("\n") if text_or_dash == "-" else text_or_dash
    if text:
        return told
    try:
        return json.loads(told)
    except ValueError:
        return told


def send(room: str, data: Any, *, type: str | None, to: str | None, url: str | None) -> None:
    """
    Send, and return when the message is in the log of its room.

    Raises:
        Backlog: it did not get there in time.
        ConfigurationError: whom it was addressed to is not there.
    """
    sender = swergio.Component("swergio-send", url).start()
    try:
        sender.send(room, data, type=type, to=to)
    finally:
        begun = time.monotonic()
        left = sender.close()
    if left:
        raise Backlog(room, None, time.monotonic() - begun)
    if to is not None and sender.stats.undeliverable:
        raise ConfigurationError(f"no {to!r} is connected", "a component or instance that 'swergio rooms' shows")


def ask(
    room: str, data: Any, *, timeout: float | None, type: str | None, to: str | None, as_json: bool, url: str | None
) -> None:
    """
    Ask, and print the first reply.
    """
    with swergio.Component("swergio-ask", url) as asker:
        reply = asker.request(room, data, timeout=timeout, type=type, to=to)
    typer.echo(show.as_json(reply) if as_json else show.readable(reply))
