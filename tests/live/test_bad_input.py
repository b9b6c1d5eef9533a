"""What strangers may send to a hub: a clear answer, the end of their connection, and nothing for anybody else."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

import swergio
from swergio.codec.frames import VERSION, Op, encode, join, parse
from swergio.hub import HubThread
from swergio.hub.greeting import Hello
from swergio.testing import choose_seed

CONNECTIONS = 1000
PACKETS = 20  # at most, on each; the hub closes most of them earlier. The router alone is given 20,000 elsewhere


@pytest.fixture
def url() -> Iterator[str]:
    """
    A hub that serves two good components throughout the test, and still does at its end.
    """
    with HubThread(["ws://127.0.0.1:0"]) as hub:
        world = swergio.Component("world", hub.urls[0])
        world.on("chat")(lambda message: message.data)
        with world, swergio.Component("universe", hub.urls[0]) as universe:
            assert universe.request("chat", "before") == "before"
            yield hub.urls[0]
            assert universe.request("chat", "after", timeout=20) == "after"
            assert world.stats.reconnects == universe.stats.reconnects == 0


def dial(url: str) -> ClientConnection:
    return connect(url, subprotocols=[Subprotocol("swergio")], compression=None, proxy=None, max_size=None)


def hello(**other: Any) -> bytes:
    fields = {
        "version": VERSION, "name": "guest", "instance": "guest#0123456789ab", "secret": b"0" * 16, "unique": False,
        "epoch": None, "features": {},
    } | other  # fmt: skip
    state = Hello(channels=[], rooms=[], lanes=[0, 0, 0], watched=[])
    return join(encode(Op.HELLO, *fields.values(), payload=(state.pack(),)))


def refusal(url: str, *packets: bytes) -> str:
    """
    Return what the hub says before it closes the connection on which the packets come.
    """
    with dial(url) as connection:
        try:
            for packet in packets:
                connection.send(packet)
            while True:
                for frame in parse(connection.recv(timeout=10, decode=False)):
                    if frame.op == Op.REFUSE:
                        return str(frame.header[1])
        except ConnectionClosed as closed:
            return closed.rcvd.reason if closed.rcvd else "closed without a word"


def test_a_good_hello_is_welcome(url: str) -> None:
    with dial(url) as connection:
        connection.send(hello())
        (welcome, *_) = parse(connection.recv(timeout=10, decode=False))
    assert welcome.op == Op.WELCOME


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (hello(version=0), "speaks version .* the component 0"),
        (hello(name=""), "cannot name a component"),
        (hello(name="x" * 200, instance="x" * 200 + "#1"), "200 bytes"),
        (hello(name=7), "op 1"),
        (hello(instance="another#0123456789ab"), "no instance of 'guest'"),
        (b"", "empty packet"),
        (b"\x01", "1 bytes left over"),
        (join(encode(Op.BEAT)), "begins with HELLO"),
        (struct.pack("<BBHI", Op.HELLO, 0, 0, 2**32 - 1), "claims 4294967295 bytes"),
    ],
)
def test_a_bad_first_packet_is_told_what_is_wrong(url: str, packet: bytes, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(refusal(url, packet))


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (join(encode(Op.WELCOME, 0, "x")), "unknown op 16"),
        (struct.pack("<BBHI", 100, 0, 1, 0) + b"\x90", "unknown op 100"),
        (join(encode(Op.PUBLISH, 5, 1, 1, 0, "room", payload=(b"x",))), "channel 5"),
        (join(encode(Op.OPEN, 0, "", None, 0)), "room"),
        (join(encode(Op.OPEN, 0, "x" * 200, None, 0)), "200 bytes"),
        (join(encode(Op.CONSUMED, -1, 0)), "field 0: -1"),
        (hello(), "op 1"),
    ],
)
def test_a_bad_packet_of_a_welcome_component_is_told_what_is_wrong(url: str, packet: bytes, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(refusal(url, hello(), packet))


def test_a_frame_that_claims_ten_gigabytes_is_refused_unread(url: str) -> None:
    host, _, port = url.removeprefix("ws://").partition(":")
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    upgrade = f"GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}"
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(f"{upgrade}Sec-WebSocket-Protocol: swergio\r\n\r\n".encode())
        assert b"101 Switching" in raw.recv(4096)
        raw.sendall(b"\x82\xff" + (10 * 2**30).to_bytes(8, "big") + bytes(4) + b"x" * 1000)
        assert (1009).to_bytes(2, "big") in read_all(raw)


def read_all(raw: socket.socket) -> bytes:
    data = b""
    try:
        while chunk := raw.recv(4096):
            data += chunk
    except ConnectionResetError:
        pass
    return data


def test_mutated_packets_on_many_connections_disturb_nobody(url: str) -> None:
    chance = random.Random(seed := choose_seed())
    good = [hello(), *conversation()]
    for _ in range(CONNECTIONS):
        with dial(url) as connection:
            try:
                for number in range(PACKETS):
                    packet = good[number % len(good)]
                    connection.send(packet if number == 0 and chance.random() < 0.8 else mutated(packet, chance))
            except ConnectionClosed:
                continue
            except OSError as exc:
                raise AssertionError(f"seed {seed}") from exc


def conversation() -> list[bytes]:
    """
    What a component says: it opens a channel, publishes, joins, asks, consumes and leaves.
    """
    batch = struct.pack("<II", 4, 2) + msgpack.packb([1, 2, 3]) + msgpack.packb([7])
    return [
        join(encode(Op.OPEN, 0, "chat", None, 0) + encode(Op.PUBLISH, 0, 1, 1, 0, "chat", payload=(batch,))),
        join(encode(Op.ASK, 1, "join", ["room", "reliable", False])),
        join(encode(Op.ASK, 2, "members", ["chat"])),
        join(encode(Op.CONSUMED, 1, 1) + encode(Op.BEAT) + encode(Op.WITHDRAW, 0, 1)),
    ]


def mutated(packet: bytes, chance: random.Random) -> bytes:
    data = bytearray(packet)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[place] = chance.randrange(256)
            case 1:
                data[place:place] = chance.randbytes(chance.randint(1, 9))
            case 2 if len(data) > 1:
                del data[place : place + chance.randint(1, 9)]
                data = data or bytearray(1)
            case _:
                data[place] ^= 1 << chance.randrange(8)
    return bytes(data)


def test_a_browser_page_is_refused_unless_its_origin_is_listed(url: str) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        connect(url, origin=Origin("https://example.org"), subprotocols=[Subprotocol("swergio")], proxy=None)
