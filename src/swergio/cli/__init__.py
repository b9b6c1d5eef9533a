"""
The command line: ``swergio demo | hub | up | send | ask | watch | rooms | top | passes | doctor | keys | bench``.

Its packages come with ``pip install 'swergio[cli]'``; `main` says so where they are missing.
"""

from __future__ import annotations

import sys

from swergio.errors import SwergioError

__all__ = ["main"]


def main() -> None:
    """
    Run the command line. What swergio has to complain about ends in one line and exit code 1, without a stack.
    """
    try:
        from swergio.cli.commands import app
    except ModuleNotFoundError as exc:
        if exc.name != "typer":  # which brings rich
            raise
        sys.stderr.write("The command line needs typer. Run: pip install 'swergio[cli]'\n")
        sys.exit(2)
    try:
        app()
    except SwergioError as error:
        _complain(str(error))
        sys.exit(1)


def _complain(problem: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(Text(f"swergio: {problem}", style="red"), soft_wrap=True)
