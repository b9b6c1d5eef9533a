"""``swergio desk``: items on a terminal, answers from the keyboard or a pipe."""

from __future__ import annotations

import mimetypes
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import typer

import swergio
from swergio.cli import show
from swergio.people import Item, Media, Skip, desk
from swergio.people.desks import GROUP

WIDTH, HEIGHT = 64, 48  # of a drawing, in its own dots: two of them are one character high
SKIP, QUIT = "/skip", "/quit"


def run(room: str, *, name: str, folder: Path | None, url: str | None) -> None:
    """
    Show the items of a room one by one until the input ends; what was not answered by then goes to another desk.
    """
    with tempfile.TemporaryDirectory(prefix="swergio-desk-") as temporary:
        place = Path(temporary) if folder is None else folder
        place.mkdir(parents=True, exist_ok=True)
        component = swergio.Component(name, url)
        desk(component, room, Terminal(place).answer, group=GROUP)
        # A person who thinks something over must not keep the desk from ending.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        typer.echo(f"At the desk of {show.printable(room)}. {SKIP} leaves an item to others, {QUIT} ends.")
        component.run()


class Terminal:
    """
    Where a person reads and types.

    Args:
        folder: Where files that are shown are put.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    def answer(self, item: Item) -> Any:
        """
        Show an item and return the answer; asks again while what was typed is none.

        Raises:
            Skip: somebody else shall answer.
            KeyboardInterrupt: the input has ended, or the person has had enough; the item is not done with.
        """
        number = next(self._numbers)
        typer.echo(f"\n{typer.style(f'-- {number} ', dim=True)}")
        for line in self._shown(item.show, number):
            typer.echo(line)
        if item.question:
            typer.secho(_lines(item.question), bold=True)
        while True:
            typed = self._read(f"{show.printable(str(item.answer))}: ")
            if item.until is not None and time.time() > item.until:
                typer.echo("That was too late: nobody waits for it any more.")
                raise Skip("too late")
            try:
                return item.answer.parse(typed)
            except ValueError as exc:
                typer.echo(f"{show.printable(str(exc))}.")

    def _read(self, prompt: str) -> str:
        try:
            typed = input(prompt).strip()
        except EOFError:
            raise KeyboardInterrupt from None
        if not sys.stdin.isatty():
            typer.echo()  # what is piped has no line break on the screen
        if typed == QUIT:
            raise KeyboardInterrupt
        if typed == SKIP:
            raise Skip("by hand")
        return typed

    def _shown(self, value: Any, number: int) -> Iterator[str]:
        if isinstance(value, Media):
            yield str(self._saved(value, number))
        elif isinstance(value, str):
            yield _lines(value)
        else:
            yield show.readable(value)
            yield from drawing(value)

    def _saved(self, media: Media, number: int) -> Path:
        # Nothing of the name is used but how it ends, and that only if it is a plain suffix.
        suffix = Path(media.name).suffix or mimetypes.guess_extension(media.type) or ""
        path = self._folder / f"item-{number}{suffix if suffix[1:].isalnum() else ''}"
        path.write_bytes(media.data)
        return path


def drawing(value: Any) -> Iterator[str]:
    """
    Return the lines of a drawing of an image: an array of bytes of shape (height, width) or (height, width, 3).

    Two rows of dots make one line, as the upper half and the ground of a block; larger images are thinned out.
    """
    if getattr(value, "dtype", None) != "uint8" or value.ndim not in (2, 3) or value.shape[2:] not in ((), (3,)):
        return
    step = max(1, -(-value.shape[1] // WIDTH), -(-value.shape[0] // HEIGHT))
    dots = value[::step, ::step]
    for top in range(0, len(dots), 2):
        bottom = min(top + 1, len(dots) - 1)
        pairs = zip(dots[top].tolist(), dots[bottom].tolist(), strict=True)
        yield "".join(typer.style("▀", fg=_colour(upper), bg=_colour(lower)) for upper, lower in pairs)


def _colour(dot: Any) -> tuple[int, int, int]:
    return tuple(dot) if isinstance(dot, list) else (dot, dot, dot)


def _lines(text: str) -> str:
    return "\n".join(show.printable(line) for line in text.splitlines())
