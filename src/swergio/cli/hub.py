"""``swergio hub``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import typer

from swergio.hub.serving import configure, serve


def run(listen: Sequence[str], *, token_file: Path | None, insecure: bool, verbose: bool) -> None:
    """
    Serve until Ctrl-C or SIGTERM, and print the URLs.
    """
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=level)
    settings = configure(listen, insecure=insecure, token_file=token_file)
    serve(settings, _announce)


def _announce(urls: list[str]) -> None:
    for url in urls:
        typer.echo(f"listening on {url}")
