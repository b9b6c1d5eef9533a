"""What the hub knows of each component: its session, which outlives connections, and the channels it sends on."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgpack

from swergio.channels import Lane
from swergio.codec.batch import MESSAGE_COST
from swergio.codec.frames import Buffer, Op, encode, encode_pairs
from swergio.hub.cursors import Cursor
from swergio.hub.log import Log
from swergio.hub.positions import Source
from swergio.messages import Instance

if TYPE_CHECKING:
    from swergio.hub.lending import Sight
    from swergio.hub.loans import Loan

MAX_CONTROL = 10_000
ALONE = 64 * 1024  # a message of this size fills a packet
MAX_UNDELIVERED = 1024  # runs of messages
MAX_WITHDRAWN = 65_536  # numbers that a channel remembers; more would be another client than ours
ACKNOWLEDGE_COST = 1024 * 1024  # acknowledgements wait for company, so much or half a window, but at most 20 ms

REQUEST = 0b001
NOW = 0b010
ALIGNED = 0b100
KEEP = 0b1000


class HubWill(NamedTuple):
    """
    What a component left to be sent when it is gone; ``number`` is that of the message in its ``channel``.
    """

    channel: int
    number: int
    room: str
    to: str | None
    payload: bytes


class Parcel:
    """
    A published batch that is not in a log yet.

    Attributes:
        first, last: The numbers of its messages.
        cost: What it counts for in a log.
        loan: Of the shared memory that holds the payload, if it is there.
    """

    __slots__ = ("cost", "count", "first", "flags", "last", "loan", "payload", "room")

    def __init__(
        self, first: int, count: int, flags: int, room: str, payload: memoryview, loan: Loan | None = None
    ) -> None:
        self.first = first
        self.last = first + count - 1
        self.count = count
        self.flags = flags
        self.room = room
        self.payload = payload
        self.loan = loan
        self.cost = len(payload) + MESSAGE_COST * count

    @property
    def numbers(self) -> range:
        """
        The numbers of its messages.
        """
        return range(self.first, self.last + 1)


class Undelivered(NamedTuple):
    """
    A run of messages that reached nobody: its first number, the number behind its last, and why.
    """

    first: int
    end: int
    reason: str


@dataclass(slots=True, eq=False)
class HubChannel:
    """
    One destination of a session.

    What most channels never need is made when it is needed: two empty deques and a set would be three quarters of what
    a channel takes.

    Attributes:
        appended: Number of the last message that is in a log (or was found undeliverable); what is acknowledged.
        received: Number of the last message that came, so that a resent one is known.
        parked: What came and cannot be appended yet, in order; dropped with the connection, since it will come again.
        waiting: What the parked batches cost.
        start: What ``appended`` was when the hub first heard of the channel.
        origin: The epoch of the hub that had the channel before, None if there was none.
        skipped: How many messages right behind ``appended`` were withdrawn, so that nobody misses them.
        withdrawn: Numbers above ``appended`` that shall not be appended.
        undelivered: What reached nobody, until it is certain that the component knows.
        source: What members know it as.
    """

    session: Session
    number: int
    room: str | None
    to: str | None
    lane: Lane
    appended: int
    received: int
    parked: deque[Parcel] | None = None
    waiting: int = 0
    stalled: bool = False
    start: int = 0
    origin: str | None = None
    skipped: int = 0
    withdrawn: set[int] | None = None
    undelivered: deque[Undelivered] | None = None
    source: Source = field(init=False)

    def __post_init__(self) -> None:
        self.source = Source(self.session.instance, self.number)

    def park(self, parcel: Parcel) -> None:
        """
        Keep a batch until it can be appended.
        """
        if self.parked is None:
            self.parked = deque()
            self.session.held_up.add(self)
        self.parked.append(parcel)
        self.waiting += parcel.cost

    def unpark(self) -> None:
        """
        Give the first of the parked batches up: it was appended.
        """
        if self.parked:
            self.waiting -= self.parked.popleft().cost
        if not self.parked:
            self.parked = None
            self.session.held_up.discard(self)
            self.session.settle()

    def withdraw(self, number: int) -> None:
        """
        Note that a message shall not be appended.
        """
        if self.withdrawn is None:
            self.withdrawn = set()
        if len(self.withdrawn) < MAX_WITHDRAWN:
            self.withdrawn.add(number)

    def done(self, last: int) -> None:
        """
        Note that everything up to ``last`` is in a log, or never will be.
        """
        self.appended = last
        self.stalled = False
        if self.withdrawn:
            self.withdrawn = {number for number in self.withdrawn if number > last} or None

    def not_delivered(self, first: int, count: int, reason: str) -> None:
        """
        Tell the component that messages reached nobody; again after a reconnect, if it may not know.
        """
        if self.undelivered is None:
            self.undelivered = deque(maxlen=MAX_UNDELIVERED)
        run = self.undelivered[-1] if self.undelivered else None
        if run is not None and (run.end, run.reason) == (first, reason):
            self.undelivered[-1] = run._replace(end=first + count)
        else:
            self.undelivered.append(Undelivered(first, first + count, reason))
        self.session.due = True  # the acknowledgement travels with it: who has one of them has both
        self.session.tell(Op.UNDELIVERED, self.number, first, count, reason)

    def disconnected(self) -> None:
        """
        Forget what will come again.
        """
        self.session.held_up.discard(self)
        self.parked = None
        self.waiting = 0
        self.stalled = False
        self.received = self.appended

    def resumed(self, acknowledged: int) -> None:
        """
        Tell the component, which knows what became of its messages up to ``acknowledged``, of the others.
        """
        while self.undelivered and self.undelivered[0].end <= acknowledged + 1:
            self.undelivered.popleft()
        for run in self.undelivered or ():
            first = max(run.first, acknowledged + 1)
            self.session.tell(Op.UNDELIVERED, self.number, first, run.end - first, run.reason)


@dataclass(slots=True, eq=False)
class Session:
    """
    One component instance, connected or expected back.

    Attributes:
        link: Whatever the server wants to reach it by; None while it is not connected.
        changed: Called when there is something to collect for it.
        lazy: Called when there is something that may wait 20 ms.
        lanes: Its inbox: a log for direct messages, for feedback and for replies.
        cursors: Its places, by log number.
        ready: Cursors that may have something to push.
        control: Frames for it that belong to no log.
        acknowledgements: By channel, what is to be acknowledged with the next packet.
        held_up: The channels that have something parked.
        syncs: Questions that are answered when nothing is parked any more.
        will: What is sent when it is given up.
        sight: What it sees of the memory that the hub shares, over this link.
        patience: What has been appended when acknowledgements are due.
    """

    instance: Instance
    secret: bytes
    unique: bool
    link: Any
    lanes: list[Log]
    changed: Callable[[Session], None]
    lazy: Callable[[Session], None]
    detached_at: float = 0.0
    channels: dict[int, HubChannel] = field(default_factory=dict)
    cursors: dict[int, Cursor] = field(default_factory=dict)
    rooms: dict[str, Cursor] = field(default_factory=dict)
    watching: set[str] = field(default_factory=set)
    ready: OrderedDict[Cursor, None] = field(default_factory=OrderedDict)  # see `Outbox` for why it is no dict
    control: deque[list[Buffer]] = field(default_factory=deque)
    acknowledgements: dict[int, int] = field(default_factory=dict)
    held_up: set[HubChannel] = field(default_factory=set)
    syncs: list[int] = field(default_factory=list)
    will: HubWill | None = None
    sight: Sight | None = None
    patience: int = ACKNOWLEDGE_COST
    unacknowledged: int = 0
    due: bool = False  # acknowledgements shall not wait for other frames any longer
    alive: bool = True

    def tell(self, op: Op, *header: Any, payload: bytes | None = None) -> None:
        """
        Queue a control frame, if the component is there to be told.
        """
        if self.link is not None:
            self.say(encode(op, *header, payload=() if payload is None else (payload,)))

    def say(self, frame: list[Buffer]) -> None:
        """
        Queue a control frame.
        """
        self.control.append(frame)
        self.changed(self)

    def push(self, cursor: Cursor) -> None:
        """
        Note that a log of the session may have something for it.
        """
        self.ready[cursor] = None
        if self.link is not None:
            self.changed(self)

    def acknowledge(self, channel: HubChannel, cost: int) -> None:
        """
        Queue an acknowledgement; later ones of the same channel replace it.
        """
        if self.link is None:
            return
        self.acknowledgements[channel.number] = channel.appended
        if not self.unacknowledged:
            self.lazy(self)
        self.unacknowledged += cost
        if self.unacknowledged >= self.patience:
            self.due = True
            self.changed(self)

    def detach(self, now: float) -> None:
        """
        The connection is gone. What it had not appended will come again.
        """
        self.link = None
        self.detached_at = now
        self.control.clear()
        self.acknowledgements.clear()
        self.unacknowledged = 0
        self.due = False
        self.syncs.clear()
        for channel in self.channels.values():
            channel.disconnected()
        self.look_away()

    def look_away(self) -> None:
        """
        End what it sees of shared memory.
        """
        if self.sight is not None:
            self.sight.end()
            self.sight = None

    def sync(self, question: int) -> None:
        """
        Answer ``question`` when everything that came is appended, and acknowledged with the answer.
        """
        self.syncs.append(question)
        self.settle()

    def settle(self) -> None:
        """
        Answer the questions of `sync` if nothing is parked.
        """
        if self.syncs and not self.held_up:
            for question in self.syncs:
                self.due = True
                self.tell(Op.ANSWER, question, None, payload=msgpack.packb(o=True))
            self.syncs.clear()

    def collect(self, limit: int, window: int) -> Sequence[Buffer]:
        """
        Return the buffers of the next packet for the component, empty if there is nothing to write.

        Args:
            limit: Bytes after which the packet is closed.
            window: What the component may have ahead of its handlers, for each log.
        """
        packet = self._collect_control() if self.control or self.due else []
        size = sum(map(len, packet))
        while self.ready and size < limit:
            cursor = next(iter(self.ready))
            entry = cursor.log.next_for(cursor, window)
            if cursor.missed or (entry is not None and entry.offset != cursor.covered):
                packet += self._cover(cursor)
            if entry is None:
                del self.ready[cursor]
                continue
            if entry.loan is not None and self.sight is not None:
                cursor.push(entry)
                brief = self.sight.brief(entry)
                packet += brief
                size += sum(map(len, brief))
                continue
            if entry.aligned and packet:
                break  # arrays are aligned from the start of a packet
            cursor.push(entry)
            if not packet and entry.cost >= ALONE:
                self._end_turn()
                return entry.frame  # the same object for every member, so that a link can encode it once for all
            packet += entry.frame
            size += entry.cost
            if cursor.pushed == cursor.log.end_index:
                del self.ready[cursor]
        if self.ready:
            self._end_turn()
        return packet

    def _collect_control(self) -> list[Buffer]:
        packet: list[Buffer] = []
        if self.due:
            # Not with every packet: parsing them was a tenth of a round trip. In front of answers, so that whoever
            # asked for ``sync`` has them when the answer comes.
            if self.acknowledgements:
                packet += encode_pairs(Op.ACKNOWLEDGE, [*self.acknowledgements], [*self.acknowledgements.values()])
                self.acknowledgements.clear()
            self.unacknowledged = 0
            self.due = False
        while self.control:
            packet += self.control.popleft()
        return packet

    def _end_turn(self) -> None:
        # The other logs come first in the next packet, so that none waits for one that always has more.
        if len(self.ready) > 1:
            self.ready.move_to_end(next(iter(self.ready)))

    def _cover(self, cursor: Cursor) -> list[Buffer]:
        cursor.covered = cursor.log.offset_at(cursor.pushed)
        missed = cursor.log.take_missed(cursor)
        payload = (msgpack.packb(missed),) if missed else ()
        return encode(Op.COVER, cursor.log.number, cursor.covered, payload=payload)
