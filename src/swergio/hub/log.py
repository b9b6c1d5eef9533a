"""A room is a bounded log, and a member is a cursor in it. An instance's inbox is such a log too.

Theory of operation. Entries are batches, each stored once however many members there are; ``offset`` counts messages
and never goes back within an epoch (the life of one hub). A cursor has two places: ``pushed`` (what was given to the
member's link) and ``consumed`` (what the member has handled); their distance is the member's window. Entries leave
the log when every reliable cursor has consumed them and lossy cursors have consumed them or lag too far. ``cost``
is measured in bytes plus a charge for each message, cumulatively, so that any distance is one subtraction.

A cursor passes over what its member does not get (its own messages) as soon as nothing before it is unconsumed:
nobody would ever acknowledge that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swergio.hub.cursors import Cursor, Entry
from swergio.hub.positions import Position, Positions
from swergio.transport import Mode

if TYPE_CHECKING:
    from swergio.hub.groups import Group

LOSSY_SHARE = 4  # lossy members, and the history, may keep a quarter of a room's limit in memory, not more


@dataclass(slots=True, eq=False)
class Budget:
    """
    What all logs of a hub hold together, and may hold.
    """

    limit: int
    used: int = 0

    @property
    def exhausted(self) -> bool:
        """
        Whether nothing more may be held.
        """
        return self.used >= self.limit

    @property
    def scarce(self) -> bool:
        """
        Whether nothing should be held any more that nobody needs.
        """
        return self.used * 2 >= self.limit


class Log:
    """
    The bounded log of a room or an inbox.

    Args:
        name: The room or, for an inbox, the instance.
        number: Its number on the wire, unique in the life of the hub.
        limit: Cost that it may hold for reliable members.
        budget: Shared by the logs of a hub; a log that holds nothing may exceed it by one entry.
        offset: Where to start; above every offset that the hub ever gave to a log of this name.
    """

    __slots__ = (
        "_base", "_budget", "_entries", "_first", "_need", "cost", "cursors", "end_index", "held", "history",
        "keep_all", "limit", "name", "next", "number", "positions", "shared_by",
    )  # fmt: skip

    def __init__(self, name: str, number: int, limit: int, budget: Budget, offset: int = 0) -> None:
        self.name = name
        self.number = number
        self.limit = limit
        self._budget = budget
        self.cursors: dict[str, Cursor] = {}
        self.positions = Positions()
        self.next = offset
        self.cost = 0  # cumulative, of everything ever appended
        self.held = 0  # of what is in it: each append asks for it twice
        self.keep_all = False  # after a restart, entries wait for members that have not come back yet
        self.history = 0  # cost of what is kept for those who join later and ask for it
        self.shared_by: Group | None = None  # the group that gives what is in it to its only member
        self._entries: list[Entry] = []
        self._need = 0  # index of the first entry that a reliable member needed when that was last looked at
        self._base = 0  # index of the first entry that is still there
        self._first = 0  # index of the first of the list's, which may be gone already
        self.end_index = 0  # the index that the next entry will have

    # -- writing --------------------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """
        Whether a reliable member is too far behind to take more.
        """
        budget = self._budget
        if self.held < self.limit and budget.used < budget.limit:
            return False
        behind = self.cost - self._cost_at(self._needed())
        return behind >= self.limit or (behind > 0 and budget.exhausted)

    def append(self, entry: Entry) -> None:
        """
        Add an entry, whose offset must be ``next``, and drop what nobody needs.
        """
        self._entries.append(entry)
        self.end_index += 1
        self.next += entry.count
        self.cost += entry.cost
        self.held += entry.cost
        budget = self._budget
        budget.used += entry.cost
        if not entry.observers_only:
            self.positions.reached(entry.source, entry.last)
        own = self.cursors.get(entry.source.sender)
        freed = False
        if own is not None or entry.observers_only:
            freed = self._pass_over(entry, self.cursors.values() if entry.observers_only else (own,))
        if freed or not self.cursors or self.held > self.limit // LOSSY_SHARE or budget.used >= budget.limit:
            self.trim()

    def _pass_over(self, entry: Entry, cursors: Iterable[Cursor | None]) -> bool:
        # The entry was just appended, and those who do not get it will not be asked about it.
        index = self.end_index - 1
        for cursor in cursors:
            if cursor is not None and cursor.consumed == index and not cursor.wants(entry):
                cursor.consumed = cursor.pushed = index + 1
        return index == self._base

    def trim(self, *, scarce: bool = False) -> None:
        """
        Drop what nobody needs any more. When memory is ``scarce``, only reliable members need something.
        """
        floor = self._floor(scarce=scarce or self._budget.exhausted)
        if floor == self._base:
            return
        freed = self._cost_at(floor) - self._cost_at(self._base)
        for cursor in self.cursors.values():
            if cursor.pushed < floor:
                self._overtake(cursor, floor)
        gone = floor - self._first
        if floor == self.end_index or (gone > 64 and gone * 2 > len(self._entries)):
            del self._entries[:gone]
            self._first = floor
        else:
            for index in range(self._base, floor):
                self._entries[index - self._first] = None  # type: ignore[call-overload]
        self._base = floor
        self.held -= freed
        self._budget.used -= freed

    def _overtake(self, cursor: Cursor, floor: int) -> None:
        for index in range(max(cursor.pushed, self._base), floor):
            entry = self.entry(index)
            if cursor.wants(entry) and not entry.observers_only:
                cursor.miss(entry)

    def take_missed(self, cursor: Cursor) -> list[Position]:
        """
        Return the positions of what a member missed since it was last told.
        """
        missed, cursor.missed = cursor.missed, None
        return [self.positions.of(source, number) for source, number in missed.items()] if missed else []

    def _needed(self) -> int:
        return min((cursor.consumed for cursor in self.cursors.values() if cursor.reliable), default=self.end_index)

    def _floor(self, *, scarce: bool) -> int:
        floor = self._wanted(scarce=scarce)
        if not self.history or scarce or self._budget.scarce:
            return floor
        oldest, end = self._base, self.cost
        while oldest < floor and end - self._cost_at(oldest) > self.history:
            oldest += 1
        return oldest

    def _wanted(self, *, scarce: bool) -> int:
        # One pass, by hand: among many rooms it is run for nearly each message, and `_needed` and a list took 1.5 µs.
        needed = oldest = self.end_index
        some_lossy = False
        for cursor in self.cursors.values():
            if cursor.mode is Mode.RELIABLE:
                needed = min(needed, cursor.consumed)
            else:
                some_lossy = True
                oldest = min(oldest, cursor.consumed)
        self._need = needed
        if not (self.keep_all or some_lossy):
            return needed
        # Others may keep entries too, as long as they are within their share (or, after a restart, the limit) and
        # there is memory. The newest entry stays for them, however large: it may be all that they want.
        share = 0 if scarce else self.limit if self.keep_all else self.limit // LOSSY_SHARE
        wanted = self._base if self.keep_all else max(self._base, oldest)
        newest = min(needed, self.end_index - 1)
        while wanted < newest and self.cost - self._cost_at(wanted) > share:
            wanted += 1
        return min(needed, wanted)

    def bring_home(self, offset: int) -> None:
        """
        Copy the entry at ``offset`` out of the memory that it was lent, if no reliable member needs it any more.
        """
        index = self.index_of(offset)
        if index is not None and self._base <= index < min(self._needed(), self.end_index):
            entry = self.entry(index)
            entry.frame = tuple(map(bytes, entry.frame))
            entry.loan, entry.brief = None, ()

    # -- cursors --------------------------------------------------------------------------------------------------

    def add(self, instance: str, mode: Mode, echo: bool, *, at: int | None = None, group: str | None = None) -> Cursor:
        """
        Add a member at entry index ``at``, by default behind everything.
        """
        place = self.end_index if at is None else at
        offset = self.next if at is None else self.offset_at(at)
        cursor = Cursor(self, instance, mode, echo, place, place, offset, group=group)
        self.cursors[instance] = cursor
        self.consume(cursor, offset)
        return cursor

    def change(self, cursor: Cursor, mode: Mode, echo: bool) -> None:
        """
        Change how a member takes part.
        """
        cursor.pushed = max(cursor.pushed, self._base)
        cursor.consumed = max(cursor.consumed, self._base)
        was_reliable = cursor.reliable
        cursor.mode, cursor.echo = mode, echo
        if cursor.reliable:
            cursor.not_received(0)  # it is known by its places from here on
        elif was_reliable:
            for index in range(cursor.consumed, cursor.pushed):
                cursor.note_given(self.entry(index))
        self.consume(cursor, 0)
        self.trim()

    def resume(self, cursor: Cursor, offset: int | None) -> bool:
        """
        Go on from ``offset``, where the member stands; None if it has nothing of this log.

        Returns:
            Whether everything behind that is still there. If not, the cursor is at the oldest entry.
        """
        index = None if offset is None else self.index_of(offset)
        place = self._base if index is None else index
        cursor.pushed, cursor.covered = place, self.offset_at(place)
        cursor.consumed = min(cursor.consumed, place)
        cursor.not_received(offset or 0)
        cursor.missed = None
        self.consume(cursor, 0)
        self.trim()
        return index is not None

    def remove(self, instance: str) -> None:
        """
        Remove a member and what only it needed.
        """
        if self.cursors.pop(instance, None):
            self.trim()

    def index_of(self, offset: int) -> int | None:
        """
        Return the index of the entry that begins at ``offset``, None if it is gone or no entry begins there.
        """
        if offset == self.next:
            return self.end_index
        low, high = self._base, self.end_index
        while low < high:
            middle = (low + high) // 2
            if self.entry(middle).offset < offset:
                low = middle + 1
            else:
                high = middle
        return low if low < self.end_index and self.entry(low).offset == offset else None

    def next_for(self, cursor: Cursor, window: int) -> Entry | None:
        """
        Return the next entry to push to the member, None if there is none or its window is full.

        Moves over entries that the member does not get; ``cursor.pushed`` is the index of the returned entry.
        """
        if cursor.pushed < self._base:  # only a lossy cursor can be overtaken
            cursor.pushed = self._base
            cursor.consumed = max(cursor.consumed, self._base)
        end = self.end_index
        while cursor.pushed < end:
            entry = self._entries[cursor.pushed - self._first]
            if cursor.wants(entry):
                in_flight = entry.start - self._cost_at(cursor.consumed) if cursor.reliable else cursor.in_flight
                return entry if in_flight <= 0 or in_flight + entry.cost <= window else None
            if cursor.consumed == cursor.pushed:
                cursor.consumed += 1
            cursor.pushed += 1
        return None

    def consume(self, cursor: Cursor, offset: int) -> bool:
        """
        Note that the member has handled everything before ``offset``; True if that may free entries.
        """
        if cursor.given:
            cursor.handled(offset)
        place = max(cursor.consumed, self._base)
        was_last = place <= (self._need if cursor.reliable else self._base)
        begun_at, end = place, self.end_index
        while place < end:
            entry = self.entry(place)
            if cursor.wants(entry) and (place >= cursor.pushed or entry.end > offset):
                break
            place += 1
        cursor.consumed = place
        cursor.pushed = max(cursor.pushed, place)
        return was_last and place > begun_at

    def past(self, cursor: Cursor, last: int | None, since: float | None) -> tuple[int, int]:
        """
        Return where the newest ``last`` messages, none older than ``since``, begin: an entry, and an offset in it.

        Only those count that ``cursor``, of one who is about to join, would get.
        """
        index, offset, left = self.end_index, self.next, last
        while index > self._base and (left is None or left > 0):
            entry = self.entry(index - 1)
            if since is not None and entry.at < since:
                break
            index, offset = index - 1, entry.offset
            if left is not None and cursor.wants(entry) and not entry.is_mark:
                offset += max(0, entry.count - left)
                left -= entry.count
        return index, offset

    def slowest(self) -> str | None:
        """
        Return the reliable member that is furthest behind.
        """
        reliable = [cursor for cursor in self.cursors.values() if cursor.reliable]
        return min(reliable, key=lambda cursor: cursor.consumed).instance if reliable else None

    def positions_at(self, index: int) -> list[Position]:
        """
        Return where each source stands before the entry at ``index``.
        """
        return self.positions.before(map(self.entry, range(self.end_index - 1, max(index, self._base) - 1, -1)))

    # -- places ---------------------------------------------------------------------------------------------------

    @property
    def base_index(self) -> int:
        """
        The index of the oldest entry.
        """
        return self._base

    def entry(self, index: int) -> Entry:
        """
        Return the entry at ``index``, which must be there.
        """
        return self._entries[index - self._first]

    def offset_at(self, index: int) -> int:
        """
        Return the offset of the entry at ``index``, or the next one behind the end.
        """
        return self.entry(max(index, self._base)).offset if index < self.end_index else self.next

    def _cost_at(self, index: int) -> int:
        return self._entries[index - self._first].start if index < self.end_index else self.cost
