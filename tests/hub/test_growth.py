"""
What a peer of a later release may add within this version of the protocol, and nobody stumbles over.
"""

from __future__ import annotations

from collections import deque

import msgpack
import pytest

from swergio.codec.frames import OPTIONAL, Op, encode, fields, join, parse, unpack
from swergio.errors import IncompatiblePeer, ProtocolError
from swergio.hub.greeting import Hello, Welcome
from tests.hub.simulation import World

NEW = {"what": "nobody knows"}


def grown(packet: bytes) -> bytes:
    """
    Return a packet as a later release might write it: more fields in each header, and frames of a new kind.
    """
    said = [encode(Op(op), *header, NEW, 1, None, payload=(payload,)) for op, header, payload in parse(packet)]
    new = encode(OPTIONAL | 5, NEW, payload=(b"anything",))  # type: ignore[arg-type]
    return b"".join(join(frame + new) for frame in said)


class Grown(deque[bytes]):
    """
    A direction of a wire, on which every packet is `grown`.
    """

    def append(self, packet: bytes) -> None:
        super().append(grown(packet))


def test_components_and_hub_pass_over_what_they_do_not_know() -> None:
    world = World()
    ann, bob = world.add("ann", "bob")
    for component in (ann, bob):
        component.wire.up = Grown(map(grown, component.wire.up))
        component.wire.down = Grown()
    bob.join("room")
    world.run()
    for number in range(3):
        ann.send("room", number)
    ann.send("label", "direct", to=bob.instance)
    world.run()
    assert sorted(map(str, bob.data())) == ["0", "1", "2", "direct"]


@pytest.mark.parametrize("op", [0, 12, 15, 30, 99, OPTIONAL - 1])
def test_what_may_not_be_passed_over_ends_the_link(op: int) -> None:
    world = World()
    (ann,) = world.add("ann")
    packet = join(encode(op))  # type: ignore[arg-type]
    with pytest.raises(ProtocolError, match=f"unknown op {op}"):
        world.router.receive_packet(world.router.directory.sessions[ann.instance], packet)
    with pytest.raises(ProtocolError, match=f"unknown op {op}"):
        ann.client.receive(packet)


def test_the_records_of_hello_and_welcome_may_be_longer() -> None:
    hello = [
        [[0, "room", None, 0, 7, NEW]],
        [["room", "reliable", False, None, 3, [["bob#1", 0, 9, NEW]], NEW]],
        [1, 2, 3],
        ["room"],
        NEW,
    ]
    read = Hello.unpack(msgpack.packb(hello))
    assert unpack(read.pack()) == [
        [[0, "room", None, 0, 7]],
        [["room", "reliable", False, None, 3, [["bob#1", 0, 9]]]],
        [1, 2, 3],
        ["room"],
    ]
    place = [4, 5, True, [["bob#1", 0, 9, 0, None, NEW]], NEW]
    welcome = [[[0, 7, NEW]], [place] * 3, [["room", *place]], NEW]
    assert unpack(Welcome.unpack(msgpack.packb(welcome)).pack()) == [
        [[0, 7]],
        [[4, 5, True, [["bob#1", 0, 9, 0, None]]]] * 3,
        [["room", 4, 5, True, [["bob#1", 0, 9, 0, None]]]],
    ]


def test_fields_that_are_missing_are_missed() -> None:
    (frame,) = parse(join(encode(Op.ACKNOWLEDGE, 1)))
    with pytest.raises(ProtocolError, match="op 21 with fields"):
        fields(frame, int, int)


def test_a_hub_that_answers_in_a_version_that_the_component_does_not_speak_is_left_for_good() -> None:
    world = World()
    (ann,) = world.add("ann")
    world.run()
    ann.client.begin()
    ann.client.collect()
    ann.client.receive(join(encode(Op.WELCOME, 2, NEW)))
    assert isinstance(ann.client.refusal, IncompatiblePeer)
    assert "speaks version 2" in str(ann.client.refusal)
    assert not ann.client.welcomed
    assert [frame.op for frame in parse(join(ann.client.collect()))] == [Op.BYE]


def test_a_component_knows_what_the_hub_takes() -> None:
    world = World(max_packet=5 * 2**20, patience=3)
    (ann,) = world.add("ann")
    world.run()
    assert (ann.client.max_packet, ann.client.patience) == (5 * 2**20, 3)
