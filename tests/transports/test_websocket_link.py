"""
An open WebSocket link: what goes through it, and every way it can end.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import CloseCode, Frame, Opcode
from websockets.typing import Subprotocol

import swergio_transports.websocket.link
from swergio.hub.link import LinkOptions, Packet
from swergio_transports.websocket import dial, listen
from tests.transports.conftest import Run
from tests.transports.recorder import DEFAULTS, PATIENCE, Echo, Owners, Recorder, link_of, raw_peer

pytestmark = pytest.mark.usefixtures("engine")

LOOPBACK = "ws://127.0.0.1:0"
SWERGIO = [Subprotocol("swergio")]


@asynccontextmanager
async def pair(options: LinkOptions = DEFAULTS, kind: type[Recorder] = Recorder) -> AsyncIterator[list[Recorder]]:
    """
    Both ends of a link, the dialling one first.
    """
    owners = Owners(kind)
    listener = await listen(LOOPBACK, owners, options)
    here = Recorder()
    here.link = await dial(listener.url, here, options)
    there = await owners.number(0)
    try:
        yield [here, there]
    finally:
        link_of(here).abort()
        await here.until_lost()
        await there.until_lost()
        await listener.close()


def masked(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def test_packets_come_whole_and_in_order(run: Run) -> None:
    async def scenario() -> None:
        async with pair(kind=Echo) as (here, _):
            sizes = [random.Random(1).choice([0, 1, 125, 126, 65_535, 65_536]) for _ in range(2_000)]
            packets = [(b"%d:" % n, bytearray(size), memoryview(b"end")) for n, size in enumerate(sizes)]
            for packet in packets:
                link_of(here).send(packet)
            assert await here.until_packets(2_000) == [b"".join(packet) for packet in packets]

    run(scenario())


def test_a_large_packet_comes_whole(run: Run) -> None:
    async def scenario() -> None:
        async with pair(kind=Echo) as (here, _):
            packet = random.Random(2).randbytes(8 * 2**20)
            link_of(here).send((packet,))
            assert await here.until_packets(1) == [packet]

    run(scenario())


def test_one_packet_sent_on_many_links_reaches_them_all(run: Run) -> None:
    async def scenario() -> None:
        owners = Owners()
        listener = await listen(LOOPBACK, owners, DEFAULTS)
        members = [Recorder() for _ in range(4)]
        links = [await dial(listener.url, member, DEFAULTS) for member in members]
        packets = [(b"first",), (b"large", bytes(300_000)), (b"second",), (b"first",)]
        for packet in packets:
            for owner in owners.all:
                link_of(owner).send(packet)
        for member in members:
            assert await member.until_packets(4) == [b"".join(packet) for packet in packets]
        for link, member in zip(links, members, strict=True):
            link.close()
            await member.until_lost()
        await listener.close()

    run(scenario())


def test_a_writer_is_told_to_wait_and_to_go_on(run: Run) -> None:
    read = asyncio.Event()

    async def read_when_told(connection: ServerConnection) -> None:
        await read.wait()
        async for _ in connection:
            pass

    async def scenario() -> None:
        async with serve(read_when_told, "127.0.0.1", 0, subprotocols=SWERGIO, ping_interval=None) as server:
            here = Recorder()
            link = await dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", here, DEFAULTS)
            assert link.writable
            for _ in range(1_000):
                link.send((bytes(100_000),))
                if not link.writable:
                    break
            assert not link.writable
            read.set()
            await here.until("room to write", lambda: here.resumed == 1)
            assert link.writable
            link.close()
            await here.until_lost()

    run(scenario())


@asynccontextmanager
async def raw_link(options: LinkOptions = DEFAULTS) -> AsyncIterator[RawLink]:
    """
    A listener's link, whose other end is a bare stream.
    """
    owners = Owners()
    listener = await listen(LOOPBACK, owners, options)
    try:
        async with raw_peer(listener.url) as (reader, writer):
            yield RawLink(await owners.number(0), reader, writer)
        await owners.all[0].until_lost()
    finally:
        await listener.close()


class RawLink(NamedTuple):
    there: Recorder
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def close_code(self) -> int:
        """
        Return the code of the close frame that ends the stream.
        """
        async with asyncio.timeout(PATIENCE):
            data = await self.reader.read()
        frame = data[data.rindex(b"\x88") :]
        return int.from_bytes(frame[2:4])


def test_any_byte_is_a_sign_of_life_and_pings_are_answered(run: Run) -> None:
    async def scenario() -> None:
        async with raw_link() as raw:
            link_of(raw.there).received_at = 0.0
            raw.writer.write(masked(Opcode.PING, b"hello"))
            assert await raw.reader.readexactly(7) == b"\x8a\x05hello"
            assert link_of(raw.there).received_at > 0.0
            assert raw.there.packets == []

    run(scenario())


async def eventually(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not reached():  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.001)


def test_a_large_packet_on_its_way_is_a_sign_of_life(run: Run) -> None:
    async def scenario() -> None:
        async with raw_link() as raw:
            frame = masked(Opcode.BINARY, bytes(1_000_000))
            for part in (frame[:500_000], frame[500_000:]):
                link_of(raw.there).received_at = 0.0
                raw.writer.write(part)
                await eventually(lambda: link_of(raw.there).received_at > 0)
            assert await raw.there.until_packets(1) == [bytes(1_000_000)]

    run(scenario())


@pytest.mark.parametrize("data", [b"", b"\x03\xe8", b"\x11\x31no", b"\x03\xe9away"])
def test_a_close_frame_is_answered_with_its_like(run: Run, data: bytes) -> None:
    async def scenario() -> None:
        async with raw_link() as raw:
            raw.writer.write(masked(Opcode.CLOSE, data) + masked(Opcode.BINARY, b"too late"))
            async with asyncio.timeout(PATIENCE):
                assert await raw.reader.read() == Frame(Opcode.CLOSE, data).serialize(mask=False)
            raw.writer.close()
            code = int.from_bytes(data[:2]) if data else 1005
            assert (await raw.there.until_lost()).startswith(f"closed by the peer: {code} ")
            assert raw.there.packets == []

    run(scenario())


def test_fragments_are_joined(run: Run) -> None:
    async def scenario() -> None:
        async with raw_link() as raw:
            for number in range(2_000):
                opcode = Opcode.CONT if number else Opcode.BINARY
                raw.writer.write(masked(opcode, bytes([number % 256]) * 1_024, fin=number == 1_999))
            packets = await raw.there.until_packets(1)
            assert packets == [b"".join(bytes([number % 256]) * 1_024 for number in range(2_000))]

    run(scenario())


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(masked(Opcode.TEXT, b"hello"), CloseCode.UNSUPPORTED_DATA, id="text"),
        pytest.param(masked(Opcode.BINARY, bytes(1_001)), CloseCode.MESSAGE_TOO_BIG, id="oversize"),
        pytest.param(masked(Opcode.BINARY, bytes(1_001))[:8], CloseCode.MESSAGE_TOO_BIG, id="oversize announced"),
        pytest.param(
            masked(Opcode.BINARY, bytes(600), fin=False) + masked(Opcode.CONT, bytes(600)),
            CloseCode.MESSAGE_TOO_BIG,
            id="oversize in fragments",
        ),
        pytest.param(masked(Opcode.PING) * 5_000, CloseCode.POLICY_VIOLATION, id="pings"),
        pytest.param(masked(Opcode.PONG) * 5_000, CloseCode.POLICY_VIOLATION, id="pongs"),
        pytest.param(
            masked(Opcode.BINARY, fin=False) + masked(Opcode.CONT, fin=False) * 5_000,
            CloseCode.POLICY_VIOLATION,
            id="empty fragments",
        ),
        pytest.param(b"\xff" * 100, CloseCode.PROTOCOL_ERROR, id="no frame at all"),
        pytest.param(b"\xc2" + masked(Opcode.BINARY, b"hello")[1:], CloseCode.PROTOCOL_ERROR, id="reserved bits"),
        pytest.param(masked(Opcode.CONT, b"hello"), CloseCode.PROTOCOL_ERROR, id="a continuation of nothing"),
        pytest.param(
            masked(Opcode.BINARY, b"hel", fin=False) + masked(Opcode.BINARY, b"lo"),
            CloseCode.PROTOCOL_ERROR,
            id="a packet between fragments",
        ),
        pytest.param(b"\x89" + masked(Opcode.BINARY, bytes(126))[1:], CloseCode.PROTOCOL_ERROR, id="large ping"),
        pytest.param(masked(Opcode.CLOSE, b"\x03"), CloseCode.PROTOCOL_ERROR, id="half a close code"),
        pytest.param(masked(Opcode.CLOSE, b"\x03\xee"), CloseCode.PROTOCOL_ERROR, id="a close code for nobody to send"),
        pytest.param(masked(Opcode.CLOSE, b"\x03\xe8\xff"), CloseCode.INVALID_DATA, id="a reason that is no text"),
        pytest.param(Frame(Opcode.BINARY, b"hello").serialize(mask=False), CloseCode.PROTOCOL_ERROR, id="unmasked"),
    ],
)
def test_misuse_ends_the_link_and_says_why(run: Run, sent: bytes, code: CloseCode) -> None:
    async def scenario() -> None:
        async with raw_link(LinkOptions(max_packet=1_000)) as raw:
            raw.writer.write(masked(Opcode.BINARY, b"good") + sent)
            assert await raw.close_code() == code
            raw.writer.close()
            assert f"ended here: {code.value} " in await raw.there.until_lost()
            assert raw.there.packets == [b"good"]

    run(scenario())


@pytest.mark.parametrize("seed", range(3))
def test_garbage_costs_only_the_connection_it_came_on(run: Run, seed: int) -> None:
    generator = random.Random(seed)

    async def scenario() -> None:
        async with pair(kind=Echo) as (here, there):
            listener = await listen(LOOPBACK, Owners(), LinkOptions(max_packet=10_000))
            for number in range(100):
                async with raw_peer(listener.url) as (reader, writer):
                    writer.write(generator.randbytes(generator.randrange(1, 3_000)))
                    writer.write_eof()
                    async with asyncio.timeout(PATIENCE):
                        await reader.read()
                link_of(here).send((b"%d" % number,))
                assert (await here.until_packets(number + 1))[-1] == b"%d" % number
            assert not there.lost
            await listener.close()

    run(scenario())


@pytest.mark.parametrize("closing", [0, 1], ids=["dialling side", "listening side"])
def test_closing_sends_what_is_queued_and_tells_the_reason(run: Run, closing: int) -> None:
    async def scenario() -> None:
        async with pair() as ends:
            near, far = ends[closing], ends[1 - closing]
            link_of(near).send((bytes(8 * 2**20),))
            link_of(near).close("stopping, Ünïcode\n" + "x" * 200)
            link_of(near).send((b"too late",))
            assert "closed by the peer: 1000 (OK) stopping, Ünïcode?xxx" in await far.until_lost()
            assert (await near.until_lost()).startswith("closed here: stopping")
            assert [len(packet) for packet in far.packets] == [8 * 2**20]

    run(scenario())


@pytest.mark.parametrize("how", ["close", "abort"])
def test_nothing_is_handed_over_once_the_owner_ended_the_link(run: Run, how: str) -> None:
    class Impatient(Recorder):
        def packet_received(self, packet: Packet) -> None:
            super().packet_received(packet)
            getattr(link_of(self), how)()

    async def scenario() -> None:
        async with pair(kind=Impatient) as (here, there):
            for number in range(100):
                link_of(here).send((b"%d" % number,))
            await there.until_lost()
            assert there.packets == [b"0"]

    run(scenario())


@pytest.mark.parametrize("aborting", [0, 1], ids=["dialling side", "listening side"])
def test_aborting_is_noticed_at_both_ends(run: Run, aborting: int) -> None:
    async def scenario() -> None:
        async with pair() as ends:
            link_of(ends[aborting]).abort()
            link_of(ends[aborting]).abort()
            assert await ends[aborting].until_lost() == "aborted here"
            assert "connection lost" in await ends[1 - aborting].until_lost()
            link_of(ends[aborting]).send((b"nobody",))
            link_of(ends[aborting]).close()

    run(scenario())


def test_the_end_is_told_once(run: Run) -> None:
    async def scenario() -> None:
        async with pair() as (here, there):
            link_of(here).close()
            link_of(there).close()
            await here.until_lost()
            await there.until_lost()
        assert len(here.lost) == len(there.lost) == 1

    run(scenario())


def test_a_peer_that_does_not_answer_cannot_hold_a_closing_link(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swergio_transports.websocket.link, "CLOSE_TIMEOUT", 0.1)

    async def scenario() -> None:
        async with raw_link() as raw:
            link_of(raw.there).send((bytes(50 * 2**20),))
            link_of(raw.there).close("done")
            assert await raw.there.until_lost() == "closed here: done"

    run(scenario())


def test_an_owner_that_fails_loses_its_own_link_only(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Echo):
        def packet_received(self, packet: Packet) -> None:
            if packet == b"bad":
                raise ValueError(packet)
            super().packet_received(packet)

    async def scenario() -> None:
        async with pair(kind=Faulty) as (here, there), pair(kind=Faulty) as (other, _):
            link_of(here).send((b"bad",))
            assert await there.until_lost() == "failed here: ValueError(b'bad')"
            await here.until_lost()
            link_of(other).send((b"good",))
            assert await other.until_packets(1) == [b"good"]

    run(scenario())
    assert [record.name for record in caplog.records] == ["swergio.websocket"]


def test_the_log_never_shows_tokens_or_payloads(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)

    async def scenario() -> None:
        async with pair(LinkOptions(token="hunter2")) as (here, there):
            link_of(here).send((b"secret body",))
            await there.until_packets(1)

    run(scenario())
    assert "hunter2" not in caplog.text
    assert "secret" not in caplog.text
