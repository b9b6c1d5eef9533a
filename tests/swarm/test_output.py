"""
How what a process prints is cut into lines.
"""

from __future__ import annotations

import asyncio

import pytest

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
