"""The component's side of the hub protocol: frames in, frames out; no sockets, no clock.

Theory of operation. The client survives its links. It knows, for each room and inbox, the next offset that it
expects and up to where the component has handled what came: offsets tell the hub from where to go on. What was lost
meanwhile and what came twice it knows from the numbers of the senders (`swergio.hub.sources`).
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from swergio.codec.batch import MESSAGE_COST
from swergio.codec.frames import VERSION, Buffer, Frame, Op, Packet, encode, fields, parse, rows, unpack
from swergio.errors import AccessRefused, ConnectFailed, IncompatiblePeer, NameTaken, ProtocolError, SwergioError
from swergio.hub.greeting import TEXT_OR_NONE, ChannelState, Hello, Membership, Place, Welcome, unpack_positions
from swergio.hub.positions import Position, Source
from swergio.hub.questions import Questions
from swergio.hub.sessions import ALIGNED, NOW, REQUEST
from swergio.hub.sources import Sources, Subscription
from swergio.messages import Instance
from swergio.outbox import Channel, Lane, Outbound, Outbox
from swergio.transport import Events, Inbound, Loss, Mode

PACKET = 256 * 1024

_REFUSALS: dict[str, type[ConnectFailed]] = {"version": IncompatiblePeer, "access": AccessRefused, "name": NameTaken}


class HubClient:
    """
    What a component's transport knows of its deployment.

    Args:
        instance: Who the component is.
        unique: It wants to be the only one of its name.
        outbox: What it sends.
        events: Whom to tell what came.
    """

    def __init__(self, instance: Instance, unique: bool, outbox: Outbox, events: Events) -> None:
        self.instance = instance
        self.welcomed = False
        self.refusal: SwergioError | None = None
        self.duplicates = 0
        self.welcomes = 0
        self._unique = unique
        self._outbox = outbox
        self._events = events
        self._secret = secrets.token_bytes(16)
        self._epoch: str | None = None
        self._rooms: dict[str, Subscription] = {}
        self._lanes = [Subscription.of_inbox() for _ in Lane]
        self._logs: dict[int, Subscription] = {}
        self._sources = Sources(instance)
        self._memberships = 0
        self._watched: set[str] = set()
        self._questions = Questions()
        self._control: deque[list[Buffer]] = deque()
        self._opened: set[int] = set()
        self._held: Outbound | None = None
        self._withdrawn: dict[tuple[int, int], None] = {}
        self._leaving = False
        self._unreported: dict[Subscription, None] = {}
        self._handlers: dict[int, Callable[[Frame], None]] = {
            Op.WELCOME: self._welcome,
            Op.REFUSE: self._refused,
            Op.DELIVER: self._deliver,
            Op.COVER: self._cover,
            Op.MARK: self._marked,
            Op.ACKNOWLEDGE: self._acknowledged,
            Op.STALL: self._stalled,
            Op.UNDELIVERED: self._undelivered,
            Op.ANSWER: self._answered,
            Op.PRESENCE: self._present,
            Op.BEAT: lambda frame: None,
            Op.BYE: lambda frame: None,
        }

    # -- the link -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """
        A link stands: queue HELLO.
        """
        self.welcomed = False
        self._held = None
        self._control.clear()
        self._logs.clear()
        channels = list(self._outbox.channels)
        self._opened = {channel.number for channel in channels}
        state = Hello(
            [ChannelState(c.number, c.room, c.to, int(c.lane), c.acknowledged) for c in channels],
            [Membership(room, sub.mode, sub.echo, sub.next) for room, sub in self._rooms.items()],
            [sub.next for sub in self._lanes],
            sorted(self._watched),
        )
        hello = (VERSION, self.instance.name, str(self.instance), self._secret, self._unique, self._epoch)
        self._control.append(encode(Op.HELLO, *hello, payload=(state.pack(),)))

    def receive(self, packet: Packet) -> None:
        """
        Take a packet that came.

        Raises:
            ProtocolError: it is malformed; the link must be closed.
        """
        for frame in parse(packet):
            handler = self._handlers.get(frame.op)
            if handler is None:
                raise ProtocolError(f"unknown op {frame.op}")
            handler(frame)

    def collect(self, report: bool = True) -> list[Buffer]:
        """
        Return the next packet to write, empty if there is none.

        Args:
            report: Say what was consumed even if there is nothing else to say.
        """
        packet: list[Buffer] = []
        while self._control:
            packet += self._control.popleft()
        if not self.welcomed or self._leaving:
            return packet
        if self._unreported and report:
            packet += self._report()
        size = sum(map(len, packet))
        while size < PACKET:
            batch = self._held or self._outbox.take()
            self._held = None
            if batch is None:
                break
            if batch.aligned and packet:
                self._held = batch  # arrays are aligned from the start of a packet
                break
            packet += self._publish(batch)
            size += batch.cost
        return packet

    def _report(self) -> list[Buffer]:
        frames: list[Buffer] = []
        for sub in self._unreported:
            # An offset of what was left or replaced meanwhile would be taken for one of another log.
            if sub.consumed > sub.reported and self._logs.get(sub.log) is sub:
                frames += encode(Op.CONSUMED, sub.log, sub.consumed)
                sub.reported = sub.consumed
        self._unreported.clear()
        return frames

    def _publish(self, batch: Outbound) -> list[Buffer]:
        channel = batch.channel
        flags = REQUEST * batch.request | NOW * batch.now | ALIGNED * batch.aligned
        header = (channel.number, batch.first, batch.count, flags, batch.room)
        frame = encode(Op.PUBLISH, *header, payload=batch.payload, aligned=batch.aligned)
        if channel.number in self._opened:
            return frame
        if batch.aligned:
            self._held = batch
            return self._open(channel)
        return self._open(channel) + frame

    def _open(self, channel: Channel) -> list[Buffer]:
        if channel.number in self._opened:
            return []
        self._opened.add(channel.number)
        return encode(Op.OPEN, channel.number, channel.room, channel.to, int(channel.lane))

    # -- what the component does ----------------------------------------------------------------------------------

    def ask(self, verb: str, arguments: tuple[Any, ...], answer: Callable[[Any, str | None], None]) -> int:
        """
        Queue a question; ``answer(value, error)`` is called once, whatever becomes of links meanwhile.
        """
        number = self._questions.add(verb, arguments, answer)
        if self.welcomed:
            self._control.append(self._questions.frame(number))
        return number

    def forget(self, question: int) -> None:
        """
        Nobody waits for the answer any more. A join or leave takes effect all the same.
        """
        self._questions.forget(question)

    def joined(self, room: str, mode: Mode, echo: bool, answer: Any) -> None:
        """
        Take the hub's answer to ``join``.

        Raises:
            ProtocolError: it is malformed.
        """
        ((log, offset, table),) = rows([answer], "the answer to join", int, int, list)
        positions = unpack_positions(table)
        sub = self._rooms.get(room)
        if sub is not None and sub.log == log:
            self._compare(sub, positions)
            sub.mode, sub.echo = mode, echo
        else:
            self._memberships += 1
            sub = Subscription(room, mode, echo, log, offset, offset, offset, membership=self._memberships)
            self._rooms[room] = self._logs[log] = sub
        self._sources.begin(sub, positions)

    def left(self, room: str) -> None:
        """
        The room is left, or about to be: what still comes from it is dropped.
        """
        sub = self._rooms.pop(room, None)
        if sub is not None:
            self._logs.pop(sub.log, None)

    def watching(self, room: str, wanted: bool) -> None:
        """
        Note that joins and leaves of the room are wanted, so that they are after a reconnect.
        """
        (self._watched.add if wanted else self._watched.discard)(room)

    def consumed(self, receipt: tuple[Subscription, int, int]) -> None:
        """
        The batch with this receipt was handled.
        """
        sub, end, _ = receipt
        sub.outstanding -= 1
        sub.consumed = max(sub.consumed, end)
        self._settle(sub)

    def withdraw(self, channel: int, number: int) -> None:
        """
        Take a request back that may still wait for a member.
        """
        self._withdrawn[channel, number] = None
        if self.welcomed:
            self._send_withdrawal(channel, number)

    def _send_withdrawal(self, number: int, message: int) -> None:
        channel = self._outbox.channel(number)
        if channel is None or message <= channel.acknowledged:
            del self._withdrawn[number, message]
        else:
            # It may overtake the request, which waits in the outbox: the hub keeps it until that comes.
            self._control.append(self._open(channel) + encode(Op.WITHDRAW, number, message))

    def beat(self) -> None:
        """
        Queue a sign of life.
        """
        self._control.append(encode(Op.BEAT))

    def bye(self) -> None:
        """
        Queue the end; nothing else is sent any more.
        """
        self._leaving = True
        self._control.append(encode(Op.BYE))

    # -- what came ------------------------------------------------------------------------------------------------

    def _welcome(self, frame: Frame) -> None:
        _, epoch, window = fields(frame, int, str, int)
        welcome = Welcome.unpack(frame.payload)
        if self._rooms.keys() - welcome.rooms.keys():  # fewer may be there now: some may have been left meanwhile
            raise ProtocolError("WELCOME without rooms of HELLO")
        resumed = epoch == self._epoch
        for place, sub in zip(welcome.lanes, list(self._lanes), strict=True):
            self._continue(sub, place, resumed=resumed)
        for room, sub in list(self._rooms.items()):
            self._continue(sub, welcome.rooms[room], resumed=resumed)
        self._epoch = epoch
        self._outbox.limit_window(window)
        self._outbox.rewind(welcome.channels)
        self.welcomed = True
        self.welcomes += 1
        for number, message in list(self._withdrawn):
            self._send_withdrawal(number, message)
        self._control.extend(self._questions.frames())
        self._events.connected(resumed=resumed)

    def _continue(self, sub: Subscription, place: Place, *, resumed: bool) -> None:
        if self._epoch is None:
            self._sources.begin(sub, place.positions)
        elif not place.whole:
            if not resumed:
                sub.epochs.append(self._epoch)
            self._compare(sub, place.positions)
        if sub.log != place.log or not resumed:
            # Receipts of the old log still count down ``outstanding``; their offsets mean nothing in the new one.
            old, offset = sub, place.offset
            sub = replace(old, log=place.log, next=offset, consumed=offset, outstanding=0)
            if old.room is None:
                self._lanes[self._lanes.index(old)] = sub
            else:
                self._rooms[old.room] = sub
        sub.next = place.offset
        sub.reported = -1  # what was reported may have been lost with the link
        self._logs[sub.log] = sub
        self._settle(sub)

    def _refused(self, frame: Frame) -> None:
        code, reason = fields(frame, str, str)
        if code != "busy":  # that may pass; the others will be said again each time
            self.refusal = _REFUSALS.get(code, ConnectFailed)("the hub", reason)

    def _deliver(self, frame: Frame) -> None:
        log, offset, count, sender, channel, after, first, room, to, attempt = fields(
            frame, int, int, int, str, int, int, int, str, TEXT_OR_NONE, int
        )
        sub = self._advance(log, offset, offset + count)
        if sub is None:
            return
        if sub.room is None or to is None:  # what an observer sees of direct messages is not complete
            source = Source(sender, channel)
            missing = self._sources.deliver(sub, source, to, after, first, first + count - 1)
            if missing is None:
                self.duplicates += count
                self._settle(sub)
                return
            if missing:
                self._lose(sub, room, source, missing)
        sub.outstanding += 1
        receipt = (sub, offset + count, len(frame.payload) + MESSAGE_COST * count)
        lossy = sub.mode is not Mode.RELIABLE
        self._events.delivered(
            Inbound(room, to, Instance(sender), channel, first, count, attempt, frame.payload, receipt, lossy)
        )

    def _advance(self, log: int, offset: int, end: int) -> Subscription | None:
        sub = self._logs.get(log)
        if sub is None or end <= sub.next:
            return None  # of a room that was left, or known
        if offset != sub.next:
            raise ProtocolError(f"offset {offset} of log {log} came where {sub.next} was due")
        sub.next = end
        return sub

    def _settle(self, sub: Subscription) -> None:
        sub.settle()
        self._unreported[sub] = None

    def _cover(self, frame: Frame) -> None:
        log, offset = fields(frame, int, int)
        sub = self._logs.get(log)
        if sub is not None and offset > sub.next:
            if frame.payload:
                self._compare(sub, unpack_positions(unpack(frame.payload)))
            sub.next = offset
            self._settle(sub)

    def _marked(self, frame: Frame) -> None:
        log, offset, sender, channel, number, origin = fields(frame, int, int, str, int, int, str)
        sub = self._advance(log, offset, offset + 1)
        if sub is not None:
            source = Source(sender, channel)
            self._lose(sub, sub.room or "", source, self._sources.mark(sub, source, number, origin))
            self._settle(sub)

    def _compare(self, sub: Subscription, positions: list[Position]) -> None:
        for source, missing in self._sources.compare(sub, positions):
            self._lose(sub, sub.room or "", source, missing)

    def _lose(self, sub: Subscription, room: str, source: Source, count: int) -> None:
        if sub.mode is not Mode.RELIABLE and count:
            self._events.dropped(room, count)
        elif count:
            reason = "they were in the memory of a hub, or waited longer than it keeps them"
            self._events.lost(Loss(room, Instance(source.sender), count, reason))

    def _acknowledged(self, frame: Frame) -> None:
        number, last = fields(frame, int, int)
        self._outbox.acknowledge(number, last)
        if self._withdrawn:
            for withdrawn in [key for key in self._withdrawn if key[0] == number and key[1] <= last]:
                del self._withdrawn[withdrawn]

    def _stalled(self, frame: Frame) -> None:
        number, member = fields(frame, int, str)
        channel = self._outbox.channel(number)
        if channel is not None:
            channel.stalled_by = member or None

    def _undelivered(self, frame: Frame) -> None:
        number, first, count, reason = fields(frame, int, int, int, str)
        channel = self._outbox.channel(number)
        if channel is None or not 0 < first < first + count <= channel.last + 1:
            raise ProtocolError(f"UNDELIVERED of {count} messages from {first} that channel {number} did not send")
        self._events.undeliverable(number, first, count, reason)

    def _answered(self, frame: Frame) -> None:
        number, error = fields(frame, int, TEXT_OR_NONE)
        question = self._questions.answered(number, unpack(frame.payload), error)
        if question is not None and question.verb == "leave" and error is None:
            self.left(question.arguments[0])  # a join before it may have been answered meanwhile

    def _present(self, frame: Frame) -> None:
        room, instance, joined = fields(frame, str, str, bool)
        self._events.presence(room, Instance(instance), joined)
