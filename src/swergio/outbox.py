"""The outbox: what a component has sent and its transport has not acknowledged.

Theory of operation. `add` and `append` may be called from any thread: they add a packed body to the open batch of its
channel, and wake the I/O loop if nobody did. The loop calls ``take`` while its wire is writable and gets batches to
write; what a busy wire leaves in the outbox meanwhile grows into larger batches (adaptive batching). A batch is kept
until it is acknowledged, and ``rewind`` offers it again after a reconnect.

A *channel* is one destination, numbered for the life of the component; its messages are numbered from 1 in the order
in which they were added. Replies, feedback and everything else to one instance are three channels (lanes), so that a
full one does not hold up the others. Per channel, ``limit`` bounds what is queued and ``window`` what is in flight;
both are measured in bytes plus 64 for each message, and an empty channel takes a message of any size.

Small messages without arrays or meta are most of what is sent in haste, and the lock would be an eighth of what one
costs. So a batch that begins with one sets room aside for as many as it may hold, whatever the size of those, and is
*free* for them: `add` appends to its list of bodies (which is atomic), and then looks whether the batch was closed
meanwhile. Who closes it (`_end`) first takes it out of sight and then counts. So whoever appended too late to be
counted sees that the batch is not there any more, and puts the message into the next one (`_follow`); and who sees it
there was counted. What else is to be sent ends the batch.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from swergio.channels import LANES, Channel, Channels, Lane, Outbound
from swergio.codec.batch import MAX_MESSAGES, MESSAGE_COST, OpenBatch, flags_of, pack_meta
from swergio.codec.frames import Buffer
from swergio.messages import Kind, MessageType, Phase, check_name

Key: TypeAlias = tuple[str, str | None, str, Kind, Phase | None, bool, bool, bool]
"""What messages of a batch share: room, to, type, kind, phase, wants feedback, now, keep."""

Links: TypeAlias = tuple[str | None, str | None, Mapping[str, Any] | None]
"""What a message belongs to: root, parent, meta."""

NO_LINKS: Links = (None, None, None)
BATCH_COST = 256 * 1024
SMALL = BATCH_COST // MAX_MESSAGES - MESSAGE_COST  # so that a batch can be full of them
FEWEST = 64  # that a batch must be free for, or the last messages before a limit would travel in very small ones

_KNOWN_TYPES = frozenset((*map(str, MessageType), *MessageType))  # an enum's hash is not that of its text
OVERDRAFT = 8


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
        self._all = Channels()
        self.channels = self._all.by_number
        self._recent: OpenBatch | None = None  # the free one that was last added to, while it is open
        # A plain dict looks for its first item among all those that were taken before it: a fifth of the sender's time
        # when 100,000 channels had something to send.
        self._ready: OrderedDict[Channel, None] = OrderedDict()
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

    def add(
        self, key: Key, body: bytes, segments: Sequence[Buffer] = (), meta: Mapping[str, Any] | None = None
    ) -> Channel | None:
        """
        Queue a packed message whose number nobody asks for.

        Returns:
            None if it was queued, or its channel if that is full and nothing was.

        Raises:
            InvalidName: nothing can be called as the key says.
            UnsupportedBody: ``meta`` cannot travel.
        """
        small = len(body) <= SMALL and not segments and meta is None
        batch = self._recent
        if small and batch is not None and batch.key == key:
            bodies = batch.bodies
            if len(bodies) < batch.free:
                bodies.append(body)
                if self._recent is not batch or not self._awake:
                    self._follow(batch)
                return None
        channel, number = self._append(key, body, segments, (None, None, meta), small)
        return None if number else channel

    def append(
        self,
        room: str,
        to: str | None,
        type: str,
        body: bytes,
        segments: Sequence[Buffer] = (),
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
        key = (room, to, type, kind, phase, wants_feedback, now, keep)
        return self._append(key, body, segments, (root, parent, meta))

    def _append(
        self, key: Key, body: bytes, segments: Sequence[Buffer], links: Links, free: bool = False
    ) -> tuple[Channel, int]:
        root, parent, meta = links
        packed_meta = None if meta is None else pack_meta(meta)
        with self._lock:
            channel = self._all.to(key[0], key[1], LANES[key[3]])
            batch = self._taker(channel, key, free)
            if batch is None:
                return channel, 0
            more = 0
            if segments:
                batch.attach(segments)
                more += sum(map(len, segments))
            if links != NO_LINKS:
                batch.link(root, parent, packed_meta)
                more += sum(map(len, filter(None, (root, parent, packed_meta))))
            self._put(channel, batch, body, more)
            number = channel.last + (len(batch.bodies) if batch.free else 0)
            if self._awake:
                return channel, number
            self._awake = True
        self._wake()
        return channel, number

    def _follow(self, batch: OpenBatch) -> None:
        with self._lock:
            self._put_late(batch)
            if self._awake:
                return
            self._awake = True
        self._wake()

    # -- under the lock -------------------------------------------------------------------------------------------

    def _taker(self, channel: Channel, key: Key, free: bool) -> OpenBatch | None:
        # The batch for one message more, a free one if that may be; None if the channel is full.
        batch = channel.open
        if batch is not None and batch.free:
            if free and batch.key == key and len(batch.bodies) < batch.free:
                self._recent = batch
                return batch
            self._end(channel)  # what it holds was not counted yet
        if channel.queued >= self._limit and channel.queued >= self._capacity(channel):
            return None
        batch = channel.open
        if batch is None or batch.key != key:
            batch = self._begin(channel, key, self._room(channel) if free else 0)
        return batch

    def _room(self, channel: Channel) -> int:
        room = min(MAX_MESSAGES, (self._limit - channel.queued) // (SMALL + MESSAGE_COST))
        return room if room >= FEWEST else 0

    def _begin(self, channel: Channel, key: Key, free: int = 0) -> OpenBatch:
        _, _, type, kind, phase, wants_feedback, *_ = key
        if type.__class__ not in (str, MessageType) or type not in _KNOWN_TYPES:
            check_name(type, "message type")
        while channel.open is not None:  # what came too late for a free one is in another
            self._end(channel)
        batch = OpenBatch(key, type, phase, flags_of(kind, wants_feedback), time.time(), free)
        if free:
            self._recent = batch
        channel.open = batch
        self._ready[channel] = None
        return batch

    def _put(self, channel: Channel, batch: OpenBatch, body: bytes, more: int = 0) -> None:
        bodies = batch.bodies
        bodies.append(body)
        if batch.free:
            return  # counted when it is ended
        cost = len(body) + MESSAGE_COST + more
        batch.cost += cost
        channel.last += 1
        channel.queued += cost
        if channel.lane and channel.queued >= self._limit:
            self._congested.add(channel)
        if len(bodies) >= MAX_MESSAGES or batch.cost >= BATCH_COST:
            self._end(channel)

    def _end(self, channel: Channel) -> None:
        batch = channel.open
        assert batch is not None
        channel.open = None
        if batch is self._recent:
            self._recent = None  # before it is closed, see above
        channel.waiting.append(batch)
        if not batch.close():
            return  # it was counted
        batch.cost = sum(map(len, batch.bodies[: batch.count])) + MESSAGE_COST * batch.count
        channel.last += batch.count
        channel.queued += batch.cost
        if len(batch.bodies) > batch.count:
            self._put_late(batch)

    def _put_late(self, batch: OpenBatch) -> None:
        key = batch.key
        channel = self._all.to(key[0], key[1], LANES[key[3]])
        for body in batch.late():
            taker = channel.open
            if taker is None or taker.free or taker.key != key:
                taker = self._begin(channel, key)
            self._put(channel, taker, body)

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
                channel, _ = self._ready.popitem(last=False)
                if channel.in_flight >= self._window:
                    channel.blocked = True
                elif channel.unsent or channel.waiting or channel.open:
                    batch = self._pull(channel)
                    break
        if isinstance(batch, Outbound):
            self.resent += batch.count
            return batch
        return self._number(channel, batch)

    def _pull(self, channel: Channel) -> OpenBatch | Outbound:
        batch: OpenBatch | Outbound
        if channel.unsent:
            batch = channel.closed[-channel.unsent]
            channel.unsent -= 1
        else:
            if not channel.waiting:
                self._end(channel)
            batch = channel.waiting.popleft()
        if channel.unsent or channel.waiting or channel.open:
            self._ready[channel] = None
        channel.in_flight += batch.cost
        return batch

    def _number(self, channel: Channel, batch: OpenBatch) -> Outbound:
        closed = channel.close(batch)
        more = closed.cost - batch.cost  # the estimate was smaller by the columns
        with self._lock:
            channel.queued += more
            channel.in_flight += more
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
            channel.acknowledge(last)
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
                channel.rewind()
                if channel.unsent or channel.waiting or channel.open:
                    self._ready[channel] = None
                else:
                    self._ready.pop(channel, None)

    def channel_to(self, room: str, to: str | None, kind: Kind = Kind.REQUEST) -> Channel:
        """
        Return the channel that leads to a room or component.
        """
        with self._lock:
            return self._all.to(room, to, LANES[kind])

    def reserve(self, room: str, to: str | None) -> Channel:
        """
        Return a channel that leads to a room or component, and that nothing is appended to: that of a will.
        """
        with self._lock:
            return self._all.to(room, to, Lane.DIRECT, reserved=True)

    def channel(self, number: int) -> Channel | None:
        """
        Return the channel of that number.
        """
        return self.channels[number] if 0 <= number < len(self.channels) else None

    def settle(self) -> None:
        """
        Have `Channel.last` of every channel count what was added up to now.
        """
        with self._lock:
            for channel in list(self._ready):
                if channel.open is not None and channel.open.free:
                    self._end(channel)

    @property
    def sent(self) -> int:
        """
        How many messages were added.
        """
        self.settle()
        return sum(channel.last for channel in self.channels)

    @property
    def unacknowledged(self) -> int:
        """
        How many messages are not acknowledged.
        """
        self.settle()
        return sum(channel.last - channel.acknowledged for channel in self.channels)
