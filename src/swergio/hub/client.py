"""The component's side of the hub protocol: frames in, frames out; no sockets, no clock.

Theory of operation. The client survives its links. It knows, for each room and inbox, the next offset that it
expects and up to where the component has handled what came: offsets tell the hub from where to go on. What was lost
meanwhile and what came twice it knows from the numbers of the senders (`swergio.hub.sources`).
"""

from __future__ import annotations

import math
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any

from swergio.channels import Channel, Outbound
from swergio.codec.batch import MESSAGE_COST
from swergio.codec.frames import OPTIONAL, VERSION, Buffer, Frame, Op, Packet, encode, fields, pairs, parse, unpack
from swergio.errors import AccessRefused, ConnectFailed, IncompatiblePeer, NameTaken, ProtocolError, SwergioError
from swergio.hub.borrowing import Borrower
from swergio.hub.greeting import NUMBER, TEXT_OR_NONE, ChannelState, Hello, Welcome
from swergio.hub.questions import Questions
from swergio.hub.reading import Reader
from swergio.hub.sessions import ALIGNED, KEEP, NOW, REQUEST
from swergio.messages import Instance
from swergio.outbox import Outbox
from swergio.transport import Events, Member, Mode, Will

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
        shares: Large batches may go through memory that the hub shares, where it does.

    Attributes:
        window: Bytes that the hub sends, of each log, ahead of what was handled; 0 before it said so.
        max_packet: Bytes that the hub takes in one packet; 0 before it said so.
        patience: Seconds of silence after which it takes this component for dead.
    """

    def __init__(
        self, instance: Instance, unique: bool, outbox: Outbox, events: Events, *, shares: bool = False
    ) -> None:
        self.instance = instance
        self.welcomed = False
        self.refusal: SwergioError | None = None
        self.welcomes = 0
        self.window = self.max_packet = 0
        self.patience = math.inf
        self._borrower = Borrower(shares)
        self.reader = Reader(instance, events)
        self._unique = unique
        self._outbox = outbox
        self._events = events
        self._secret = secrets.token_bytes(16)
        self._epoch: str | None = None
        self._watched: set[str] = set()
        self._questions = Questions()
        self._control: deque[list[Buffer]] = deque()
        self._opened: set[int] = set()
        self._held: Outbound | None = None
        self._withdrawn: dict[tuple[int, int], None] = {}
        self._leaving = False
        self._will: Will | None = None
        self._wills = 0
        self._handlers: dict[int, Callable[[Frame], None]] = {
            Op.WELCOME: self._welcome,
            Op.REFUSE: self._refused,
            Op.DELIVER: self.reader.deliver,
            Op.DELIVER_LENT: lambda frame: self.reader.deliver(frame, self._borrower.read),
            Op.ARENA: self._borrower.arena,
            Op.RETURN: self._borrower.returned,
            Op.COVER: self.reader.cover,
            Op.MARK: self.reader.mark,
            Op.LOST: self.reader.lose,
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
        self._borrower.forget()
        channels = list(self._outbox.channels)
        self._opened = {channel.number for channel in channels}
        rooms, lanes = self.reader.begin()
        state = Hello(
            [ChannelState(c.number, c.room, c.to, int(c.lane), c.acknowledged) for c in channels],
            rooms,
            lanes,
            sorted(self._watched),
        )
        hello = (VERSION, self.instance.name, str(self.instance), self._secret, self._unique, self._epoch)
        self._control.append(encode(Op.HELLO, *hello, self._borrower.features, payload=(state.pack(),)))

    def end(self) -> None:
        """
        The link is gone: nothing of it is received any more.
        """
        self.welcomed = False
        self._borrower.forget()

    def receive(self, packet: Packet) -> None:
        """
        Take a packet that came.

        Raises:
            ProtocolError: it is malformed; the link must be closed.
        """
        for frame in parse(packet):
            handler = self._handlers.get(frame.op)
            if handler is not None:
                handler(frame)
            elif not frame.op & OPTIONAL:
                raise ProtocolError(f"unknown op {frame.op}")

    def has_more(self, report: bool = True) -> bool:
        """
        Whether there may be something to `collect`.
        """
        if self._control or self._held or self._outbox.has_more:
            return True
        return report and self.reader.has_more

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
        size = sum(map(len, packet))
        while size < PACKET:
            batch = self._held or self._outbox.take()
            self._held = None
            if batch is None:
                break
            frames = self._lend(batch) if batch.aligned else None
            if frames is not None:
                packet += frames
                size += sum(map(len, frames))
                continue
            if batch.aligned and packet:
                self._held = batch  # arrays are aligned from the start of a packet
                break
            packet += self._publish(batch)
            size += batch.cost
            if not self._outbox.has_more:
                break
        if report:  # behind what handlers sent: who is killed between the two is taken not to have finished
            packet += self.reader.report()
        return packet

    def reserve(self, size: int) -> memoryview | None:
        """
        Return memory for the arrays of one message, where they need not travel from; see `Transport.reserve`.
        """
        return self._borrower.reserve(size)

    def _lend(self, batch: Outbound) -> list[Buffer] | None:
        size = batch.cost - MESSAGE_COST * batch.count
        reference = self._borrower.put(batch.payload, size)
        if reference is not None:
            return self._publish(batch, reference)
        wanted = self._borrower.wanted(size)
        if wanted:
            self._control.append(wanted)
        return None

    def _publish(self, batch: Outbound, reference: bytes | None = None) -> list[Buffer]:
        channel = batch.channel
        flags = REQUEST * batch.request | NOW * batch.now | ALIGNED * batch.aligned | KEEP * batch.keep
        header = (channel.number, batch.first, batch.count, flags, batch.room)
        if reference is None:
            frame = encode(Op.PUBLISH, *header, payload=batch.payload, aligned=batch.aligned)
        else:
            frame = encode(Op.PUBLISH_LENT, *header, payload=(reference,))
        if channel.number in self._opened:
            return frame
        if batch.aligned and reference is None:
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

    def watching(self, room: str, wanted: bool) -> None:
        """
        Note that joins and leaves of the room are wanted, so that they are after a reconnect.
        """
        (self._watched.add if wanted else self._watched.discard)(room)

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

    def leave_will(self, will: Will | None) -> None:
        """
        Have the hub send a message when it gives this component up.
        """
        self._will = will
        if self.welcomed:
            self._send_will()

    def _send_will(self) -> None:
        # A number of its own each time: the hub may have sent the will already, as far as this side knows.
        self._wills += 1
        will = self._will
        if will is None:
            self._control.append(encode(Op.WILL, 0, self._wills, "-", None))
            return
        header = (will.channel, self._wills, will.room, will.to)
        self._control.append(encode(Op.WILL, *header, payload=(will.payload,)))

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
        if self.welcomed:  # what is not known to be handled would be given to others
            self._control.append(self.reader.report())
        self._control.append(encode(Op.BYE))

    # -- what came ------------------------------------------------------------------------------------------------

    def _welcome(self, frame: Frame) -> None:
        if frame.header and frame.header[0] != VERSION:
            self._incompatible(frame.header[0])
            return
        _, epoch, *terms, features = fields(frame, int, str, int, int, NUMBER, dict)
        self.window, self.max_packet, self.patience = terms
        welcome = Welcome.unpack(frame.payload)
        resumed = epoch == self._epoch
        self.reader.welcome(welcome, self._epoch, resumed=resumed)
        self._epoch = epoch
        if proof := self._borrower.offered(features):
            self._control.append(proof)
        self._outbox.limit_window(self.window)
        self._outbox.rewind(welcome.channels)
        self.welcomed = True
        self.welcomes += 1
        for number, message in list(self._withdrawn):
            self._send_withdrawal(number, message)
        if self._will is not None:
            self._send_will()
        self._control.extend(self._questions.frames())
        self._events.connected(resumed=resumed)

    def _incompatible(self, version: object) -> None:
        reason = f"it speaks version {version!r:.20} of the protocol, this component {VERSION}"
        self.refusal = IncompatiblePeer("the hub", reason + ": install the same version of swergio on both sides")
        self._control.append(encode(Op.BYE))

    def _refused(self, frame: Frame) -> None:
        code, reason = fields(frame, str, str)
        if code != "busy":  # that may pass; the others will be said again each time
            self.refusal = _REFUSALS.get(code, ConnectFailed)("the hub", reason)

    def _acknowledged(self, frame: Frame) -> None:
        acknowledge = self._outbox.acknowledge
        for number, last in pairs(frame):
            acknowledge(number, last)
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
            self.reader.left(question.arguments[0])  # a join before it may have been answered meanwhile

    def _present(self, frame: Frame) -> None:
        room, instance, joined, mode, group = fields(frame, str, str, bool, str, TEXT_OR_NONE)
        if mode not in tuple(Mode):
            raise ProtocolError(f"PRESENCE of a {mode!r} member")
        self._events.presence(room, Member(Instance(instance), Mode(mode), group), joined)
