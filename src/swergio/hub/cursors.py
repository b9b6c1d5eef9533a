"""What a log consists of: entries, and the cursors of those who read it. `Log` moves them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swergio.codec.frames import Buffer
from swergio.hub.positions import Source
from swergio.transport import Mode

if TYPE_CHECKING:
    from swergio.hub.loans import Loan
    from swergio.hub.log import Log


@dataclass(slots=True, eq=False)
class Entry:
    """
    One stored batch, as the frame that every member gets.

    Its messages come ``after`` one number of their source and end with the ``last``; between them may be others that
    were withdrawn, and a mark has none at all. ``observers_only`` holds for direct messages. With a ``loan``,
    ``brief`` is the frame for those who can see where it lies.
    """

    offset: int
    count: int
    cost: int
    frame: tuple[Buffer, ...]
    source: Source
    after: int
    last: int
    aligned: bool
    observers_only: bool
    start: int  # cumulative cost of everything before it
    at: float = 0.0  # when it was appended
    loan: Loan | None = None
    brief: tuple[Buffer, ...] = ()

    @property
    def end(self) -> int:
        """
        The offset behind its last message.
        """
        return self.offset + self.count

    @property
    def is_mark(self) -> bool:
        """
        Whether it only says where a source goes on.
        """
        return self.after == self.last


@dataclass(slots=True, eq=False)
class Cursor:
    """
    The place of a member, or of a group, in a log.

    ``pushed`` and ``consumed`` are indices of entries; ``covered`` is an offset. ``group`` is the group that it is of.
    ``missed`` holds the number of the last message of each source that left the log before the member was given it.
    For members that can be overtaken, ``given`` holds the end and the cost of each entry that they were given and have
    not consumed, since the log may not have it any more; ``in_flight`` is what these cost together.
    """

    log: Log
    instance: str
    mode: Mode
    echo: bool
    pushed: int
    consumed: int
    covered: int
    missed: dict[Source, int] | None = None
    given: deque[tuple[int, int, Loan | None]] | None = None
    in_flight: int = 0
    group: str | None = None

    @property
    def reliable(self) -> bool:
        """
        Whether it holds its senders back.
        """
        return self.mode is Mode.RELIABLE

    def wants(self, entry: Entry) -> bool:
        """
        Whether the member gets the entry.
        """
        if entry.observers_only:
            return self.mode is Mode.OBSERVER
        if self.group is not None and entry.is_mark:
            return False
        return self.echo or entry.source.sender != self.instance

    def push(self, entry: Entry) -> None:
        """
        Note that the member was given the entry at ``pushed``.
        """
        self.pushed += 1
        self.covered = entry.offset + entry.count
        if self.mode is not Mode.RELIABLE:
            self.note_given(entry)

    def note_given(self, entry: Entry) -> None:
        """
        Note that the member, which can be overtaken, has an entry to consume.
        """
        if self.given is None:
            self.given = deque()
        self.given.append((entry.end, entry.cost, entry.loan))
        self.in_flight += entry.cost

    def miss(self, entry: Entry) -> None:
        """
        Note that an entry leaves the log before the member was given it.
        """
        if self.missed is None:
            self.missed = {}
        self.missed[entry.source] = entry.last

    def handled(self, offset: int) -> None:
        """
        Note that the member has consumed what it was given up to ``offset``.
        """
        while self.given and self.given[0][0] <= offset:
            self.in_flight -= self.given.popleft()[1]

    def not_received(self, offset: int) -> None:
        """
        Note that what it was given behind ``offset`` never reached it.
        """
        while self.given and self.given[-1][0] > offset:
            self.in_flight -= self.given.pop()[1]
