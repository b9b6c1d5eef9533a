"""``swergio rooms``."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

import swergio


def run(*, as_json: bool, url: str | None) -> None:
    """
    Print the rooms of a deployment.
    """
    with swergio.Component("swergio-rooms", url) as visitor:
        rooms = visitor.rooms()
    if as_json:
        typer.echo(json.dumps(rooms))
    elif rooms:
        Console().print(_table(rooms))
    else:
        typer.echo("There is no room.")


def _table(rooms: list[dict[str, Any]]) -> Table:
    table = Table("room", "members", box=None, pad_edge=False)
    table.add_column("bytes held", justify="right")
    for room in rooms:
        members = "\n".join(_said(*member) for member in room["members"])
        table.add_row(Text(room["room"]), Text(members), f"{room['held']:,}")
    return table


def _said(instance: str, mode: str, group: str | None) -> str:
    manner = f"group {group}" if group else mode
    return instance if manner == "reliable" else f"{instance} ({manner})"
