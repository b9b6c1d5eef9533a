"""
An open ZeroMQ link: what goes through it, and every way it can end.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import pytest
import zmq

import swergio_transports.zeromq.link
from swergio.hub.link import LinkOptions, Packet
from swergio_transports.zeromq import dial, listen
from tests.transports.conftest import Run
from tests.transports.recorder import DEFAULTS, PATIENCE, Echo, Owners, Recorder, joined, link_of
from tests.transports.zeromq_ends import HELLO, WELCOME, listening, pair, raw_socket, receive, watched_end

LARGE = 300_000


@pytest.fixture(params=["zmq+tcp", "zmq+ipc"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"zmq+ipc://{tmp_path}/hub" if request.param == "zmq+ipc" else "zmq+tcp://127.0.0.1:0"


def test_packets_come_whole_and_in_order(run: Run, url: str) -> None:
    async def scenario() -> None:
        async with pair(url, kind=Echo) as (here, _):
            sizes = [random.Random(1).choice([0, 1, 125, 126, 65_535, 65_536]) for _ in range(2_000)]
            packets = [(b"%d:" % n, bytearray(size), memoryview(b"end")) for n, size in enumerate(sizes)]
            for packet in packets:
                link_of(here).send(packet)
            assert await here.until_packets(2_000) == [b"".join(packet) for packet in packets]

    run(scenario())


@pytest.mark.parametrize("packet", [[b""], [b"", b""], [b"", b"x"], [b"", bytes(LARGE)], [bytes(LARGE), b""]])
def test_a_packet_with_empty_buffers_is_still_one(run: Run, url: str, packet: list[bytes]) -> None:
    async def scenario() -> None:
        async with pair(url, kind=Echo) as (here, there):
            link_of(here).send(packet)
            link_of(here).send(tuple(packet))
            assert await here.until_packets(2) == [b"".join(packet)] * 2
            link_of(there).send(packet)
            assert (await here.until_packets(3))[2] == b"".join(packet)

    run(scenario())


@pytest.mark.parametrize("size", [64 * 2**10, 2**20, 8 * 2**20])
def test_a_large_packet_comes_whole(run: Run, url: str, size: int) -> None:
    async def scenario() -> None:
        async with pair(url, kind=Echo) as (here, _):
            packet = random.Random(2).randbytes(size)
            link_of(here).send((b"head", packet))
            assert await here.until_packets(1) == [b"head" + packet]

    run(scenario())


def test_what_is_changed_after_it_was_received_or_sent_changes_nothing(run: Run, url: str) -> None:
    class Keeper(Recorder):
        def packet_received(self, packet: Packet) -> None:
            parts.extend(packet if isinstance(packet, list) else [])
            super().packet_received(packet)

    parts: list[bytes | memoryview] = []

    async def scenario() -> None:
        async with pair(url, kind=Keeper) as (here, there):
            mine = bytearray(LARGE)
            link_of(here).send((b"head", mine))
            mine[:] = b"x" * LARGE
            assert await there.until_packets(1) == [b"head" + bytes(LARGE)]
            assert [memoryview(part).readonly for part in parts] == [True] * 2

    run(scenario())


def test_a_large_part_goes_on_without_being_joined(run: Run, url: str) -> None:
    """
    What a hub does with an array: it puts its own head before the payload that came, and sends that to many.
    """
    received: list[Packet] = []

    class Sink(Recorder):
        def packet_received(self, packet: Packet) -> None:
            received.append(packet)
            super().packet_received(packet)

    class Relay(Recorder):
        def packet_received(self, packet: Packet) -> None:
            assert isinstance(packet, list)
            for owner in owners.all:
                link_of(owner).send((b"another head", *packet[1:]))

    owners = Owners(Relay)

    async def scenario() -> None:
        listener = await listen(url, owners, DEFAULTS)
        members = [Sink() for _ in range(3)]
        for number, member in enumerate(members):
            member.link = await dial(listener.url, member, DEFAULTS)
            await owners.number(number)
        link_of(members[0]).send((b"head", bytes(LARGE)))
        for member in members:
            assert await member.until_packets(1) == [b"another head" + bytes(LARGE)]
        assert [list(map(len, packet)) for packet in received if isinstance(packet, list)] == [[12, LARGE]] * 3
        for member in members:
            link_of(member).close()
            await member.until_lost()
        await listener.close()

    run(scenario())


def test_a_writer_is_told_to_wait_and_to_go_on_and_nothing_is_dropped(run: Run, url: str) -> None:
    count = 300

    async def scenario() -> None:
        async with listening(url) as (where, owners):
            with raw_socket(zmq.DEALER) as peer:
                peer.setsockopt(zmq.RCVHWM, 2)
                peer.connect(where.removeprefix("zmq+"))
                peer.send_multipart(HELLO)
                there = await owners.number(0)
                link = link_of(there)
                assert await receive(peer) == WELCOME
                sent = 0
                while link.writable and sent < count:
                    link.send((b"%d" % sent, bytes(200_000)))
                    sent += 1
                assert sent < count
                assert not link.writable
                link.send((b"in spite of that",))
                got = [await receive(peer) for _ in range(sent)]
                assert [int(parts[0]) for parts in got] == list(range(sent))
                assert await receive(peer) == [b"in spite of that"]
                await there.until("room to write", lambda: there.resumed == 1)
                assert link.writable

    run(scenario())


def test_a_slow_peer_holds_nobody_else_back(run: Run, url: str) -> None:
    async def scenario() -> None:
        async with listening(url, kind=Echo) as (where, owners):
            with raw_socket(zmq.DEALER, where) as slow:
                slow.send_multipart(HELLO)
                there = await owners.number(0)
                while link_of(there).writable:
                    link_of(there).send((bytes(200_000),))
                here = Recorder()
                link = await dial(where, here, DEFAULTS)
                for number in range(100):
                    link.send((b"%d" % number,))
                    assert (await here.until_packets(number + 1))[-1] == b"%d" % number
                link.close()
                await here.until_lost()

    run(scenario())


def test_a_peer_that_never_reads_is_cut_off_in_the_end(run: Run, url: str) -> None:
    async def scenario() -> None:
        async with listening(url, LinkOptions(max_packet=1_000_000)) as (where, owners):
            with raw_socket(zmq.DEALER, where) as peer:
                peer.send_multipart(HELLO)
                there = await owners.number(0)
                for _ in range(2_000):
                    link_of(there).send((bytes(200_000),))
                assert "bytes wait, and the peer does not read" in await there.until_lost()

    run(scenario())


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param([bytes(600), bytes(600)], "a packet of 1200 bytes, and the limit is 1000", id="oversize in parts"),
        pytest.param([bytes(1_001)], "connection lost", id="oversize"),
        pytest.param([b"", b"\x07"], "the peer said 07", id="unknown word"),
        pytest.param(HELLO, "the peer said 01", id="hello again"),
        pytest.param([b"", b""], "the peer said ", id="no word"),
    ],
)
def test_misuse_ends_the_link_and_says_why(run: Run, url: str, sent: list[bytes], reason: str) -> None:
    async def scenario() -> None:
        async with listening(url, LinkOptions(max_packet=1_000)) as (where, owners):
            with raw_socket(zmq.DEALER, where) as peer, watched_end(peer) as ended:
                peer.send_multipart(HELLO)
                there = await owners.number(0)
                assert await receive(peer) == WELCOME
                peer.send_multipart([b"good"])
                await there.until_packets(1)  # libzmq may tell of the end before it hands over what came just before
                peer.send_multipart(sent)
                assert reason in await there.until_lost()
                assert there.packets == [b"good"]
                await ended()

    run(scenario())


@pytest.mark.parametrize("closing", [0, 1], ids=["dialling side", "listening side"])
def test_closing_sends_what_is_queued_and_tells_the_reason(run: Run, url: str, closing: int) -> None:
    async def scenario() -> None:
        async with pair(url) as ends:
            near, far = ends[closing], ends[1 - closing]
            for _ in range(100):
                link_of(near).send((bytes(200_000),))
            link_of(near).close("stopping, Ünïcode\n" + "x" * 200)
            link_of(near).send((b"too late",))
            assert "closed by the peer: stopping, Ünïcode?xxx" in await far.until_lost()
            assert (await near.until_lost()).startswith("closed here: stopping")
            assert [len(packet) for packet in far.packets] == [200_000] * 100

    run(scenario())


@pytest.mark.parametrize("how", ["close", "abort"])
def test_nothing_is_handed_over_once_the_owner_ended_the_link(run: Run, url: str, how: str) -> None:
    class Impatient(Recorder):
        def packet_received(self, packet: Packet) -> None:
            super().packet_received(packet)
            getattr(link_of(self), how)()

    async def scenario() -> None:
        async with pair(url, kind=Impatient) as (here, there):
            for number in range(100):
                link_of(here).send((b"%d" % number,))
            await there.until_lost()
            assert there.packets == [b"0"]

    run(scenario())


@pytest.mark.parametrize("aborting", [0, 1], ids=["dialling side", "listening side"])
def test_aborting_is_noticed_at_both_ends(run: Run, url: str, aborting: int) -> None:
    async def scenario() -> None:
        async with pair(url) as ends:
            link_of(ends[aborting]).abort()
            link_of(ends[aborting]).abort()
            assert await ends[aborting].until_lost() == "aborted here"
            assert "connection lost" in await ends[1 - aborting].until_lost()
            link_of(ends[aborting]).send((b"nobody",))
            link_of(ends[aborting]).close()

    run(scenario())


def test_the_end_is_told_once(run: Run, url: str) -> None:
    async def scenario() -> None:
        async with pair(url) as (here, there):
            link_of(here).close()
            link_of(there).close()
            await here.until_lost()
            await there.until_lost()
        assert len(here.lost) == len(there.lost) == 1

    run(scenario())


def test_a_peer_that_does_not_answer_cannot_hold_a_closing_link(
    run: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swergio_transports.zeromq.link, "CLOSE_TIMEOUT", 0.1)

    async def scenario() -> None:
        async with listening(url) as (where, owners):
            with raw_socket(zmq.DEALER, where) as peer:
                peer.send_multipart(HELLO)
                there = await owners.number(0)
                for _ in range(200):
                    link_of(there).send((bytes(200_000),))
                link_of(there).close("done")
                assert await there.until_lost() == "closed here: done"

    run(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when a byte last came")
def test_a_packet_on_its_way_is_a_sign_of_life(run: Run) -> None:
    async def scenario() -> None:
        async with pair("zmq+tcp://127.0.0.1:0") as (here, there):
            link_of(here).send((b"now",))
            await there.until_packets(1)
            now = asyncio.get_running_loop().time()
            link_of(there).received_at = link_of(here).received_at = now - 100
            assert now - link_of(there).received_at < PATIENCE  # the kernel saw the packet
            assert now - link_of(here).received_at < PATIENCE  # and the welcome

    run(scenario())


def test_an_owner_that_fails_loses_its_own_link_only(run: Run, url: str, caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Echo):
        def packet_received(self, packet: Packet) -> None:
            if joined(packet) == b"bad":
                raise ValueError(packet)
            super().packet_received(packet)

    async def scenario() -> None:
        async with listening(url, kind=Faulty) as (where, owners):
            here, other = Recorder(), Recorder()
            here.link, other.link = await dial(where, here, DEFAULTS), await dial(where, other, DEFAULTS)
            link_of(here).send((b"bad",))
            assert await owners.all[0].until_lost() == "failed here: ValueError(b'bad')"
            await here.until_lost()
            link_of(other).send((b"good",))
            assert await other.until_packets(1) == [b"good"]
            link_of(other).close()
            await other.until_lost()

    run(scenario())
    assert [record.name for record in caplog.records] == ["swergio.zeromq"]


def test_the_log_never_shows_tokens_or_payloads(run: Run, url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)

    async def scenario() -> None:
        async with pair(url, LinkOptions(token="hunter2")) as (here, there):
            link_of(here).send((b"secret body",))
            await there.until_packets(1)

    run(scenario())
    assert "hunter2" not in caplog.text
    assert "secret" not in caplog.text


def test_a_fork_sends_nothing_on_the_links_of_its_parent(run: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with pair(url) as (here, there):
            with monkeypatch.context() as patch:
                patch.setattr(os, "getpid", lambda: 1)
                link_of(here).send((b"from the fork",))
            link_of(here).send((b"from the parent",))
            assert await there.until_packets(1) == [b"from the parent"]

    run(scenario())
