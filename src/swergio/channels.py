"""Channels: where what a component sends goes, and the batches on their way there."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

from swergio.codec.batch import MESSAGE_COST, OpenBatch
from swergio.codec.frames import Buffer
from swergio.messages import Kind, check_destination


class Lane(IntEnum):
    """
    What is kept apart on the way to one instance.
    """

    DIRECT = 0
    FEEDBACK = 1
    REPLIES = 2


# By Kind. Plain integers: hashing a member of an enumeration, as a part of a key, runs Python code.
LANES = tuple(map(int, (Lane.DIRECT, Lane.DIRECT, Lane.REPLIES, Lane.REPLIES, Lane.FEEDBACK, Lane.FEEDBACK)))


@dataclass(slots=True, eq=False)
class Outbound:
    """
    A closed batch on its way.

    ``aligned`` says that its payload holds arrays; ``room`` labels it when its channel leads to a component.
    """

    channel: Channel
    room: str
    first: int
    count: int
    cost: int
    request: bool
    now: bool
    keep: bool
    payload: list[Buffer]
    aligned: bool

    @property
    def last(self) -> int:
        """
        The number of its last message.
        """
        return self.first + self.count - 1


@dataclass(slots=True, eq=False)
class Channel:
    """
    One destination: everyone in ``room``, or the component or instance ``to``.
    """

    number: int
    room: str | None
    to: str | None
    lane: Lane
    last: int = 0
    acknowledged: int = 0
    queued: int = 0
    in_flight: int = 0
    stalled_by: str | None = None
    open: OpenBatch | None = None
    waiting: deque[OpenBatch] = field(default_factory=deque)
    closed: deque[Outbound] = field(default_factory=deque)
    unsent: int = 0  # how many of ``closed``, from the right, are not in flight
    bytes: int = 0  # of all batches that were closed
    blocked: bool = False  # it has something to send, and its window is full

    def close(self, batch: OpenBatch) -> Outbound:
        """
        Number a batch and make its payload: it is the next one to go.
        """
        room, _, _, kind, _, _, now, keep = batch.key
        payload = batch.encode()
        size = sum(map(len, payload))
        self.bytes += size
        return Outbound(
            self,
            room,
            first=self.closed[-1].last + 1 if self.closed else self.acknowledged + 1,
            count=batch.count,
            cost=size + MESSAGE_COST * batch.count,  # what the hub will count
            request=kind is Kind.REQUEST,
            now=now,
            keep=keep,
            payload=payload,
            aligned=bool(batch.segments),
        )

    def acknowledge(self, last: int) -> None:
        """
        Forget the batches that end with message ``last`` or before.
        """
        while self.closed and self.closed[0].last <= last:
            batch = self.closed.popleft()
            self.queued -= batch.cost
            if len(self.closed) < self.unsent:
                self.unsent -= 1
            else:
                self.in_flight -= batch.cost
            self.acknowledged = batch.last
        if not self.in_flight:  # else what is acknowledged came before what is held up, and says nothing of it
            self.stalled_by = None

    def rewind(self) -> None:
        """
        Have everything that is not acknowledged sent again.
        """
        self.blocked = False
        self.unsent = len(self.closed)
        self.in_flight = 0
        self.stalled_by = None


class Channels:
    """
    All channels of a component.
    """

    def __init__(self) -> None:
        self.by_number: list[Channel] = []
        self._by_end: dict[tuple[str | None, str | None, int, bool], Channel] = {}

    def to(self, room: str, to: str | None, lane: int, *, reserved: bool = False) -> Channel:
        """
        Return the channel that leads to a room or component, a new one if there is none.

        Args:
            reserved: One of its own, which no message of another sort goes through.

        Raises:
            InvalidName: nothing can be called ``room`` or ``to``.
        """
        end = (None if to else room, to, lane, reserved)
        return self._by_end.get(end) or self._open(end)

    def _open(self, end: tuple[str | None, str | None, int, bool]) -> Channel:
        room, to, lane, _ = end
        # For a name that it cannot take, the hub would close the connection, again after every reconnect.
        check_destination(room, to)
        channel = self._by_end[end] = Channel(len(self.by_number), room, to, Lane(lane))
        self.by_number.append(channel)
        return channel
