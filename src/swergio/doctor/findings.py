"""What an examination finds."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """
    Whether a finding is good.
    """

    GOOD = "good"
    NOTE = "note"  # nothing is wrong, and yet it may explain something
    BAD = "bad"


class Finding(NamedTuple):
    """
    One thing that was looked at.

    Attributes:
        what: The thing, in a word or two.
        outcome: Whether it is as it should be.
        said: What was found.
        remedy: What to do about it, if anything.
    """

    what: str
    outcome: Outcome
    said: str
    remedy: str = ""


def good(what: str, said: str) -> Finding:
    """
    Say that something is as it should be.
    """
    return Finding(what, Outcome.GOOD, said)


def note(what: str, said: str, remedy: str = "") -> Finding:
    """
    Say something that may matter.
    """
    return Finding(what, Outcome.NOTE, said, remedy)


def bad(what: str, said: str, remedy: str) -> Finding:
    """
    Say that something is wrong, and what to do.
    """
    return Finding(what, Outcome.BAD, said, remedy)
