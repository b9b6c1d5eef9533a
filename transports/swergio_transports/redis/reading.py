"""One log as a member reads it: what came, what is missing, what may be taken. Pure logic.

Theory of operation. Entries are published as they are appended, and taken as they come if nothing before them is
missing. Otherwise they are fetched from the log: after a hole, because a payload is too large to be published, or
because the handlers are behind: a member takes nothing while it is more than its window ahead of them, and so its
memory is bounded by that, whatever is published. Entries that come meanwhile wait in ``ahead`` if they follow one
another; they need not be fetched.

All places are those of the log; see ``scripts/prelude.lua``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from swergio.hub import Position
from swergio.transport import Manner, Mode
from swergio_transports.redis.entries import Entry
from swergio_transports.redis.keys import LogKeys

MAX_EPOCHS: Final = 16

AHEAD: Final = 1024 * 1024
"""Bytes that may wait behind a hole."""

FETCH: Final = 2 * 1024 * 1024
"""Bytes to fetch at once, unless one entry is larger."""


class State(NamedTuple):
    """
    Where a log stands: the answer of ``scripts/state.lua``.
    """

    base: int
    top: int
    member: bool
    first: int
    positions: list[Position]


@dataclass(slots=True, eq=False)
class Reading:
    """
    A log that the component reads.

    Attributes:
        room: The room; None for an inbox.
        manner: How it takes part.
        window: Bytes that it takes ahead of the handlers.
        membership: Tells it from what the component was before it left and joined again.
        observed: The log holds the direct messages of a room; what came is not complete.
        base, next, consumed: Of the log; where the next entry is due; everything before it was handled.
        reported: What the server knows of that.
        top: The end of the log, as far as is known.
        until: What lies before it was sent before the component joined.
        pass_over: How many messages of the next entry are not wanted.
        outstanding: Batches that were taken and not handled.
        joining: ``next`` is not known yet.
        fetching: What is missing was asked for.
        ahead: What came and cannot be taken yet, in order, without a hole.
        due: Positions of the sources at a place, to compare with once that is reached: then what is lacking is lost.
        epochs: Bases of logs before this one in whose time the component was a member.
        heard: When something came last.
    """

    keys: LogKeys
    room: str | None
    manner: Manner
    window: int
    membership: int = 0
    observed: bool = False
    base: int = 0
    next: int = 0
    consumed: int = 0
    reported: int = 0
    top: int = 0
    until: int = 0
    pass_over: int = 0
    outstanding: int = 0
    joining: bool = True
    fetching: bool = False
    ahead: deque[Entry] = field(default_factory=deque)
    due: tuple[int, list[Position]] | None = None
    epochs: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_EPOCHS))
    heard: float = 0.0

    @property
    def echo(self) -> bool:
        """
        Whether the component gets its own messages.
        """
        return self.manner.echo

    @property
    def reliable(self) -> bool:
        """
        Whether it holds its senders back.
        """
        return self.manner.mode is Mode.RELIABLE

    @property
    def credit(self) -> int:
        """
        Bytes that may be taken now.
        """
        return self.window - (self.next - self.consumed)

    @property
    def tracked(self) -> bool:
        """
        Whether the server shall know what was handled.
        """
        return self.reliable

    @property
    def seen(self) -> int:
        """
        The end of what was seen of the log: a log that begins anew must begin behind what waits, too.
        """
        return self.ahead[-1].end if self.ahead else self.next

    def settle(self) -> None:
        """
        Note that what came last needs no handling.
        """
        if not self.outstanding:
            self.consumed = self.next

    # -- what came ------------------------------------------------------------------------------------------------

    def published(self, entry: Entry) -> bool:
        """
        Take note of an entry that was published. Return whether it is to be taken now.
        """
        self.top = max(self.top, entry.end)
        if entry.place == self.next and entry.frame is not None and not self.ahead:
            if not self.fetching and not self.joining and self.credit > 0:
                return True
        elif entry.end <= self.next:
            return False
        self._keep(entry)
        return False

    def _keep(self, entry: Entry) -> None:
        ahead = self.ahead
        if ahead and (ahead[-1].end != entry.place or entry.end - ahead[0].place > AHEAD):
            ahead.clear()
        if entry.frame is not None:
            ahead.append(entry)
        else:
            ahead.clear()

    def ready(self) -> Iterator[Entry]:
        """
        Yield what can be taken from ``ahead`` now; each must be taken before the next.
        """
        ahead = self.ahead
        while ahead and ahead[0].place < self.next:
            ahead.popleft()
        while ahead and ahead[0].place == self.next and self.credit > 0:
            yield ahead.popleft()

    def wanted(self) -> tuple[int, int] | None:
        """
        Return what to fetch: entries that begin at the first place or later, and before the second. None: nothing.
        """
        if self.joining or self.fetching or self.next >= self.top or self.credit <= 0:
            return None
        end = self.next + min(self.credit, FETCH)
        if self.ahead:
            if self.ahead[0].place <= self.next:
                return None
            end = min(end, self.ahead[0].place)
        return self.next, end

    def hole_in(self, entries: Sequence[Entry]) -> bool:
        """
        Whether fetched entries, the first from ``next`` on, lack one.
        """
        due = self.next
        for entry in entries:
            if entry.place != due:
                return True
            due = entry.end
        return not entries

    # -- where the log stands -------------------------------------------------------------------------------------

    def joined(self, base: int, top: int) -> None:
        """
        Begin behind everything that is there.
        """
        self.base = base
        self.next = self.consumed = self.reported = self.until = top
        self.top = max(top, self.top)
        self.joining = False

    def stands(self, state: State) -> bool:
        """
        Go on from what is still there. False if the log is another one whose places mean something else.
        """
        before = self.base
        if self.is_replaced(state):
            return False
        if self.base != before:
            self.ahead.clear()  # what waited was of the log before, or is in the new one and can be fetched
            self.top = state.top
        place = state.first if state.first >= self.next else max(state.top, self.next)
        if place != self.next:
            self.pass_over = 0
        self.due = (state.top, state.positions)
        self.next = place
        self.top = max(self.top, state.top)
        self.settle()
        return True

    def is_replaced(self, state: State) -> bool:
        """
        Take note of the log that there is now. Return whether it is another one whose places mean something else.
        """
        if state.base != self.base:
            self.epochs.append(str(self.base))
            if state.base < self.next:
                return True
            self.base = state.base
        return False

    def missed(self) -> list[Position]:
        """
        Return the positions to compare with, once what was there of them came.
        """
        if self.due is None or self.next < self.due[0]:
            return []
        _, positions = self.due
        self.due = None
        return positions
