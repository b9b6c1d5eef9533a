"""
How what a process prints is cut into lines, and how these are shown.
"""

from __future__ import annotations

import asyncio
import io

import pytest

from swergio.swarm import Printer
from swergio.swarm.process import LINE_LIMIT, Lines

PIECES = {
    "whole": ([b"a\nb\n"], ["a", "b"]),
    "in pieces": ([b"a", b"b\nc", b"\n"], ["ab", "c"]),
    "without an end": ([b"a\nb"], ["a", "b"]),
    "empty lines": ([b"\n\na\n"], ["", "", "a"]),
    "Windows' ends": ([b"a\r\nb\r", b"\n"], ["a", "b"]),
    "a bar of progress": ([b"10%\r", b"20%\r", b"100%\ndone\n"], ["100%", "done"]),
    "half a character": ([b"\xc3", b"\xa4\n", b"\xff\n"], ["ä", "\ufffd"]),
    "too long": ([b"x" * LINE_LIMIT, b"y", b"z\n"], ["x" * LINE_LIMIT + "y", "z"]),
}


@pytest.mark.parametrize(("pieces", "lines"), PIECES.values(), ids=PIECES)
def test_lines(pieces: list[bytes], lines: list[str]) -> None:
    told: list[str] = []

    async def main() -> None:
        protocol = Lines(told.append)
        for piece in pieces:
            protocol.data_received(piece)
        protocol.connection_lost(None)
        assert protocol.last == next((line for line in reversed(lines) if line), "")

    asyncio.run(main())
    assert told == lines


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(stream: io.StringIO) -> str:
    printer = Printer(stream)
    printer.expect(["one", "forecaster"])
    for name, line in (("one", "\x1b[31mred\x1b[0m"), ("forecaster", "ä"), ("one", ""), ("swergio", "one ended")):
        printer(name, line)
    return stream.getvalue()


PLAIN = "one        | red\nforecaster | ä\none        | \nswergio    | one ended\n"


def test_each_line_has_its_name_before_it() -> None:
    assert printed(io.StringIO()) == PLAIN


def test_names_have_colours_where_they_are_seen() -> None:
    one, forecaster, again, own, _ = printed(Terminal()).split("\n")

    assert one == "\x1b[36mone        | \x1b[0m\x1b[31mred\x1b[0m\x1b[0m"
    assert forecaster.startswith("\x1b[33mforecaster | \x1b[0m")
    assert again.startswith("\x1b[36mone ")
    assert own.startswith("\x1b[1mswergio ")


def test_the_usual_variables_decide_on_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert printed(io.StringIO()) == printed(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert printed(Terminal()) == PLAIN


def test_what_an_encoding_does_not_have_is_shown_all_the_same() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii")
    Printer(stream)("one", "ä")
    assert raw.getvalue() == b"one     | \\xe4\n"
