"""``swergio keys``: key pairs for ZeroMQ's encryption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from swergio.transport import find


def run(names: Sequence[str], *, folder: Path) -> None:
    """
    Make a key pair for each name, and print the files.
    """
    transport = find("zmq+tcp://")
    for name in names:
        public, secret = transport.make_keys(folder, name)
        typer.echo(f"{secret}  keep it secret: 'curve_key' of {name}")
        typer.echo(f"{public}  for the others: 'curve_hub', or 'hub.curve_clients'")
