"""
Who gets a ZeroMQ link, and who does not; strangers of every kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import stat
from pathlib import Path

import pytest
import zmq

import swergio_transports.zeromq.server
from swergio.errors import AccessRefused, ConfigurationError, ConnectFailed
from swergio.hub.link import Link, LinkOptions
from swergio_transports.zeromq import dial, listen
from tests.transports.conftest import Run
from tests.transports.recorder import DEFAULTS, PATIENCE, Echo, Owners, Recorder, raw_stream
from tests.transports.zeromq_ends import HELLO, WELCOME, listening, raw_socket, receive, watched_end

TCP = "zmq+tcp://127.0.0.1:0"


def knows(token: str | None) -> bool:
    return token == "s3cret"


@pytest.fixture(params=["zmq+tcp", "zmq+ipc"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"zmq+ipc://{tmp_path}/hub" if request.param == "zmq+ipc" else TCP


async def echoes(link: Link, owner: Recorder) -> bool:
    count = len(owner.packets)
    link.send((b"still there?",))
    return (await owner.until_packets(count + 1))[-1] == b"still there?"


async def end(link: Link, owner: Recorder) -> None:
    link.close()
    await owner.until_lost()


def test_the_wrong_token_is_final_for_the_dialling_side(run: Run, url: str) -> None:
    async def scenario() -> None:
        async with listening(url, LinkOptions(authorize=knows), Echo) as (where, owners):
            for token in (None, "wrong", "", "ünï\udcff"):
                with pytest.raises(AccessRefused, match="does not accept this token"):
                    await dial(where, Recorder(), LinkOptions(token=token))
            assert owners.all == []
            here = Recorder()
            link = await dial(where, here, LinkOptions(token="s3cret"))
            assert await echoes(link, here)
            await end(link, here)

    run(scenario())


def test_there_are_no_more_links_than_allowed(run: Run, url: str) -> None:
    async def scenario() -> None:
        async with listening(url, LinkOptions(max_links=2), Echo) as (where, owners):
            members = [Recorder(), Recorder()]
            links = [await dial(where, member, DEFAULTS) for member in members]
            with pytest.raises(ConnectFailed, match="all connections are taken"):
                await dial(where, Recorder(), DEFAULTS)
            await end(links[0], members[0])
            await owners.all[0].until_lost()
            late = Recorder()
            third = await dial(where, late, DEFAULTS)
            assert await echoes(third, late)
            await end(third, late)
            await end(links[1], members[1])

    run(scenario())


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        pytest.param(zmq.DEALER, [b"hello"], id="a packet"),
        pytest.param(zmq.DEALER, [b"", b"\x01chat\0"], id="another program"),
        pytest.param(zmq.DEALER, [b"", b"\x01swergio\x09"], id="another version"),
        pytest.param(zmq.DEALER, [b"", b""], id="nothing"),
        pytest.param(zmq.DEALER, [b""] * 50, id="empty parts"),
        pytest.param(zmq.REQ, [b"hello"], id="a REQ"),
    ],
)
def test_a_stranger_is_refused_and_then_cut_off(
    run: Run, url: str, kind: int, said: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swergio_transports.zeromq.server, "CLOSE_TIMEOUT", 0.1)

    async def scenario() -> None:
        async with listening(url, kind=Echo) as (where, owners):
            here = Recorder()
            link = await dial(where, here, DEFAULTS)
            with raw_socket(kind) as peer, watched_end(peer) as ended:
                peer.connect(where.removeprefix("zmq+"))
                peer.send_multipart(said)
                await ended()
            assert len(owners.all) == 1
            assert await echoes(link, here)
            await end(link, here)

    run(scenario())


def test_who_says_nothing_is_cut_off(run: Run, url: str) -> None:
    async def scenario() -> None:
        async with listening(url, LinkOptions(handshake_timeout=0.2)) as (where, owners):
            with raw_socket(zmq.DEALER) as peer, watched_end(peer) as ended:
                peer.connect(where.removeprefix("zmq+"))
                await ended()
            assert owners.all == []

    run(scenario())


@pytest.mark.parametrize("seed", range(2))
def test_garbage_costs_only_the_connection_it_came_on(run: Run, seed: int) -> None:
    generator = random.Random(seed)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)

    async def scenario() -> None:
        async with listening(TCP, LinkOptions(handshake_timeout=0.5, max_packet=10_000), Echo) as (where, owners):
            here = Recorder()
            link = await dial(where, here, DEFAULTS)
            for number in range(100):
                async with raw_stream(where) as (reader, writer), asyncio.timeout(PATIENCE):
                    writer.write(greeting * (number % 2) + generator.randbytes(generator.randrange(1, 3_000)))
                    writer.write_eof()
                    with contextlib.suppress(ConnectionError):
                        await reader.read()
                link.send((b"%d" % number,))
                assert (await here.until_packets(number + 1))[-1] == b"%d" % number
            assert len(owners.all) == 1
            await end(link, here)

    run(scenario())


def test_the_oldest_stranger_goes_when_there_are_too_many(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swergio_transports.zeromq.server, "MAX_HANDSHAKES", 3)

    async def scenario() -> None:
        async with listening(TCP, kind=Echo) as (where, _):
            waiting = [socket.create_connection(("127.0.0.1", int(where.rpartition(":")[2]))) for _ in range(5)]
            here = Recorder()
            link = await dial(where, here, DEFAULTS)
            assert await echoes(link, here)
            for first in waiting[:2]:
                first.settimeout(PATIENCE)
                while await asyncio.to_thread(first.recv, 100):
                    pass
            for connection in waiting:
                connection.close()
            await end(link, here)

    run(scenario())


def test_closing_a_listener_leaves_its_links_alone(run: Run, url: str) -> None:
    async def scenario() -> None:
        owners = Owners(Echo)
        listener = await listen(url, owners, DEFAULTS)
        here = Recorder()
        link = await dial(listener.url, here, DEFAULTS)
        await listener.close()
        await listener.close()
        with pytest.raises(ConnectionError):
            await dial(listener.url, Recorder(), DEFAULTS)
        assert await echoes(link, here)
        await end(link, here)
        await owners.all[0].until_lost()
        await listener.close()

    run(scenario())


def test_an_owner_may_send_while_it_accepts(run: Run, url: str) -> None:
    def greet(link: Link) -> Recorder:
        link.send((b"welcome",))
        return greeted

    greeted = Recorder()

    async def scenario() -> None:
        listener = await listen(url, greet, DEFAULTS)
        here = Recorder()
        link = await dial(listener.url, here, DEFAULTS)
        assert here.packets == []
        assert await here.until_packets(1) == [b"welcome"]
        await end(link, here)
        await greeted.until_lost()
        await listener.close()

    run(scenario())


def test_failing_to_accept_costs_only_that_connection(run: Run, url: str, caplog: pytest.LogCaptureFixture) -> None:
    owners = Owners(Echo)

    def accept(link: Link) -> Recorder:
        if owners.all:
            raise RuntimeError("no more")
        return owners(link)

    async def scenario() -> None:
        listener = await listen(url, accept, DEFAULTS)
        here, other = Recorder(), Recorder()
        link = await dial(listener.url, here, DEFAULTS)
        try:
            await dial(listener.url, other, DEFAULTS)
            await other.until_lost()
        except ConnectFailed:
            pass  # it was dropped before the welcome was read
        assert await echoes(link, here)
        await end(link, here)
        await owners.all[0].until_lost()
        await listener.close()

    run(scenario())
    assert "no more" in caplog.text


def test_an_address_that_is_taken(run: Run, url: str) -> None:
    async def scenario() -> None:
        async with listening(url) as (where, _):
            with pytest.raises(OSError, match="in use"):
                await listen(where, Owners(), DEFAULTS)

    run(scenario())


@pytest.mark.parametrize("url", ["zmq+tcp://0.0.0.0:0", "zmq://[::]:0"])
def test_listening_to_other_hosts_needs_curve(run: Run, url: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match=r"other hosts; expected CURVE: 'curve_key'"):
            await listen(url, Owners(), LinkOptions(authorize=knows))
        listener = await listen(url, Owners(), LinkOptions(insecure=True))
        assert not listener.url.endswith(":0")
        await listener.close()

    run(scenario())


def test_a_path_that_is_too_long_is_named(run: Run) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match=r"takes 121 bytes; expected at most \d+"):
            await listen("zmq+ipc:///" + "x" * 120, Owners(), DEFAULTS)

    run(scenario())


def test_a_socket_at_a_path_is_for_its_user_alone_and_goes_with_the_listener(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "hub"

    async def scenario() -> None:
        async with listening(f"zmq+ipc://{path}"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not path.exists()

    run(scenario())


def test_what_a_dead_listener_left_is_replaced_and_other_files_are_not(run: Run, tmp_path: Path) -> None:
    path, file = tmp_path / "hub", tmp_path / "file"
    file.write_text("precious")
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))

    async def scenario() -> None:
        async with listening(f"zmq+ipc://{path}", kind=Echo) as (where, _):
            here = Recorder()
            link = await dial(where, here, DEFAULTS)
            assert await echoes(link, here)
            await end(link, here)
        with pytest.raises(OSError, match="in use"):
            await listen(f"zmq+ipc://{file}", Owners(), DEFAULTS)
        assert file.read_text() == "precious"
        with pytest.raises(FileNotFoundError):
            await listen(f"zmq+ipc://{tmp_path}/nowhere/hub", Owners(), DEFAULTS)

    run(scenario())


def test_both_ends_say_what_the_documentation_says(run: Run, url: str) -> None:
    async def scenario() -> None:
        async with listening(url, LinkOptions(authorize=knows)) as (where, owners):
            with raw_socket(zmq.DEALER, where) as peer:
                peer.send_multipart([HELLO[0], HELLO[1] + b"\x01s3cret"])
                assert await receive(peer) == WELCOME
                peer.send_multipart([b"head", b"payload"])
                assert await (await owners.number(0)).until_packets(1) == [b"headpayload"]
                peer.send_multipart([b"", b"\x04enough"])
                assert await receive(peer) == [b"", b"\x04"]
                assert await owners.all[0].until_lost() == "closed by the peer: enough"
            with raw_socket(zmq.DEALER, where) as peer:
                peer.send_multipart(HELLO)
                word, said = await receive(peer)
                assert word == b""
                assert said.startswith(b"\x03\x01it does not accept this token")

    run(scenario())
