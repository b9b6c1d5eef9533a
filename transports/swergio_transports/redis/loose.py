"""A log as a member reads it that has nothing to recover from (``recovery=off``). Pure logic.

What is published is taken, or it is lost; how many messages that were is known from the numbers of their senders, as
soon as a later one comes, or the log is found to have a later end. Places still grow, so that this is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from swergio_transports.redis.entries import Entry
from swergio_transports.redis.reading import AHEAD, Reading, State

MAX_WAITING: Final = 1024
"""Entries that may wait behind one whose payload is being fetched."""


@dataclass(slots=True, eq=False)
class Loose(Reading):
    """
    A log of which only what is published can be had.
    """

    waiting: int = 0
    jumped: bool = False  # something was passed over whose sender may never be heard of again

    @property
    def tracked(self) -> bool:
        """
        Nobody waits for what was handled.
        """
        return False

    def published(self, entry: Entry) -> bool:
        """
        Take note of an entry that was published. Return whether it is to be taken now.
        """
        self.top = max(self.top, entry.end)
        if entry.place < self.next:
            return False
        if entry.frame is None or self.ahead or self.fetching or self.joining or self.credit <= 0:
            self._keep(entry)
            return False
        self._go_to(entry.place)
        return True

    def _go_to(self, place: int) -> None:
        self.jumped = self.jumped or place > self.next
        self.next = place

    def _keep(self, entry: Entry) -> None:
        size = len(entry.frame or b"")
        if self.waiting + size <= AHEAD and len(self.ahead) < MAX_WAITING:
            self.ahead.append(entry)
            self.waiting += size

    def ready(self) -> Iterator[Entry]:
        """
        Yield what can be taken of what waited; each must be taken before the next.
        """
        while self.ahead and self.ahead[0].frame is not None and self.credit > 0:
            entry = self._shift()
            if entry.place >= self.next:
                self._go_to(entry.place)
                yield entry

    def _shift(self) -> Entry:
        entry = self.ahead.popleft()
        self.waiting -= len(entry.frame or b"")
        return entry

    def wanted(self) -> tuple[int, int] | None:
        """
        Return where the payload is that must be fetched next.
        """
        while self.ahead and self.ahead[0].place < self.next:
            self._shift()
        if self.joining or self.fetching or not self.ahead or self.ahead[0].frame is not None or self.credit <= 0:
            return None
        return self.ahead[0].place, self.ahead[0].place + 1

    def fetched(self) -> None:
        """
        What was wanted is here, or is not to be had.
        """
        self._go_to(self._shift().place)

    def stands(self, state: State) -> bool:
        """
        All that was passed over up to here is counted now, unless something waits: then when that was taken.
        """
        if self.ahead:
            self.top = max(self.top, state.top)
            self.jumped = True
            return not self.is_replaced(state)
        self.jumped = False
        return Reading.stands(self, state)  # there is no `super` in a class that dataclass has made anew, with slots

    @property
    def behind(self) -> bool:
        """
        Whether something seems to be lost.
        """
        return (self.jumped or self.top > self.next) and not self.ahead and not self.fetching
