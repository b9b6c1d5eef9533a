"""What links say to each other beside packets: see the head of this package."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

VERSION: Final = 1
SIGNATURE: Final = b"swergio"
REASON_BYTES: Final = 120


class Word(IntEnum):
    """
    The first byte of what is no packet.
    """

    HELLO = 1
    WELCOME = 2
    REFUSE = 3
    BYE = 4


class Refusal(NamedTuple):
    """
    Why there is no link, and whether that is for good.
    """

    reason: str
    final: bool


def hello(token: str | None) -> list[bytes]:
    """
    Return what the dialling side begins with.
    """
    shown = b"" if token is None else b"\x01" + token.encode("utf-8", "surrogateescape")
    return _said(Word.HELLO, SIGNATURE + bytes((VERSION,)) + shown)


def read_hello(said: bytes) -> str | Refusal | None:
    """
    Return the token that was shown, or why this is no hello.
    """
    if said[:1] != bytes((Word.HELLO,)) or not said.startswith(SIGNATURE, 1):
        return Refusal("it did not begin with HELLO", final=False)
    version, shown = said[8:9], said[9:]
    if version != bytes((VERSION,)):
        return Refusal(f"this hub speaks version {VERSION} of the link, not {version.hex() or 'none'}", final=False)
    return shown[1:].decode("utf-8", "surrogateescape") if shown[:1] == b"\x01" else None


def welcome() -> list[bytes]:
    """
    Return what the listening side begins with.
    """
    return _said(Word.WELCOME, SIGNATURE + bytes((VERSION,)))


def read_answer(said: bytes) -> Refusal | None:
    """
    Return None for a welcome, or why there is no link.
    """
    word, rest = said[:1], said[1:]
    if word == bytes((Word.WELCOME,)) and rest == SIGNATURE + bytes((VERSION,)):
        return None
    if word == bytes((Word.REFUSE,)):
        return Refusal(printable(rest[1:]), final=rest[:1] == b"\x01")
    return Refusal("a ZeroMQ socket answers there, but it does not speak this version of swergio", final=False)


def refuse(refusal: Refusal) -> list[bytes]:
    """
    Return what the listening side says to those who get no link.
    """
    return _said(Word.REFUSE, bytes((refusal.final,)) + clipped(refusal.reason))


def bye(reason: str) -> list[bytes]:
    """
    Return what a link ends with.
    """
    return _said(Word.BYE, clipped(reason))


def _said(word: Word, rest: bytes) -> list[bytes]:
    return [b"", bytes((word,)) + rest]


def clipped(reason: str) -> bytes:
    """
    Return a reason in at most `REASON_BYTES`.
    """
    return reason.encode("utf-8", "replace")[:REASON_BYTES].decode(errors="ignore").encode()


def printable(text: bytes) -> str:
    """
    Return what a peer wrote as it may go to logs and terminals: one line, of bounded length.
    """
    return "".join(char if char.isprintable() else "?" for char in text[:200].decode(errors="replace"))
