"""The conversation between the hub and its components: frames in, frames out; no sockets, no clock.

Theory of operation. A link begins with HELLO, in which a component says who it is and what it has: its place in each
room and inbox, and its channels with the last number that was acknowledged. WELCOME answers with what the hub has,
and from there both sides go on where the other one stands: the sender resends, the hub pushes from the member's
place. A session outlives its links by ``grace`` seconds; so do its memberships, its inbox and its place.

====================  ========================  ===========================================
state of a session    event                     effect
====================  ========================  ===========================================
(none)                HELLO                     attached, WELCOME
attached              HELLO on another link     attached there; the old link is closed
attached              link lost                 detached; unappended batches are dropped
detached              HELLO                     attached, WELCOME, pushing from its places
detached              ``grace`` passes          removed from every room, as with BYE
attached              BYE                       removed
====================  ========================  ===========================================
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Any

import msgpack

from swergio.channels import Lane
from swergio.codec.batch import MAX_MESSAGES
from swergio.codec.frames import OPTIONAL, VERSION, Buffer, Frame, Op, Packet, encode, fields, pairs, parse
from swergio.errors import InvalidName, ProtocolError
from swergio.hub.answers import answer_to
from swergio.hub.directory import Directory
from swergio.hub.greeting import TEXT_OR_NONE, ChannelState, Hello, Place, Welcome
from swergio.hub.lending import Lender
from swergio.hub.loans import Loan
from swergio.hub.placing import Placing
from swergio.hub.rooms import Rooms
from swergio.hub.sessions import ACKNOWLEDGE_COST, MAX_CONTROL, HubChannel, HubWill, Parcel, Session
from swergio.messages import Instance, check_destination, check_name, is_suffix

PACKET = 256 * 1024
MAX_WILL = 64 * 1024


class Refused(Exception):
    """
    A HELLO that is not accepted; ``code`` is what the component turns into its error.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Router:
    """
    All state of one hub.

    The server calls it with what happens, and then writes what ``collect`` returns: at once for the sessions in
    ``dirty``, and within 20 ms for those in ``lazy``.

    Args:
        room_limit: Cost that one log holds for reliable members.
        memory_limit: Cost that all logs together hold.
        history_limit: Cost that a room keeps of what nobody needs any more, for those who join later.
        window: Cost that a member may have ahead of its handlers, for each log.
        max_packet: Bytes in one packet of a component.
        patience: Seconds of silence after which a link counts as dead.
        grace: Seconds that a session outlives its connection.
        group_grace: Seconds that a group without members is kept.
        max_sessions: Components at once.
        shared_memory: Bytes that a component of this host may have in memory shared with others; 0 has none shared.
        now: The time at which it begins to exist.
    """

    def __init__(
        self,
        *,
        room_limit: int,
        memory_limit: int,
        history_limit: int,
        window: int,
        max_packet: int,
        patience: float,
        grace: float,
        group_grace: float,
        max_sessions: int,
        shared_memory: int = 0,
        now: float,
    ) -> None:
        self.epoch = secrets.token_hex(8)
        self.directory = Directory(room_limit, memory_limit, history_limit, now)
        self.placing = Placing(self.directory, self.epoch)
        self.rooms = Rooms(self.directory, self.placing, group_grace)
        self.lender = Lender(self.epoch, shared_memory, max_packet)
        self.dirty: dict[Session, None] = {}
        self.lazy: dict[Session, None] = {}
        self._window = window
        self._terms = (window, max_packet, patience)
        self._grace = grace
        self._max_sessions = max_sessions
        self._young_until = now + grace
        self._handlers: dict[int, Callable[[Session, Frame], None]] = {
            Op.OPEN: self._open,
            Op.PUBLISH: self._publish,
            Op.PUBLISH_LENT: self._publish_lent,
            Op.SHARE: self.lender.share,
            Op.CONSUMED: self._consumed,
            Op.ASK: self._ask,
            Op.WITHDRAW: self._withdraw,
            Op.WILL: self._will,
            Op.BEAT: lambda session, frame: None,
            Op.BYE: self._bye,
        }

    # -- called by the server -------------------------------------------------------------------------------------

    def greet(self, link: Any, frame: Frame) -> tuple[Session, Any]:
        """
        Take the first frame of a link; return the session, and the link that it had until now, if any.

        Raises:
            ProtocolError: it is no well-formed HELLO.
            Refused: the component cannot be accepted.
        """
        if frame.op != Op.HELLO or not frame.header:
            raise ProtocolError(f"a connection begins with HELLO, not with op {frame.op}")
        # Who speaks a later version too is told this one, and knows whether it does.
        if type(frame.header[0]) is not int or frame.header[0] < VERSION:
            reason = f"this hub speaks version {VERSION} of the protocol, the component {frame.header[0]!r}"
            raise Refused("version", reason + ": install the same version of swergio on both sides")
        _, name, text, secret, unique, epoch, wanted = fields(frame, int, str, str, bytes, bool, TEXT_OR_NONE, dict)
        hello = Hello.unpack(frame.payload)
        instance = _instance(name, text)
        resumed = epoch == self.epoch and instance in self.directory.sessions
        session = self._session(instance, secret, unique)
        old = session.link
        session.detach(self.directory.now)
        session.link = link
        welcome = Welcome(
            {channel.number: self._restore_channel(session, epoch, channel) for channel in hello.channels},
            self._restore_lanes(session, hello, resumed=resumed),
            self._restore_rooms(session, hello, known=epoch == self.epoch),
        )
        self.rooms.presence.watch_only(session, hello.watched)
        header = (VERSION, self.epoch, *self._terms, self.lender.agree(wanted))
        session.control.appendleft(encode(Op.WELCOME, *header, payload=(welcome.pack(),)))
        for cursor in session.cursors.values():
            session.push(cursor)
        self._mark_dirty(session)
        self.rooms.appeared(session)
        return session, old

    def receive(self, session: Session, frame: Frame) -> None:
        """
        Take a frame of an attached session.

        Raises:
            ProtocolError: it is malformed, or not allowed now. The link must be closed.
        """
        handler = self._handlers.get(frame.op)
        if not session.alive:
            raise ProtocolError(f"op {frame.op} after BYE")
        if handler is None:
            if frame.op & OPTIONAL:
                return
            raise ProtocolError(f"unknown op {frame.op}")
        try:
            handler(session, frame)
        except InvalidName as exc:
            raise ProtocolError(str(exc)) from exc

    def receive_packet(self, session: Session, packet: Packet) -> None:
        """
        Take every frame of a packet, as `receive`.
        """
        for frame in parse(packet):
            self.receive(session, frame)
        if self.lender.returned:
            self.lender.settle()

    def detach(self, session: Session, link: Any) -> None:
        """
        ``link`` is gone.
        """
        if session.link is link and session.alive:
            session.detach(self.directory.now)

    def collect(self, session: Session) -> Sequence[Buffer]:
        """
        Return the next packet for an attached session, empty if there is none.
        """
        return session.collect(PACKET, self._window)

    def overrun(self, session: Session) -> bool:
        """
        Whether the component does not read what it is told, so that its link is better closed.
        """
        return len(session.control) > MAX_CONTROL

    def tick(self, now: float) -> None:
        """
        Let time pass: drop sessions that did not come back, and rooms that are empty.
        """
        self.directory.now = now
        for session in list(self.directory.sessions.values()):
            if session.link is None and now - session.detached_at >= self._grace:
                self.rooms.remove(session, orderly=False)
        if self.directory.young and now >= self._young_until:
            self.rooms.grow_up()
        self.rooms.sweep()
        self.lender.tick()

    @property
    def components(self) -> int:
        """
        How many components are connected or expected back.
        """
        return len(self.directory.sessions)

    # -- a component comes, or comes back -------------------------------------------------------------------------

    def _session(self, instance: Instance, secret: bytes, unique: bool) -> Session:
        session = self.directory.sessions.get(instance)
        if session is not None:
            if not compare_digest(session.secret, secret):
                raise Refused("access", f"{instance} is another component's id")
            return session
        for other in self.directory.named(instance.name):
            if (unique or other.unique) and other.link is None:
                self.rooms.remove(other, orderly=False)  # it died and was started again
            elif unique or other.unique:
                raise Refused("name", f"{other.instance} is connected, and {instance.name!r} is to be unique")
        if len(self.directory.sessions) >= self._max_sessions:
            raise Refused("busy", f"the hub has {self._max_sessions} components, its 'max_sessions'")
        lanes = [self.directory.new_log(instance) for _ in Lane]
        # Half a window: the sender never waits for one, and of large messages not each is acknowledged by itself.
        patience = max(ACKNOWLEDGE_COST, self._window // 2)
        session = Session(instance, secret, unique, None, lanes, self._mark_dirty, self._mark_lazy, patience=patience)
        self.rooms.add(session)
        return session

    def _mark_dirty(self, session: Session) -> None:
        self.dirty[session] = None

    def _mark_lazy(self, session: Session) -> None:
        self.lazy[session] = None

    def _restore_channel(self, session: Session, epoch: str | None, state: ChannelState) -> int:
        channel = session.channels.get(state.number)
        if channel is None:
            last = state.acknowledged
            origin = epoch if last and epoch != self.epoch else None
            channel = HubChannel(
                session, state.number, state.room, state.to, Lane(state.lane), last, last, start=last, origin=origin
            )
            self.placing.open(channel)
        channel.resumed(state.acknowledged)
        return channel.appended

    def _restore_lanes(self, session: Session, hello: Hello, *, resumed: bool) -> list[Place]:
        positions = [[] for _ in Lane] if resumed else self.placing.positions_towards(session)
        places = []
        for log, offset, missed in zip(session.lanes, hello.lanes, positions, strict=True):
            cursor = session.cursors[log.number]
            log.resume(cursor, offset if resumed else None)
            places.append(Place(log.number, cursor.covered, resumed, missed))
        return places

    def _restore_rooms(self, session: Session, hello: Hello, *, known: bool) -> dict[str, Place]:
        for room in session.rooms.keys() - {membership.room for membership in hello.rooms}:
            self.rooms.leave(session, room)
        places = {}
        for member in hello.rooms:
            cursor, whole = self.rooms.rejoin(session, member.room, member.manner, member.next if known else None)
            if member.group is not None and not known:
                self.rooms.heard(member.room, member.group, member.heard)
            positions = [] if whole else cursor.log.positions_at(cursor.pushed)
            places[member.room] = Place(cursor.log.number, cursor.covered, whole, positions)
        return places

    # -- frames ---------------------------------------------------------------------------------------------------

    def _open(self, session: Session, frame: Frame) -> None:
        number, room, to, lane = fields(frame, int, TEXT_OR_NONE, TEXT_OR_NONE, int)
        if number in session.channels:
            return
        check_destination(room, to)
        if lane not in tuple(Lane):
            raise ProtocolError(f"OPEN of lane {lane}")
        self.placing.open(HubChannel(session, number, room, to, Lane(lane), 0, 0))

    def _publish_lent(self, session: Session, frame: Frame) -> None:
        loan = self.lender.take(session, frame.payload)
        self._publish(session, frame._replace(payload=loan.payload), loan)

    def _publish(self, session: Session, frame: Frame, loan: Loan | None = None) -> None:
        number, first, count, flags, room = fields(frame, int, int, int, int, str)
        channel = session.channels.get(number)
        if channel is None or not 0 < count <= MAX_MESSAGES or (channel.room is not None and channel.room != room):
            raise ProtocolError(f"PUBLISH of {count} messages for {room!r} on channel {number}, which is not for that")
        if channel.room is None:
            check_name(room, "room")
        parcel = Parcel(first, count, flags, room, frame.payload, loan)
        if parcel.last <= channel.appended:
            session.acknowledge(channel, 0)  # the acknowledgement was lost with a connection
        elif first == channel.received + 1:
            if channel.waiting >= self._window:
                raise ProtocolError(f"PUBLISH on channel {number} with {channel.waiting} bytes not acknowledged")
            self.placing.parking.publish(channel, parcel)
        elif parcel.last > channel.received:
            raise ProtocolError(f"PUBLISH of message {first} on channel {number} after {channel.received}")

    def _consumed(self, session: Session, frame: Frame) -> None:
        for number, offset in pairs(frame):
            cursor = session.cursors.get(number)
            if cursor is None:
                continue  # of a room that was left meanwhile
            log = cursor.log
            if log.consume(cursor, offset):
                log.trim()
                self.placing.trimmed(log)
            if cursor.pushed < log.end_index:
                session.push(cursor)

    def _withdraw(self, session: Session, frame: Frame) -> None:
        number, message = fields(frame, int, int)
        channel = session.channels.get(number)
        if channel is not None:
            self.placing.parking.withdraw(channel, message)

    def _will(self, session: Session, frame: Frame) -> None:
        number, message, room, to = fields(frame, int, int, str, TEXT_OR_NONE)
        check_name(room, "room")
        check_destination(None if to else room, to)
        if len(frame.payload) > MAX_WILL:
            raise ProtocolError(f"a will of {len(frame.payload)} bytes, above {MAX_WILL}")
        payload = bytes(frame.payload)
        session.will = HubWill(number, message, room, to, payload) if payload else None

    def _bye(self, session: Session, frame: Frame) -> None:
        self.rooms.remove(session, orderly=True)

    def _ask(self, session: Session, frame: Frame) -> None:
        question, verb, arguments = fields(frame, int, str, list)
        if (verb, arguments) == ("sync", []):
            session.sync(question)
            return
        try:
            answer = answer_to(self.rooms, session, verb, arguments)
        except (InvalidName, ValueError, TypeError) as exc:
            session.tell(Op.ANSWER, question, str(exc), payload=msgpack.packb(None))
            return
        session.tell(Op.ANSWER, question, None, payload=msgpack.packb(answer))


def _instance(name: str, text: str) -> Instance:
    try:
        check_name(name, "component")
    except InvalidName as exc:
        raise Refused("name", str(exc)) from exc
    before, mark, rest = text.partition("#")
    if before != name or not mark or not is_suffix(rest):
        raise ProtocolError(f"{text!r} is no instance of {name!r}")
    return Instance(text)
