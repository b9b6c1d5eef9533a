"""
A link inside one process: within one loop, and between the loops of two threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from swergio.hub.link import LinkOptions, Packet
from swergio_transports.memory import dial, listen
from tests.transports.conftest import Run
from tests.transports.recorder import DEFAULTS, Echo, Owners, Recorder, link_of
from tests.transports.threads import OtherThread


@asynccontextmanager
async def pair(
    memory_url: str, options: LinkOptions = DEFAULTS, kind: type[Recorder] = Recorder
) -> AsyncIterator[list[Recorder]]:
    """
    Both ends of a link, the dialling one first.
    """
    owners = Owners(kind)
    listener = await listen(memory_url, owners, options)
    here = Recorder()
    here.link = await dial(memory_url, here, options)
    there = await owners.number(0)
    try:
        yield [here, there]
    finally:
        here.link.abort()
        await here.until_lost()
        await there.until_lost()
        await listener.close()


def test_packets_come_whole_and_in_order(run: Run, memory_url: str) -> None:
    async def scenario() -> None:
        async with pair(memory_url, kind=Echo) as (here, _):
            packets = [(b"%d:" % number, bytearray(number % 300), memoryview(b"end")) for number in range(2_000)]
            for packet in packets:
                link_of(here).send(packet)
            assert await here.until_packets(2_000) == [b"".join(packet) for packet in packets]

    run(scenario())


def test_packets_cross_threads_in_order(run: Run, memory_url: str, other: OtherThread) -> None:
    owners = Owners(Echo)
    other.run(listen(memory_url, owners, DEFAULTS))

    async def scenario() -> None:
        here = Recorder()
        link = await dial(memory_url, here, DEFAULTS)
        packets = [b"%d" % number for number in range(20_000)]
        for number, packet in enumerate(packets):
            await here.until("room to write", lambda: link.writable)
            link.send((packet,))
            if number % 100 == 0:
                await asyncio.sleep(0)
        assert await here.until_packets(20_000) == packets
        link.close("enough")
        assert await here.until_lost() == "closed here: enough"

    run(scenario())
    assert other.run(owners.all[0].until_lost()) == "closed by the peer: enough"


def test_one_wake_up_serves_all_that_was_sent(run: Run, memory_url: str) -> None:
    async def scenario() -> None:
        async with pair(memory_url) as (here, there):
            await asyncio.sleep(0)
            for _ in range(100):
                link_of(here).send((b"x",))
            assert there.packets == []
            await asyncio.sleep(0)
            assert len(there.packets) == 100

    run(scenario())


def test_a_writer_is_told_to_wait_and_to_go_on(run: Run, memory_url: str) -> None:
    async def scenario() -> None:
        async with pair(memory_url) as (here, there):
            link = link_of(here)
            sent = 0
            while link.writable:
                link.send((bytes(1_000_000),))
                sent += 1
            assert sent == 5
            assert here.resumed == 0
            await here.until("room to write", lambda: here.resumed == 1)
            assert link.writable
            assert len(there.packets) == sent

    run(scenario())


def test_small_packets_fill_the_way_too(run: Run, memory_url: str) -> None:
    async def scenario() -> None:
        async with pair(memory_url) as (here, _):
            link = link_of(here)
            for _ in range(5_000):
                link.send((b"",))
            assert not link.writable
            await here.until("room to write", lambda: link.writable)

    run(scenario())


@pytest.mark.parametrize("closing", [0, 1], ids=["dialling side", "listening side"])
def test_closing_lets_what_was_sent_arrive(run: Run, memory_url: str, closing: int) -> None:
    async def scenario() -> None:
        async with pair(memory_url) as ends:
            near, far = ends[closing], ends[1 - closing]
            link_of(far).send((b"crossing",))
            link_of(near).send((b"last",))
            link_of(near).close("stopping")
            link_of(near).send((b"too late",))
            assert await far.until_lost() == "closed by the peer: stopping"
            assert await near.until_lost() == "closed here: stopping"
            assert far.packets == [b"last"]
            assert near.packets == []

    run(scenario())


@pytest.mark.parametrize("aborting", [0, 1], ids=["dialling side", "listening side"])
def test_aborting_drops_what_was_sent(run: Run, memory_url: str, aborting: int) -> None:
    async def scenario() -> None:
        async with pair(memory_url) as ends:
            near, far = ends[aborting], ends[1 - aborting]
            link_of(near).send((b"dropped",))
            link_of(near).abort()
            link_of(near).abort()
            link_of(near).close()
            assert near.lost == []
            assert "connection lost" in await far.until_lost()
            assert await near.until_lost() == "aborted here"
            assert far.packets == []
        assert len(near.lost) == len(far.lost) == 1

    run(scenario())


@pytest.mark.parametrize("how", ["close", "abort"])
def test_nothing_is_handed_over_once_the_owner_ended_the_link(run: Run, memory_url: str, how: str) -> None:
    class Impatient(Recorder):
        def packet_received(self, packet: Packet) -> None:
            super().packet_received(packet)
            getattr(link_of(self), how)()

    async def scenario() -> None:
        async with pair(memory_url, kind=Impatient) as (here, there):
            for number in range(100):
                link_of(here).send((b"%d" % number,))
            await there.until_lost()
            assert there.packets == [b"0"]

    run(scenario())


def test_a_packet_above_the_limit_ends_the_link(run: Run, memory_url: str) -> None:
    async def scenario() -> None:
        async with pair(memory_url, LinkOptions(max_packet=1_000)) as (here, there):
            link_of(here).send((bytes(1_000),))
            link_of(here).send((bytes(1_001),))
            assert "1001 bytes, and the limit is 1000" in await here.until_lost()
            assert "1001 bytes, and the limit is 1000" in await there.until_lost()
            assert there.packets == [bytes(1_000)]

    run(scenario())


def test_an_owner_that_fails_loses_its_own_link_only(
    run: Run, memory_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(Echo):
        def packet_received(self, packet: Packet) -> None:
            if packet == b"bad":
                raise ValueError(packet)
            super().packet_received(packet)

    async def scenario() -> None:
        async with (
            pair(memory_url, kind=Faulty) as (here, there),
            pair(memory_url + "-other", kind=Faulty) as (safe, _),
        ):
            link_of(here).send((b"bad",))
            assert await there.until_lost() == "failed here: ValueError(b'bad')"
            await here.until_lost()
            link_of(safe).send((b"good",))
            assert await safe.until_packets(1) == [b"good"]

    run(scenario())
    assert [record.name for record in caplog.records] == ["swergio.memory"]


def test_a_loop_that_closed_is_noticed(run: Run, memory_url: str, other: OtherThread) -> None:
    owners = Owners()
    other.run(listen(memory_url, owners, DEFAULTS))

    async def scenario() -> None:
        here = Recorder()
        link = await dial(memory_url, here, DEFAULTS)
        other.stop()
        link.send((b"hello?",))
        assert here.lost == []
        assert "loop of the other end is closed" in await here.until_lost()
        with pytest.raises(ConnectionRefusedError):
            await dial(memory_url, Recorder(), DEFAULTS)
        await (await listen(memory_url, Owners(), DEFAULTS)).close()

    run(scenario())


@pytest.mark.parametrize("how", ["close", "abort"])
def test_ending_a_link_whose_other_loop_is_closed(run: Run, memory_url: str, other: OtherThread, how: str) -> None:
    other.run(listen(memory_url, Owners(), DEFAULTS))

    async def scenario() -> None:
        here = Recorder()
        link = await dial(memory_url, here, DEFAULTS)
        other.stop()
        getattr(link, how)()
        await here.until_lost()

    run(scenario())
