"""
Hostile peers: whatever comes is a `ProtocolError`, a refusal, or means what it says; nobody else notices.
"""

from __future__ import annotations

from typing import Any

import pytest

from swergio.codec import pack
from swergio.codec.batch import MAX_MESSAGES
from swergio.codec.frames import VERSION, Op, encode, join, parse
from swergio.errors import ProtocolError
from swergio.hub.client import HubClient
from swergio.hub.router import Refused
from swergio.hub.sessions import Session
from swergio.messages import Instance, Kind
from swergio.outbox import Outbox
from swergio.transport import Inbound, Loss, Mode
from tests.codec.mutations import mutations
from tests.hub import checks
from tests.hub.simulation import GRACE, Component, World
from tests.hub.wire import Wire

SEED = 20261123


def wiretap(component: Component, *, up: bool) -> list[bytes]:
    """
    Return the list that the packets of a component's wire are noted in from now on.
    """
    taken: list[bytes] = []
    wire = component.wire
    queue = wire.up if up else wire.down

    class Tapped(type(queue)):  # type: ignore[misc]
        def append(self, packet: bytes) -> None:
            taken.append(packet)
            super().append(packet)

    tapped = Tapped(queue)
    taken += queue
    if up:
        wire.up = tapped
    else:
        wire.down = tapped
    return taken


def talk(component: Component, other: Component) -> None:
    """
    Do something of everything, locally; the packets follow.
    """
    component.join("room").join("lossy", Mode.LOSSY)
    component.client.watching("room", wanted=True)
    component.ask("watch", "room")
    for number in range(3):
        component.send("room", number, array=number * 100)
        component.send("label", number, to=other.instance, kind=Kind.REPLY)
    component.send("label", "nobody", to="nobody")
    request = component.send("elsewhere", "who?", kind=Kind.REQUEST)
    component.withdraw("elsewhere", request)
    component.ask("members", "room")
    component.ask("sync")
    component.client.beat()
    component.write()


# -- the hub ----------------------------------------------------------------------------------------------------------


def recorded_by_a_component() -> list[bytes]:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.connect()
    packets = wiretap(ann, up=True)
    talk(ann, bob)
    world.run()
    bob.send("room", "to consume")
    world.run()
    ann.leave("room")
    world.run()
    ann.client.bye()
    ann.write()
    ops = {frame.op for packet in packets for frame in parse(packet)}
    assert ops == {
        Op.HELLO, Op.OPEN, Op.PUBLISH, Op.CONSUMED, Op.ASK, Op.WITHDRAW, Op.BEAT, Op.BYE,
    }  # fmt: skip
    return packets


class Attacker:
    """
    Somebody with a good name and bad manners.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.refused = 0
        self.taken = 0

    def attack(self, packets: list[bytes], index: int, damaged: bytes) -> None:
        """
        Send what leads to a packet, and that packet damaged.
        """
        wire = Wire()
        session = None
        try:
            for packet in [*packets[:index], damaged]:
                session = self._send(wire, session, packet)
            self.taken += 1
        except (ProtocolError, Refused) as exc:
            self.refused += bool(str(exc))
        if session is not None:
            while session.link is wire and self.world.router.collect(session):
                pass
            self.world.router.detach(session, wire)

    def _send(self, wire: Wire, session: Session | None, packet: bytes) -> Session | None:
        frames = parse(packet)
        for frame in frames:
            if session is None:
                session, _ = self.world.router.greet(wire, frame)
            elif session.alive:
                self.world.router.receive(session, frame)
        return session


@pytest.mark.long
def test_twenty_thousand_damaged_packets_disturb_nobody_else() -> None:
    packets = recorded_by_a_component()
    world = World()
    bob, cy = world.add("bob", "cy")
    for component in (bob, cy):
        component.join("private")
    world.run()
    attacker = Attacker(world)
    for step, (index, damaged) in enumerate(mutations(packets, 20_000, SEED)):
        attacker.attack(packets, index, damaged)
        if step % 100 == 99:
            bob.send("private", step)
            cy.send("private", step)
            cy.send("label", step, to=bob.instance)
            world.run()
            world.pass_time(GRACE + 1)
            assert bob.data()[-2:] in ([step, step], [step, step])
            assert cy.data()[-1] == step
    assert attacker.refused > 5000, (attacker.refused, attacker.taken)
    assert attacker.taken > 2000, (attacker.refused, attacker.taken)
    world.run()
    checks.check_rooms(world)
    checks.check_rest(world)
    assert world.router.components == 2


def hello(payload: bytes, **changes: Any) -> bytes:
    fields = {"name": "eve", "instance": "eve#1", "secret": b"s", "unique": False, "epoch": None, "features": {}}
    fields |= changes
    return join(encode(Op.HELLO, VERSION, *fields.values(), payload=[payload]))


STATE: dict[str, Any] = {"channels": [], "rooms": [], "lanes": [0, 0, 0], "watched": []}


def state(**changes: Any) -> bytes:
    return pack(list((STATE | changes).values()))[0]


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\xc1", pack({})[0], pack([])[0], pack([[], [], [0, 0, 0]])[0], pack([None] * 4)[0],
        state(channels=[[0, "room", None, 0]]), state(channels=[[0, None, None, 0, 0]]),
        state(channels=[[0, "room", "ann", 0, 0]]), state(channels=[[0, "", None, 0, 0]]),
        state(channels=[[0, "x" * 129, None, 0, 0]]), state(channels=[[0, None, "", 0, 0]]),
        state(channels=[[0, None, "a#" + "x" * 33, 0, 0]]), state(channels=[[0, "room", None, 3, 0]]),
        state(channels=[[0, "room", None, 0, -1]]), state(channels=[[0, "room", None, 0, 2**64 - 1]]),
        state(channels=[[-1, "room", None, 0, 0]]), state(channels=[[0, [], None, 0, 0]]), state(channels=[0]),
        state(rooms=[["room", "reliable", False]]), state(rooms=[["room", "best", False, 0]]),
        state(rooms=[["", "reliable", False, 0]]), state(rooms=[["room", "reliable", 0, 0]]),
        state(rooms=[["room", "reliable", False, "0"]]), state(rooms=[["room", "reliable", False, -1]]),
        state(rooms=[[["room"], "reliable", False, 0]]), state(rooms=[["a\nb", "reliable", False, 0]]),
        state(lanes=[]), state(lanes=[0, 0]), state(lanes=[0, 0, 0, 0]),
        state(lanes=[0, 0, None]), state(lanes=[0, 0, -1]),
        state(watched=[""]), state(watched=[1]), state(watched=[["room"]]), state(watched={"room": 1}),
    ],
)  # fmt: skip
def test_a_malformed_hello_takes_no_effect_at_all(payload: bytes) -> None:
    world = World()
    (bob,) = world.add("bob")
    (frame,) = parse(hello(payload))
    with pytest.raises(ProtocolError):
        world.router.greet(Wire(), frame)
    assert world.router.components == 1
    assert not world.router.directory.rooms

    (frame,) = parse(hello(payload, name="bob", instance=bob.instance, secret=bob.client._secret))
    with pytest.raises(ProtocolError):
        world.router.greet(Wire(), frame)
    assert world.router.directory.sessions[bob.instance].link is bob.wire  # whose link goes on


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (encode(Op.HELLO, VERSION, "eve", "eve#1", b"s", False, None), "op 1"),  # noqa: FBT003
        (encode(Op.WELCOME, 0, "x", 1), "op 16"),
        (encode(99), "op 99"),  # type: ignore[arg-type]
        (encode(Op.OPEN, 2, None, None, 0), "one of the two"),
        (encode(Op.OPEN, 2, "room", "ann", 0), "one of the two"),
        (encode(Op.OPEN, 2, " ", None, 0), "cannot name a room"),
        (encode(Op.OPEN, 2, "x" * 129, None, 0), "129 bytes"),
        (encode(Op.OPEN, 2, None, "a b#", 0), "is no instance"),
        (encode(Op.OPEN, 2, "room", None, 3), "lane 3"),
        (encode(Op.PUBLISH, 7, 1, 1, 0, "room"), "channel 7"),
        (encode(Op.PUBLISH, 0, 1, 1, 0, "other"), "'other'"),
        (encode(Op.PUBLISH, 0, 1, 0, 0, "room"), "0 messages"),
        (encode(Op.PUBLISH, 0, 1, MAX_MESSAGES + 1, 0, "room"), "513 messages"),
        (encode(Op.PUBLISH, 0, 2, 1, 0, "room"), "after 0"),
        (encode(Op.PUBLISH, 0, 0, 2, 0, "room"), "after 0"),
        (encode(Op.PUBLISH, 1, 1, 1, 0, "\n"), "cannot name a room"),
        (encode(Op.CONSUMED, -1, 0), "-1"),
        (encode(Op.CONSUMED, 1, 0, payload=(b"\x91\x90",)), "two lists"),
        (encode(Op.CONSUMED, 1, 0, payload=(b"\x92\x91\x02\x90",)), "two lists"),
        (encode(Op.CONSUMED, 1, 0, payload=(b"\x92\x91\x02\x91\xff",)), "two lists"),
        (encode(Op.ASK, 1, "join", None), "op 5"),
        (encode(Op.WITHDRAW, 1), "op 6"),
    ],
)
def test_a_malformed_frame_is_a_clear_error(frame: list[bytes], said: str) -> None:
    world = World()
    session, _ = world.router.greet(Wire(), next(parse(hello(state()))))
    world.router.receive_packet(session, join(encode(Op.OPEN, 0, "room", None, 0)))
    world.router.receive_packet(session, join(encode(Op.OPEN, 1, None, "eve", 0)))
    with pytest.raises(ProtocolError, match=said):
        world.router.receive_packet(session, join(frame))


def test_claims_about_what_was_never_given_change_nothing() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    bob.join("room")
    world.run()
    ann.send("room", 1)
    world.read(ann)
    log = world.router.directory.room("room").log
    session = world.router.directory.sessions[bob.instance]
    for number in (log.number, 10**6):
        world.router.receive_packet(session, join(encode(Op.CONSUMED, number, 2**53 - 1)))
    world.router.receive_packet(session, join(encode(Op.WITHDRAW, 77, 1)))
    world.run()
    assert bob.data() == [1]


# -- the component ----------------------------------------------------------------------------------------------------


class Listener(Component):
    """
    A component that looks at nothing of what it is told.
    """

    def delivered(self, inbound: Inbound) -> None:
        self.unread.append(inbound)

    def lost(self, loss: Loss) -> None:
        pass

    def dropped(self, room: str, count: int) -> None:
        pass


class Conversation:
    """
    A component with a past, and the packets that a hub answered it with; both can be had again and again.
    """

    def __init__(self) -> None:
        world = World(window=600)
        (bob,) = world.add("bob")
        self.instance = Instance.of("ann")
        bob.join("room").join("lossy")
        world.run()
        ann = self.again()
        ann.world = world
        world.components.append(ann)
        ann.connect()
        self.down = wiretap(ann, up=False)
        world.run()
        world.pass_time(GRACE + 1)
        for number in range(4):
            bob.send("room", number, array=number)
            bob.send("label", number, to=self.instance, kind=Kind.REPLY)
            bob.send("lossy", "x" * 500, type=f"T{number}")
            world.read(bob)
        world.run()
        bob.leave("room")
        world.run()
        for number in range(10):
            bob.send("lossy", "x" * 500, type=f"T{number}")
            world.read(bob)
        world.run(consume=False)
        ops = {frame.op for packet in self.down for frame in parse(packet)}
        assert ops >= {Op.WELCOME, Op.DELIVER, Op.COVER, Op.ACKNOWLEDGE, Op.UNDELIVERED, Op.ANSWER, Op.PRESENCE}
        log = world.router.directory.room("room").log.number
        end = ann.client.reader._rooms["room"].next
        self.down += [
            join(encode(Op.MARK, log, end, "bob#1", 3, 4, "epoch")),
            join(encode(Op.STALL, 0, "bob#1")),
            join(encode(Op.REFUSE, "protocol", "why")),
            join(encode(Op.BEAT)),
            join(encode(Op.BYE)),
        ]

    def again(self) -> Component:
        """
        Return the component as it was before the hub said anything.
        """
        component = Listener(World(), "ann")
        component.instance = self.instance
        component.outbox = Outbox(10**6, 10**6, lambda: None)
        component.client = HubClient(component.instance, False, component.outbox, component)  # noqa: FBT003
        component.client.begin()
        talk(component, component)
        return component


@pytest.mark.long
def test_twenty_thousand_damaged_packets_of_a_hub_are_protocol_errors_or_mean_something() -> None:
    conversation = Conversation()
    refused = taken = 0
    for index, damaged in mutations(conversation.down, 20_000, SEED):
        component = conversation.again()
        for packet in conversation.down[:index]:
            component.client.receive(packet)
        try:
            component.client.receive(damaged)
            taken += 1
        except ProtocolError as exc:
            refused += bool(str(exc))
        component.client.begin()  # and it can go on
        while component.client.collect():
            pass
    assert min(refused, taken) > 2000, (refused, taken)
