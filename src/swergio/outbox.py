"""The outbox: what a component has sent and its transport has not acknowledged.

Theory of operation. ``append`` may be called from any thread and costs one short lock: it adds a packed body to the
open batch of its channel and wakes the I/O loop if nobody did. The loop calls ``take`` while its wire is writable and
gets batches to write; what a busy wire leaves in the outbox meanwhile grows into larger batches (adaptive batching).
A batch is kept until it is acknowledged, and ``rewind`` offers it again after a reconnect.

A *channel* is one destination, numbered for the life of the component; its messages are numbered from 1 in the order
of ``append``. Replies, feedback and everything else to one instance are three channels (lanes), so that a full one
does not hold up the others. Per channel, ``limit`` bounds what is queued and ``window`` what is in flight; both are
measured in bytes plus 64 for each message, and an empty channel takes a message of any size.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from swergio.codec.batch import MAX_MESSAGES, MESSAGE_COST, OpenBatch, flags_of, pack_meta
from swergio.codec.frames import Buffer
from swergio.messages import Kind, MessageType, Phase, check_destination, check_name

BATCH_COST = 256 * 1024

_KNOWN_TYPES = frozenset((*map(str, MessageType), *MessageType))  # an enum's hash is not that of its text
OVERDRAFT = 8


class Lane(IntEnum):
    """
    What is kept apart on the way to one instance.
    """

    DIRECT = 0
    FEEDBACK = 1
    REPLIES = 2


# By Kind. Plain integers: hashing a member of an enumeration, as a part of a key, runs Python code.
_LANES = tuple(map(int, (Lane.DIRECT, Lane.DIRECT, Lane.REPLIES, Lane.REPLIES, Lane.FEEDBACK, Lane.FEEDBACK)))


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
    blocked: bool = False  # it has something to send, and its window is full


class Outbox:
    """
    The queue between the senders of a component and its transport.

    Args:
        limit: Cost of what one channel may hold.
        window: Cost of what may be in flight, unacknowledged, on one channel.
        wake: Called, from any thread, when the loop should call ``take``; not again before it did.

    Attributes:
        drained: Called on the loop's thread when a channel that was full takes messages again.
        resent: How many messages were offered again after a reconnect.
    """

    def __init__(self, limit: int, window: int, wake: Callable[[], None]) -> None:
        self._limit = limit
        self._own_window = self._window = window
        self._wake = wake
        self._awake = False
        self._channels: dict[tuple[str | None, str | None, int], Channel] = {}
        self.channels: list[Channel] = []
        self._recent: OpenBatch | None = None  # what was last appended to, while it is open
        self._recent_channel: Channel
        self._ready: dict[Channel, None] = {}
        self._lock = threading.Lock()
        self._room_made = threading.Condition(self._lock)
        self._congested: set[Channel] = set()
        self.drained: Callable[[Channel], None] = lambda channel: None
        self.resent = 0

    # -- any thread ---------------------------------------------------------------------------------------------

    @property
    def has_more(self) -> bool:
        """
        Whether there may be something to take.
        """
        return bool(self._ready)

    def append(
        self,
        room: str,
        to: str | None,
        type: str,
        body: bytes,
        segments: Sequence[bytes] = (),
        kind: Kind = Kind.MESSAGE,
        phase: Phase | None = None,
        wants_feedback: bool = False,
        meta: Mapping[str, Any] | None = None,
        keep: bool = False,
        now: bool = False,
        root: str | None = None,
        parent: str | None = None,
    ) -> tuple[Channel, int]:
        """
        Queue a packed message.

        Returns:
            Its channel and its number there, or the channel and 0 if the channel is full and nothing was queued.

        Raises:
            InvalidName: nothing can be called ``room``, ``to`` or ``type``.
            UnsupportedBody: ``meta`` cannot travel.
        """
        packed_meta = None if meta is None else pack_meta(meta)
        key = (room, to, type, kind, phase, wants_feedback, now, keep)
        with self._lock:
            batch = self._recent
            same = batch is not None and batch.key == key  # as nearly always; finding the channel takes longer
            if same:
                channel = self._recent_channel
            else:
                lane = _LANES[kind]
                channel = self._channels.get((None if to else room, to, lane)) or self._add(room, to, lane)
            if channel.queued >= self._limit and channel.queued >= self._capacity(channel):
                return channel, 0
            if batch is None or not same:
                batch = self._begin(channel, key)
            bodies = batch.bodies
            bodies.append(body)
            cost = len(body) + MESSAGE_COST
            if segments:
                batch.attach(segments)
                cost += sum(map(len, segments))
            if root is not None or parent is not None or meta is not None:
                batch.link(root, parent, packed_meta)
                cost += len(root or "") + len(parent or "") + len(packed_meta or b"")
            batch.cost += cost
            channel.queued += cost
            channel.last = number = channel.last + 1
            if channel.queued >= self._limit and channel.lane:
                self._congested.add(channel)
            if len(bodies) >= MAX_MESSAGES or batch.cost >= BATCH_COST:
                channel.waiting.append(batch)
                channel.open = self._recent = None
            if self._awake:
                return channel, number
            self._awake = True
        self._wake()
        return channel, number

    def _add(
        self, room: str, to: str | None, lane: int, key: tuple[str | None, str | None, int] | None = None
    ) -> Channel:
        # For a name that it cannot take, the hub would close the connection, again after every reconnect.
        check_destination(room if to is None else None, to)
        channel = Channel(len(self.channels), None if to else room, to, Lane(lane))
        self._channels[key or (channel.room, to, lane)] = channel
        self.channels.append(channel)
        return channel

    def _begin(self, channel: Channel, key: tuple[Any, ...]) -> OpenBatch:
        batch = channel.open
        if batch is None or batch.key != key:
            _, _, type, kind, phase, wants_feedback, *_ = key
            if not isinstance(type, str) or type not in _KNOWN_TYPES:
                check_name(type, "message type")
            if batch is not None:
                channel.waiting.append(batch)
            batch = channel.open = OpenBatch(key, type, phase, flags_of(kind, wants_feedback), time.time())
            self._ready[channel] = None
        self._recent, self._recent_channel = batch, channel
        return batch

    def _capacity(self, channel: Channel) -> int:
        # What is answered must never wait for who waits for an answer: handlers go on answering above the limit, and
        # the component takes no new messages meanwhile (see `congested`). What a handler took before bounds it.
        return self._limit * OVERDRAFT if channel.lane else self._limit

    @property
    def congested(self) -> bool:
        """
        Whether answers (replies, feedback) are above the limit, so that nothing that may be answered should be taken.
        """
        return bool(self._congested)

    def wait(self, channel: Channel, seconds: float) -> bool:
        """
        Wait until ``channel`` takes messages again; False if it did not in time. Not for the loop's thread.
        """
        with self._room_made:
            return self._room_made.wait_for(lambda: channel.queued < self._capacity(channel), seconds)

    # -- the loop's thread ----------------------------------------------------------------------------------------

    def take(self) -> Outbound | None:
        """
        Return the next batch to write, taking the channels in turn; None if there is none that may be written.
        """
        with self._lock:
            self._awake = False
            while True:
                if not self._ready:
                    return None
                channel = next(iter(self._ready))
                del self._ready[channel]
                if channel.in_flight >= self._window:
                    channel.blocked = True
                elif channel.unsent or channel.waiting or channel.open:
                    batch = self._pull(channel)
                    break
        if isinstance(batch, Outbound):
            self.resent += batch.count
            return batch
        return self._close(channel, batch)

    def _pull(self, channel: Channel) -> OpenBatch | Outbound:
        batch: OpenBatch | Outbound
        if channel.unsent:
            batch = channel.closed[-channel.unsent]
            channel.unsent -= 1
        elif channel.waiting:
            batch = channel.waiting.popleft()
        else:
            assert channel.open is not None
            batch, channel.open, self._recent = channel.open, None, None
        if channel.unsent or channel.waiting or channel.open:
            self._ready[channel] = None
        channel.in_flight += batch.cost
        return batch

    def _close(self, channel: Channel, batch: OpenBatch) -> Outbound:
        room, _, _, kind, _, _, now, keep = batch.key
        first = channel.closed[-1].last + 1 if channel.closed else channel.acknowledged + 1
        payload = batch.encode()
        # What the hub will count. The estimate of `append` was smaller by the columns.
        cost = sum(map(len, payload)) + MESSAGE_COST * len(batch.bodies)
        with self._lock:
            channel.queued += cost - batch.cost
            channel.in_flight += cost - batch.cost
        closed = Outbound(
            channel,
            room,
            first,
            len(batch.bodies),
            cost,
            kind is Kind.REQUEST,
            now,
            keep,
            payload,
            bool(batch.segments),
        )
        channel.closed.append(closed)
        return closed

    def acknowledge(self, number: int, last: int) -> None:
        """
        Forget the messages of channel ``number`` up to ``last``: the transport is responsible for them now.
        """
        channel = self.channel(number)
        if channel is None or last <= channel.acknowledged:
            return
        with self._room_made:
            was_full = channel.queued >= self._limit
            while channel.closed and channel.closed[0].last <= last:
                batch = channel.closed.popleft()
                channel.queued -= batch.cost
                if len(channel.closed) < channel.unsent:
                    channel.unsent -= 1
                else:
                    channel.in_flight -= batch.cost
                channel.acknowledged = batch.last
            if not channel.in_flight:  # else what is acknowledged came before what is held up, and says nothing of it
                channel.stalled_by = None
            if channel.blocked and channel.in_flight < self._window:
                channel.blocked = False
                self._ready[channel] = None
            made_room = was_full and channel.queued < self._limit
            if made_room:
                self._congested.discard(channel)
                self._room_made.notify_all()
        if made_room:
            self.drained(channel)

    def limit_window(self, window: int) -> None:
        """
        Have no more in flight on a channel than ``window``, if that is less than what was set.
        """
        self._window = max(1, min(self._own_window, window))

    def rewind(self, acknowledged: Mapping[int, int]) -> None:
        """
        Offer everything that is not acknowledged again, after a reconnect.

        Args:
            acknowledged: The last number that the other end has of each channel, where it knows the channel.
        """
        for number, last in acknowledged.items():
            self.acknowledge(number, last)
        with self._lock:
            for channel in self.channels:
                channel.blocked = False
                channel.unsent = len(channel.closed)
                channel.in_flight = 0
                channel.stalled_by = None
                if channel.unsent or channel.waiting or channel.open:
                    self._ready[channel] = None
                else:
                    self._ready.pop(channel, None)

    def channel_to(self, room: str, to: str | None, kind: Kind = Kind.REQUEST) -> Channel:
        """
        Return the channel that leads to a room or component.
        """
        with self._lock:
            lane = _LANES[kind]
            return self._channels.get((None if to else room, to, lane)) or self._add(room, to, lane)

    def reserve(self, room: str, to: str | None) -> Channel:
        """
        Return a channel that leads to a room or component, and that nothing is appended to: that of a will.
        """
        with self._lock:
            key = (None if to else room, to, -1)
            return self._channels.get(key) or self._add(room, to, Lane.DIRECT, key)

    def channel(self, number: int) -> Channel | None:
        """
        Return the channel of that number.
        """
        return self.channels[number] if 0 <= number < len(self.channels) else None

    @property
    def unacknowledged(self) -> int:
        """
        How many messages are not acknowledged.
        """
        return sum(channel.last - channel.acknowledged for channel in self.channels)
