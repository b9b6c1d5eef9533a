"""Groups: members of a room who share its messages, each of which is given to one of them.

Theory of operation. A group has one cursor in the log of the room, and each member a *seat*: a log of its own, which it
reads as any other. The group moves messages from the room to the seats, to the one that has least to do, as long as a
seat has no more than two shares that its member has not finished. The fewer messages wait, the smaller a share is; the
last ones go out one by one, so that nobody waits for work while another one has a pile of it. What a seat holds and was
not finished when its member leaves or is given up comes back to the head of the queue, and says so to whoever is next.

A group whose last member has gone waits for another one, with its place in the room, for a while (`Rooms.sweep`).
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgpack

from swergio.codec.batch import MESSAGE_COST, Batch
from swergio.codec.frames import Op, encode, join, parse
from swergio.errors import ProtocolError
from swergio.hub.cursors import Cursor, Entry
from swergio.hub.log import Log
from swergio.hub.positions import Position, Positions, Source
from swergio.hub.sessions import Session
from swergio.transport import Mode

if TYPE_CHECKING:
    from swergio.hub.loans import Loan

MAX_SHARE = 64  # messages
MAX_SHARES = 2  # one to work on, one to go on with at once
MAX_COLUMNS = 1024 * 1024  # what is decoded to split a batch; ours are a quarter of that
UNBOUNDED = 2**63


@dataclass(frozen=True, slots=True)
class Share:
    """
    Messages of one batch that go to one member together; ``attempt`` counts those who had them before.

    What is left of a batch after others were taken has the whole ``batch``, and the place where it ``begins`` there:
    making a payload of it each time would copy the batch for each share.
    """

    source: Source
    room: str
    first: int
    count: int
    payload: memoryview
    aligned: bool
    attempt: int = 0
    batch: Batch | None = None
    begins: int = 0
    loan: Loan | None = None

    @classmethod
    def of(cls, entry: Entry, room: str) -> Share:
        """
        Return all messages of an entry of the room's log.
        """
        single = entry.frame if len(entry.frame) > 1 else tuple(next(parse(bytes(entry.frame[0])))[2:])
        payload = memoryview(single[-1])
        first = entry.last - entry.count + 1
        return cls(entry.source, room, first, entry.count, payload, entry.aligned, loan=entry.loan)

    @property
    def cost(self) -> int:
        """
        What it counts for in a log.
        """
        return len(self.payload) + MESSAGE_COST * self.count

    def split(self, count: int) -> tuple[Share, Share | None]:
        """
        Return the first ``count`` messages, and the others if there are any.

        What cannot be taken apart stays whole: it is its receiver who will say what is wrong with it.
        """
        count = min(count, self.count)
        batch = self.batch
        try:
            if batch is None:
                if count == self.count or struct.unpack_from("<I", self.payload)[0] > MAX_COLUMNS:
                    return self, None
                batch = Batch(self.payload, self.count)
            taken = self._part(batch, count)
        except (ProtocolError, ValueError, struct.error):
            return self, None
        if count == self.count:
            return taken, None
        begins = self.begins + count
        return taken, replace(self, first=self.first + count, count=self.count - count, batch=batch, begins=begins)

    def _part(self, batch: Batch, count: int) -> Share:
        payload = memoryview(join(batch.take(self.begins, self.begins + count)))
        return replace(self, count=count, payload=payload, aligned=batch.aligned, batch=None, begins=0, loan=None)


class Seat:
    """
    What one member of a group was given.

    Args:
        session: The member.
        log: Holds what it was given.
        echo: It takes its own messages too.
        group: The group's name.
    """

    def __init__(self, session: Session, log: Log, echo: bool, group: str) -> None:
        self.session = session
        self.log = log
        self.cursor = log.add(session.instance, Mode.RELIABLE, echo=True, group=group)
        self.echo = echo
        self._given: deque[tuple[int, Share]] = deque()

    @property
    def shares(self) -> int:
        """
        How many shares are not finished.
        """
        return self.log.end_index - self.cursor.consumed

    @property
    def free(self) -> bool:
        """
        Whether the member can be given more: it is there, and has not much to do.
        """
        return self.session.link is not None and self.shares < MAX_SHARES

    def takes_from(self, sender: str) -> bool:
        """
        Whether messages of ``sender`` are for this member.
        """
        return self.echo or sender != self.session.instance

    def give(self, share: Share, now: float) -> None:
        """
        Give the member a share.
        """
        log = self.log
        header = (
            log.number, log.next, share.count, *share.source, share.first - 1, share.first, share.room, None,
            share.attempt,
        )  # fmt: skip
        frame = tuple(encode(Op.DELIVER, *header, payload=[share.payload], aligned=share.aligned))
        last = share.first + share.count - 1
        log.append(
            Entry(
                offset=log.next,
                count=share.count,
                cost=share.cost,
                frame=frame,
                source=share.source,
                after=share.first - 1,
                last=last,
                aligned=share.aligned,
                observers_only=False,
                start=log.cost,
                at=now,
                loan=share.loan,
                brief=() if share.loan is None else share.loan.logged(log, header),
            )
        )
        self.forget_finished()
        self._given.append((log.next, share))
        self.session.push(self.cursor)

    def tell(self, lost: list[Position]) -> None:
        """
        Tell the member of messages that the group has lost.
        """
        self.session.tell(Op.LOST, self.log.number, payload=msgpack.packb(lost))

    def unfinished(self) -> Iterator[Share]:
        """
        Return what the member has not finished, as it is to be given to another.
        """
        self.forget_finished()
        for _, share in self._given:
            yield replace(share, attempt=share.attempt + 1)

    def forget_finished(self) -> bool:
        """
        Let go of what the member has finished; whether there is anything else.
        """
        done = self.log.offset_at(self.cursor.consumed)
        while self._given and self._given[0][0] <= done:
            self._given.popleft()
        return bool(self._given)


class Group:
    """
    The members who share the messages of a room.

    Args:
        name: What it is called in its room.
        cursor: Its place in the log of the room.
    """

    def __init__(self, name: str, cursor: Cursor) -> None:
        self.name = name
        self.cursor = cursor
        self.seats: dict[str, Seat] = {}
        self.empty_since = 0.0
        self.heard: dict[Source, int] = {}  # the last message of each source that an earlier hub had given out
        self._returned: deque[Share] = deque()
        self._lent_to: set[Seat] = set()  # who may hold shared memory
        self._head: Share | None = None  # what is left of the entry at the cursor

    def sit_down(self, seat: Seat) -> None:
        """
        Add a member.
        """
        seat.log.shared_by = self
        self.seats[seat.session.instance] = seat

    def stand_up(self, instance: str, now: float) -> None:
        """
        Remove a member; what it had not finished is the next to be given out.
        """
        seat = self.seats.pop(instance)
        self._lent_to.discard(seat)
        self._returned.extendleft(reversed([*seat.unfinished()]))
        seat.log.remove(instance)
        if not self.seats:
            self.empty_since = now

    def hand_out(self, now: float) -> bool:
        """
        Give out what can be given; whether the log of the room may have room for more.
        """
        if self._lent_to:
            self._take_back()
        begun_at = self.cursor.consumed
        while (share := self._next()) is not None:
            takers = [seat for seat in self.seats.values() if seat.takes_from(share.source.sender)]
            if self.seats and not takers:
                self._took(share, None)  # only its sender is there, which gets no echo
                continue
            free = [seat for seat in takers if seat.free]
            if not free:
                break
            part, rest = share.split(self._size(len(takers)))
            self._give(min(free, key=lambda seat: seat.shares), part, now)
            self._took(share, rest)
        return self.cursor.consumed > begun_at

    def _take_back(self) -> None:
        # Or what was finished last would take up shared memory for as long as its member is given nothing more.
        self._lent_to = {seat for seat in self._lent_to if seat.forget_finished()}

    def _give(self, seat: Seat, share: Share, now: float) -> None:
        seat.give(share, now)
        if share.loan is not None:
            self._lent_to.add(seat)
        instance = seat.session.instance
        self.seats[instance] = self.seats.pop(instance)  # of those with equally little to do, all have their turn

    def compare(self, positions: Positions) -> None:
        """
        Tell one of the members what an earlier hub took along before any of them was given it.

        To be called when all of them are back: what one of them knows, none of them lacks. What had been given to one
        that died together with the hub is not in it.
        """
        lost = positions.restored_since(self.heard)
        self.heard.clear()
        if lost and self.seats:
            next(iter(self.seats.values())).tell(lost)

    def drain(self) -> Iterator[Share]:
        """
        Give up everything that was not finished: nobody came for it.
        """
        while (share := self._next()) is not None:
            self._took(share, None)
            yield share

    def _size(self, takers: int) -> int:
        waiting = sum(share.count for share in self._returned) + (self._head.count if self._head else 0)
        waiting += self.cursor.log.next - self.cursor.log.offset_at(self.cursor.pushed + 1)
        return max(1, min(MAX_SHARE, waiting // (MAX_SHARES * takers)))

    def _next(self) -> Share | None:
        if self._returned:
            return self._returned[0]
        if self._head is None:
            entry = self.cursor.log.next_for(self.cursor, UNBOUNDED)
            if entry is not None:
                self._head = Share.of(entry, self.cursor.log.name)
        return self._head

    def _took(self, share: Share, rest: Share | None) -> None:
        if self._returned and self._returned[0] is share:
            self._returned.popleft()
            if rest is not None:
                self._returned.appendleft(rest)
            return
        self._head = rest
        if rest is None:
            log = self.cursor.log
            entry = log.entry(self.cursor.pushed)
            self.cursor.push(entry)
            log.consume(self.cursor, entry.end)
