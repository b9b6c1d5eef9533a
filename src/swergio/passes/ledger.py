"""The ledger: which messages a component sent forward, and what feedback on them is still owed. No I/O, no clock.

Theory of operation. A *record* is opened with each forward message that feedback is wanted on, and found again by the
message's id, which feedback names as its parent. Its `Terms` say what completes it. Where it is known who could answer
(``outstanding``: the members of the room when the message was sent), a record also ends when the feedback that it
needs cannot come any more.

===========  ==========================  ===================================================================
terms        complete                    fails when a member leaves that has not answered
===========  ==========================  ===================================================================
count 0      never: each one is applied  if nothing came and nobody is left who could answer
count n      with the n-th               if fewer than n can come
count None   when all have answered      always
===========  ==========================  ===================================================================

``strict`` terms fail whenever a member leaves that has not answered; ``partial`` ones go on with those who are left.

The ledger is bounded by count, by bytes and by age. A record with count 0 is kept after everyone has answered, in case
one of them has more to say (a label after a reward, the second loss of a component); such *spare* records have bounds
of their own, small ones, and make room first, then those that had some feedback: nobody need be told of these. Records
that make room although nothing came are returned to the caller, who must report them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from swergio.passes.records import Record

O = TypeVar("O")  # noqa: E741  whoever opened a record

MAX_RECORDS = 1024
MAX_BYTES = 256 * 1024 * 1024
SPARE_RECORDS = 128
SPARE_BYTES = 32 * 1024 * 1024


class Shelf(Generic[O]):
    """
    Records by id, in the order in which they came here, and what they keep together.
    """

    __slots__ = ("_alone", "bytes", "records")

    def __init__(self, *, alone: bool = False) -> None:
        self.records: dict[str, Record[O]] = {}
        self.bytes = 0
        self._alone = alone  # what they share with newer records counts too

    def put(self, record: Record[O]) -> None:
        """
        Add a record.
        """
        self.records[record.id] = record
        self.bytes += record.size + record.shared if self._alone else record.size

    def take(self, record: Record[O]) -> bool:
        """
        Remove a record; False if it is not here.
        """
        if self.records.pop(record.id, None) is None:
            return False
        self.bytes -= record.size + record.shared if self._alone else record.size
        return True


class Ledger(Generic[O]):
    """
    The open records of a component. Its methods may be called from any thread.

    Args:
        max_records: How many there may be.
        max_bytes: What they may keep, together. The newest record is kept whatever its size.
    """

    def __init__(self, max_records: int = MAX_RECORDS, max_bytes: int = MAX_BYTES) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._spare: Shelf[O] = Shelf(alone=True)
        self._answered: Shelf[O] = Shelf()  # count 0, and something came
        self._owed: Shelf[O] = Shelf()
        self._shelves = (self._spare, self._answered, self._owed)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._records())

    @property
    def owed(self) -> int:
        """
        On how many messages feedback is owed.
        """
        with self._lock:
            return len(self._owed.records) + len(self._answered.records)

    def waiting(self) -> list[Record[O]]:
        """
        Return the records on which feedback is owed.
        """
        with self._lock:
            return [*self._answered.records.values(), *self._owed.records.values()]

    @property
    def bytes(self) -> int:
        """
        What the open records keep, together.
        """
        with self._lock:
            return sum(shelf.bytes for shelf in self._shelves)

    def open(self, record: Record[O], send: Callable[[], str | None]) -> list[Record[O]] | None:
        """
        Send a message by ``send``, which returns its id, and open its record; None if ``send`` did: nothing was sent.

        Under one lock, since feedback may be here before ``send`` returns.

        Returns:
            The records that had to make room although feedback on them is owed.
        """
        with self._lock:
            id = send()
            if id is None:
                return None
            record.id = id
            self._owed.put(record)
            return self._make_room(record)

    def _make_room(self, newest: Record[O]) -> list[Record[O]]:
        displaced = []
        while self._over(self._shelves, self._max_records, self._max_bytes):
            shelf = next(shelf for shelf in self._shelves if shelf.records)
            oldest = next(iter(shelf.records.values()))
            if oldest is newest:
                break
            if shelf is self._owed:
                displaced.append(oldest)
            shelf.take(oldest)
        return displaced

    def _over(self, shelves: Sequence[Shelf[O]], max_records: int, max_bytes: int) -> bool:
        count = sum(len(shelf.records) for shelf in shelves)
        return count > max_records or sum(shelf.bytes for shelf in shelves) > max_bytes

    def get(self, id: str) -> Record[O] | None:
        """
        Return the open record of a message.
        """
        with self._lock:
            return self._find(id)

    def match(self, parent: str, sender: str) -> tuple[Record[O], bool] | None:
        """
        Note that ``sender`` gave feedback on the message ``parent``.

        Returns:
            Its record, and whether what came is to be applied now; None if no such record is open.
        """
        with self._lock:
            record = self._find(parent)
            if record is None:
                return None
            record.got += 1
            if record.outstanding is not None:
                record.outstanding.discard(sender)
            self._sort(record)
            return record, record.complete

    def refuse(self, parent: str, sender: str) -> tuple[Record[O], bool] | None:
        """
        Note that ``sender`` cannot give the feedback on ``parent`` that it owed.

        Returns:
            The record, and whether it failed and is closed with that; None if no such record is open.
        """
        with self._lock:
            record = self._find(parent)
            if record is None:
                return None
            failed = self._lose(record, sender) or not record.terms.partial
            if failed:
                self._remove(record)
            return record, failed

    def left(self, room: str, instance: str) -> list[Record[O]]:
        """
        Note that an instance left a room; return the records that failed with that, and are closed.
        """
        with self._lock:
            concerned = [r for r in self._records() if r.room == room and instance in (r.outstanding or ())]
            return [record for record in concerned if self._lose(record, instance)]

    def _lose(self, record: Record[O], instance: str) -> bool:
        record.missing.append(instance)
        if record.outstanding is not None:
            record.outstanding.discard(instance)
        if record.hopeless:
            self._remove(record)
            return True
        self._sort(record)
        return False

    def _sort(self, record: Record[O]) -> None:
        """
        Put a record where it belongs after something came, or nowhere if it is complete.
        """
        if record.terms.count != 0:
            if record.settled:
                self._remove(record)
                if record.tally is not None:
                    record.tally.closed += 1
        elif record.got:
            wanted = self._spare if record.settled or record.outstanding is None else self._answered
            if record.id not in wanted.records:
                self._remove(record)
                wanted.put(record)
                if wanted is self._spare and record.tally is not None:
                    record.tally.closed += 1
            while self._over((self._spare,), SPARE_RECORDS, SPARE_BYTES):
                self._spare.take(next(iter(self._spare.records.values())))

    def expect(self, record: Record[O], instances: set[str]) -> None:
        """
        Note that it is these who will answer, of all who were in the room.
        """
        with self._lock:
            record.outstanding = instances

    def expire(self, now: float) -> list[Record[O]]:
        """
        Close what is past its deadline; return the records on which feedback was owed.
        """
        with self._lock:
            late = [record for record in self._records() if record.deadline <= now]
            for record in late:
                self._remove(record)
        return [record for record in late if record.terms.count != 0 or not record.got]

    def close(self, id: str) -> bool:
        """
        Close a record; False if it was not open.
        """
        with self._lock:
            record = self._find(id)
            if record is not None:
                self._remove(record)
            return record is not None

    def close_all(self) -> list[Record[O]]:
        """
        Close every record and return them.
        """
        with self._lock:
            records = self._records()
            for record in records:
                self._remove(record)
        return records

    def _records(self) -> list[Record[O]]:
        return [record for shelf in self._shelves for record in shelf.records.values()]

    def _find(self, id: str) -> Record[O] | None:
        return next((shelf.records[id] for shelf in self._shelves if id in shelf.records), None)

    def _remove(self, record: Record[O]) -> None:
        any(shelf.take(record) for shelf in self._shelves)
