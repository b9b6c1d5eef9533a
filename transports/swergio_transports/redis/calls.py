"""Commands and scripts as the words that travel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from importlib import resources
from typing import Final, NamedTuple, TypeAlias

from hiredis import pack_command

Buffer: TypeAlias = bytes | bytearray | memoryview
Word: TypeAlias = bytes | str | int | float | bytearray | memoryview | Sequence[Buffer]
"""One argument. A list or tuple of buffers is one argument too: its pieces are sent one after another, uncopied."""

COPIED: Final = 16 * 1024
"""Pieces below this size are copied into one buffer with what is around them: that costs less than a buffer more."""


class Script:
    """
    A Lua script, known by its hash; two of one text are equal.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def shipped(cls, name: str) -> Script:
        """
        Return ``scripts/<name>.lua`` of this package.
        """
        return cls(resources.files(__package__).joinpath("scripts", f"{name}.lua").read_text("utf-8"))

    @cached_property
    def sha(self) -> str:
        """
        What the server knows it by.
        """
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Script) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


class Call(NamedTuple):
    """
    One run of a script. All keys are of one slot.
    """

    script: Script
    keys: Sequence[bytes]
    arguments: Sequence[Word] = ()

    @property
    def key(self) -> bytes:
        """
        The key that says which node.
        """
        return self.keys[0]

    def words(self, *, whole: bool = False) -> tuple[Word, ...]:
        """
        Return the command; ``whole`` with the script's text, for a server that does not know it.
        """
        head = ("EVAL", self.script.text) if whole else ("EVALSHA", self.script.sha)
        return (*head, len(self.keys), *self.keys, *self.arguments)


class Command(NamedTuple):
    """
    One plain command, for the node of ``key``.
    """

    key: bytes
    parts: tuple[Word, ...]

    def words(self, *, whole: bool = False) -> tuple[Word, ...]:
        """
        Return the command.
        """
        return self.parts


def packed(commands: Iterable[Sequence[Word]]) -> list[Buffer]:
    """
    Return commands as the server reads them, in as few buffers as it takes without copying large pieces.
    """
    buffers: list[Buffer] = []
    small: list[Buffer] = []
    for words in commands:
        try:
            # Looking at each word before costs twice what this does.
            small.append(pack_command(tuple(words)))  # type: ignore[arg-type]
            continue
        except TypeError:  # it has an argument in pieces, or a bytearray
            pass
        for piece in _in_pieces(words):
            if len(piece) < COPIED:
                small.append(piece)
            else:
                buffers += (b"".join(small), piece)
                small.clear()
    if small:
        buffers.append(b"".join(small))
    return buffers


def _in_pieces(words: Sequence[Word]) -> Iterator[Buffer]:
    yield b"*%d\r\n" % len(words)
    plain: list[Word] = []
    for word in words:
        if isinstance(word, (bytes, str, int, float)):
            plain.append(word)
            continue
        if plain:
            yield _plain(plain)
            plain.clear()
        yield from _argument(word)
    if plain:
        yield _plain(plain)


def _plain(words: list[Word]) -> Buffer:
    packed: bytes = pack_command(tuple(words))  # type: ignore[arg-type]
    return packed[packed.index(b"\n") + 1 :]  # it is a part of a longer command


def _argument(word: Word) -> list[Buffer]:
    pieces: list[Buffer] = []
    for piece in word if isinstance(word, (list, tuple)) else [word]:
        if isinstance(piece, memoryview):
            pieces.append(piece.cast("B"))
        else:
            pieces.append(piece if isinstance(piece, (bytes, bytearray)) else str(piece).encode())
    return [b"$%d\r\n" % sum(map(len, pieces)), *pieces, b"\r\n"]
