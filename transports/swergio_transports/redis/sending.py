"""What goes out: batches of the outbox on their way into logs. Pure logic: calls to make, and what to do with replies.

Theory of operation. Everything that is ready goes out in one round trip; the next may go before its replies are there.
A channel's batches are in order, each appended only behind the one before it: so what follows a refused batch is
refused too, and all of them are offered again. A batch is acknowledged when it is in every log that it is for. What
is refused for now (a full log, nobody there to answer a request) is tried again after a pause, and holds up no other
channel.

When a connection breaks, nothing is known of what was under way: it is all taken back into the outbox and offered
again; the script recognises what it has.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from swergio.channels import Channel, Outbound
from swergio.codec.batch import Batch
from swergio.codec.frames import Buffer
from swergio.errors import AccessRefused
from swergio.outbox import Outbox
from swergio.transport import Events
from swergio_transports.redis import entries, members
from swergio_transports.redis.access import Access
from swergio_transports.redis.appending import Appending
from swergio_transports.redis.calls import Call, Command
from swergio_transports.redis.errors import BrokerRefused
from swergio_transports.redis.keys import LogKeys
from swergio_transports.redis.scripts import script
from swergio_transports.redis.ways import Code, Flag, Item, Job, Place, Way

logger = logging.getLogger("swergio.redis")

PIPELINE: Final = 1024 * 1024
"""Bytes in one round trip, unless one batch is larger."""


class Sender:
    """
    Sends what is in the outbox.

    Args:
        access: The way to the server, of which only the names and limits are used here.
        outbox: What to send.
        events: Whom to tell what reached nobody.
    """

    def __init__(self, access: Access, outbox: Outbox, events: Events) -> None:
        self.ways: dict[int, Way] = {}
        self._instance = access.instance
        self._outbox = outbox
        self._events = events
        self._keys = access.keys
        self._url = access.url
        self._verb = access.verb
        self._appending = Appending(access)
        self._active: dict[Way, None] = {}
        self._chores: deque[Job] = deque()
        self._observations: deque[Job] = deque()
        self._observing: dict[Job, None] = {}

    # -- what to do -----------------------------------------------------------------------------------------------

    def collect(self, now: float) -> tuple[list[Job], bool]:
        """
        Return what to send in the next round trip, and whether there may be more.
        """
        jobs: list[Job] = []
        while self._chores:
            jobs.append(self._chores.popleft())
        while self._observations:
            jobs.append(self._observations.popleft())
            self._observing[jobs[-1]] = None
        taken = 0
        while taken < PIPELINE and (batch := self._outbox.take()) is not None:
            way = self._way(batch.channel)
            way.items.append(Item(batch))
            self._active[way] = None
            taken += batch.cost
        for way in self._active:
            if way.until <= now:
                if way.channel.to is None:
                    self._send_to_room(way, jobs)
                else:
                    self._send_direct(way, jobs)
        return jobs, taken >= PIPELINE

    def due(self) -> float | None:
        """
        Return when to try again what waits, None if nothing does.
        """
        due = None
        for way in self._active:
            if way.parked and (due is None or way.until < due):
                due = way.until
        return due

    def _way(self, channel: Channel) -> Way:
        way = self.ways.get(channel.number)
        if way is None:
            way = self.ways[channel.number] = Way(channel, channel.acknowledged)
        return way

    def _send_to_room(self, way: Way, jobs: list[Job]) -> None:
        after = way.appended
        for position, item in enumerate(way.items):
            if item.place is Place.WAITING:
                if way.parked and position:
                    return  # the first one shows whether it is any use
                item.place = Place.FLYING
                keys = self._keys.room(way.channel.room or "")
                if item.pieces is None and way.grouped and item.batch.count > 1:
                    self._split(item, item.batch.first)
                self._append(way, item, "", keys, after, jobs, begins=position == 0)
            after = item.batch.last

    def _send_direct(self, way: Way, jobs: list[Job]) -> None:
        # One batch at a time: to whom it goes may change, and no target must get the next one without it.
        item = way.items[0]
        if item.place is not Place.WAITING:
            return
        item.place = Place.FLYING
        to = way.channel.to or ""
        if item.targets is None and "#" in to:
            item.targets = {to: self._keys.lane(to, way.channel.lane)}
        if item.targets is None:
            key = self._keys.instances(to)
            jobs.append(Job(Command(key, ("HKEYS", key)), way, item, "resolve"))
            return
        for target, keys in item.targets.items():
            self._append(way, item, target, keys, way.appended, jobs, begins=True)
        if not item.probed:
            item.probed = True
            key = self._keys.observed(item.batch.room).members
            jobs.append(Job(Command(key, ("HLEN", key)), way, item, "probe"))

    def _append(
        self, way: Way, item: Item, target: str, keys: LogKeys, after: int, jobs: list[Job], *, begins: bool
    ) -> None:
        batch = item.batch
        flags = Flag.KEEP * getattr(batch, "keep", False) | Flag.INBOX * bool(target) | Flag.BEGINS * begins
        if batch.request:
            flags |= Flag.REQUEST
            if way.withdrawn and way.withdrawn.issuperset(range(batch.first, batch.last + 1)):
                flags |= Flag.LOOK
        pieces = item.pieces or ((batch.first, batch.last),)
        whole = Batch(memoryview(b"".join(batch.payload)), batch.count) if item.pieces else None
        for first, last in pieces:
            payload = batch.payload
            if whole is not None:
                payload = whole.take(first - batch.first, last - batch.first + 1)
            calls = self._calls(keys, way, batch, (after, first, last), flags, payload, (target, last) in item.brought)
            jobs += [Job(call, way, item, "bring") for call in calls[:-1]]
            jobs.append(Job(calls[-1], way, item, "append", target, last))
            if len(calls) > 1:
                item.brought.add((target, last))
            after = last
            flags &= ~Flag.BEGINS

    def _calls(
        self,
        keys: LogKeys,
        way: Way,
        batch: Outbound,
        numbers: tuple[int, int, int],
        flags: int,
        payload: Sequence[Buffer],
        brought: bool = False,
    ) -> list[Call | Command]:
        after, first, last = numbers
        channel = way.channel
        said = entries.Delivery(self._instance, channel.number, after, first, last - first + 1, batch.room, channel.to)
        return self._appending.calls(
            keys, said, payload, flags, origin=way.origin, aligned=batch.aligned, brought=brought
        )

    # -- what came of it ------------------------------------------------------------------------------------------

    def settle(self, jobs: Sequence[Job], replies: Sequence[Any], now: float) -> None:
        """
        Take the replies to what `collect` returned.
        """
        for job, reply in zip(jobs, replies, strict=True):
            if job.kind == "probe":
                self._probed(job, reply)
            elif job.kind == "append":
                self._appended(job.way, job.item, job, reply, now)
            elif job.kind == "resolve":
                self._resolved(job.way, job.item, reply, now)
            else:
                self._observing.pop(job, None)

    def _probed(self, job: Job, reply: Any) -> None:
        if isinstance(reply, int) and reply:
            batch, keys = job.item.batch, self._keys.observed(job.item.batch.room)
            numbers = (batch.first - 1, batch.first, batch.last)
            calls = self._calls(keys, job.way, batch, numbers, Flag.BEGINS, batch.payload)
            self._observations.extend(Job(call, job.way, job.item, "observe") for call in calls)

    def _resolved(self, way: Way, item: Item, reply: Any, now: float) -> None:
        item.place = Place.WAITING
        if isinstance(reply, BrokerRefused):
            way.park("nobody", now)
            return
        names = [instance.decode() for instance in reply]
        item.targets = {name: self._keys.lane(name, way.channel.lane) for name in names}
        if not names:
            self._nobody(way, item, now)

    def _appended(self, way: Way, item: Item, job: Job, reply: Any, now: float) -> None:
        if isinstance(reply, BrokerRefused):
            self._refused(way, item, job, reply, now)
            return
        if type(reply) is bytes:  # it is there, in the log with this base
            way.origin = int(reply) or way.origin
            self._there(way, item, job)
            return
        code, detail = reply
        if code == Code.NOBODY:
            self._not_there(way, item, job, now)
        elif item.place is Place.FLYING:
            item.place = Place.WAITING
            if code == Code.FULL:
                way.channel.stalled_by = detail.decode() or None
                way.park("full", now)
            elif code == Code.SPLIT:
                way.grouped = True
            elif code == Code.PART:
                self._split(item, detail + 1)
            elif code == Code.BRING:
                # The server's memory is full, or it was restarted.
                item.brought.discard((job.target, job.last))
                way.park("full", now)
                self._trim(way, item, job)

    def _refused(self, way: Way, item: Item, job: Job, error: BrokerRefused, now: float) -> None:
        # OOM: the server's memory is full, which passes as a full log does. That a user may not use these keys does not
        # pass, and whoever goes on sending must hear of it. Nothing else should be refused.
        item.place = Place.WAITING
        if error.code == "NOPERM" and not way.parked:
            self._events.failed(AccessRefused(self._url, f"messages to {way.channel.room or way.channel.to}: {error}"))
        if not way.parked:
            logger.warning("what is sent to %s waits: %s", way.channel.room or way.channel.to, error)
        if error.code == "OOM":
            self._trim(way, item, job)
        way.park("full", now)

    def _trim(self, way: Way, item: Item, job: Job) -> None:
        if isinstance(job.call, Call):
            self._chores.append(Job(Call(script("trim"), job.call.keys), way, item, "chore"))

    def _split(self, item: Item, first: int) -> None:
        item.pieces = deque((number, number) for number in range(first, item.batch.last + 1))

    def _there(self, way: Way, item: Item, job: Job) -> None:
        item.reached = True
        if job.target:
            self._leads_to(item, job.target)
            if item.targets:
                return
        elif item.pieces is not None:
            way.appended = max(way.appended, job.last)
            while item.pieces and item.pieces[0][1] <= job.last:
                item.pieces.popleft()
            if item.pieces:
                return
        self._done(way, item)

    def _not_there(self, way: Way, item: Item, job: Job, now: float) -> None:
        if job.target:
            self._leads_to(item, job.target)
            if item.targets:
                return
            if item.reached:
                self._done(way, item)
                return
        self._nobody(way, item, now)

    def _leads_to(self, item: Item, target: str) -> None:
        if item.targets is not None:
            item.targets.pop(target, None)

    def _nobody(self, way: Way, item: Item, now: float) -> None:
        batch, to = item.batch, way.channel.to
        withdrawn = batch.request and way.withdrawn.issuperset(range(batch.first, batch.last + 1))
        if batch.request and not batch.now and not withdrawn:
            item.place, item.targets = Place.WAITING, None
            way.park("nobody", now)
            return
        if not withdrawn:
            reason = "no members" if batch.request else f"{to} is not connected"
            self._events.undeliverable(way.channel.number, batch.first, batch.count, reason)
        item.reached = not batch.request  # those that come later miss a message, and no request that was given up
        self._done(way, item)

    def _done(self, way: Way, item: Item) -> None:
        item.place = Place.DONE
        self._acknowledge(way)

    def _acknowledge(self, way: Way) -> None:
        done: Item | None = None
        while way.items and way.items[0].place is Place.DONE:
            done = way.items.popleft()
            if done.reached:
                way.appended = done.batch.last
        if done is None:
            return
        way.go_on()
        if way.withdrawn:
            way.withdrawn = {number for number in way.withdrawn if number > done.batch.last}
        if not way.items:
            self._active.pop(way, None)
        self._outbox.acknowledge(way.channel.number, done.batch.last)

    # -- when it does not go as it should -------------------------------------------------------------------------

    def withdraw(self, number: int, message: int) -> None:
        """
        Take a request back that may still wait for somebody; it may overtake the request.
        """
        channel = self._outbox.channel(number)
        if channel is not None and message > channel.acknowledged:
            way = self._way(channel)
            way.withdrawn.add(message)
            way.until = 0.0

    def broke(self) -> None:
        """
        Offer again what was under way.
        """
        for way in self._active:
            way.items.clear()
            way.go_on()
        self._active.clear()
        self._observations.extendleft(reversed(self._observing))
        self._observing.clear()
        self._outbox.rewind({})

    @property
    def told_observers(self) -> bool:
        """
        Whether the observers have what was acknowledged.
        """
        return not self._observations and not self._observing

    def marks(self) -> list[Call]:
        """
        Return what to say in logs that may have lost what was acknowledged: where each channel goes on.
        """
        calls = []
        for way in self.ways.values():
            channel = way.channel
            if way.appended and (channel.to is None or "#" in channel.to):
                keys = self._keys.lane(channel.to, channel.lane) if channel.to else self._keys.room(channel.room or "")
                frame = entries.mark(self._instance, channel.number, way.appended, str(way.origin))
                source = members.source(self._instance, channel.number)
                size = entries.cost(1, ())
                arguments = (source, way.appended, way.origin, size, self._verb, frame)
                calls.append(Call(script("mark"), keys, arguments))
        return calls
