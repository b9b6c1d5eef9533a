"""What the components of a swarm print, each line with the name of its component before it."""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

# Cyan, yellow, green, magenta, blue and their bright sisters: to be read on a dark terminal and on a light one. Red is
# for what went wrong, and the swarm itself is bold.
COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
OWN_NAME = "swergio"

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Printer:
    """
    Prints lines with a prefix, in a colour for each name where a terminal shows them.

    Args:
        stream: Where to; by default what is the standard output when a line comes.
        colour: Whether to; by default if the stream is a terminal and ``NO_COLOR`` is not set, or ``FORCE_COLOR`` is.
    """

    def __init__(self, stream: TextIO | None = None, *, colour: bool | None = None) -> None:
        self._stream = stream
        self._colour = colour
        self._colours: dict[str, int] = {}
        self._width = len(OWN_NAME)

    def expect(self, names: list[str]) -> None:
        """
        Make room for names, so that what comes behind them begins in one column.
        """
        self._width = max([self._width, *map(len, names)])

    def __call__(self, name: str, line: str) -> None:
        """
        Print a line.
        """
        stream = self._stream or sys.stdout
        before = f"{name:{self._width}} | "
        if self._coloured(stream):
            number = self._colours.get(name, 0)
            if name != OWN_NAME and not number:
                number = self._colours[name] = COLOURS[len(self._colours) % len(COLOURS)]
            text = f"\x1b[{number or 1}m{before}\x1b[0m{line}\x1b[0m\n"
        else:
            text = before + _ESCAPES.sub("", line) + "\n"
        try:
            stream.write(text)
        except UnicodeEncodeError:
            stream.write(text.encode("ascii", "backslashreplace").decode())
        stream.flush()

    def _coloured(self, stream: TextIO) -> bool:
        if self._colour is not None:
            return self._colour
        if os.environ.get("NO_COLOR"):
            return False
        return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()
