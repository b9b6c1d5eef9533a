"""Where the senders of a room stand, as the hub knows it: what a member compares with, to know what it missed.

A member notes the number of the last message of each source itself. The table of a log serves those who join (what
came before concerns them not) and those whose place in the log is gone (what came meanwhile is lost to them).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from swergio.hub.cursors import Entry


class Source(NamedTuple):
    """
    The channel that a message came through: sender instance and number.
    """

    sender: str
    channel: int


class Position(NamedTuple):
    """
    Where a source stands: the number of its last message.

    Attributes:
        start: The number that it began after in the life of this hub.
        origin: The epoch of the hub that it had before, None if it began with this one.
    """

    sender: str
    channel: int
    number: int
    start: int
    origin: str | None


class Positions:
    """
    The sources of one log.
    """

    __slots__ = ("_numbers", "_origins")

    def __init__(self) -> None:
        self._numbers: dict[Source, int] = {}
        self._origins: dict[Source, tuple[int, str]] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def reached(self, source: Source, number: int) -> None:
        """
        Note that nothing of ``source`` up to ``number`` is still to come, whether or not it ever was in the log.
        """
        if self._numbers.get(source, -1) < number:
            self._numbers[source] = number

    def restored(self, source: Source, start: int, origin: str) -> None:
        """
        Note that a source comes from the hub of another epoch, ``origin``, and goes on after ``start``.
        """
        self._origins[source] = (start, origin)
        self.reached(source, start)

    def before(self, entries: Iterable[Entry]) -> list[Position]:
        """
        Return where each source stood before these entries, which are the newest of the log, the last one first.
        """
        numbers = dict(self._numbers)
        for entry in entries:
            if not entry.observers_only:
                numbers[entry.source] = entry.after
        return [self.of(source, number) for source, number in numbers.items()]

    def of(self, source: Source, number: int) -> Position:
        """
        Return the position of a source whose last message is ``number``.
        """
        return Position(*source, number, *self._origins.get(source, (0, None)))

    def restored_since(self, numbers: Mapping[Source, int]) -> list[Position]:
        """
        Return the sources of an earlier hub that had sent more there than ``numbers``, which is where they start.
        """
        return [
            Position(*source, start, numbers[source], origin)
            for source, (start, origin) in self._origins.items()
            if start > numbers.get(source, start)
        ]

    def senders(self) -> set[str]:
        """
        Return the instances that the sources belong to.
        """
        return {source.sender for source in self._numbers}

    def forget(self, senders: set[str]) -> None:
        """
        Forget the sources of ``senders``.
        """
        for source in [source for source in self._numbers if source.sender in senders]:
            del self._numbers[source]
            self._origins.pop(source, None)
