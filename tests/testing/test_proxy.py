"""The fault proxy without faults, and what stands around them: life, threads, seeds, mistakes."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from swergio.errors import ConfigurationError
from swergio.testing import FaultProxy, Faults
from tests.testing.rig import Peer, rig, run, turns, until


def test_it_relays_both_ways_and_counts() -> None:
    async def scenario() -> None:
        async with rig() as it:
            one, two = await it.connect(), await it.connect()
            one.send(b"abc")
            two.send(b"defgh")
            await one.gets(b"abc")
            await two.gets(b"defgh")

            counters = it.proxy.counters
            assert (counters.connections, counters.open) == (2, 2)
            assert (counters.to_target, counters.to_client) == (8, 8)
            one.transport.close()
            await it.proxy.until(lambda counters: counters.open == 1)
            assert (counters.cuts, counters.resets, counters.swallowed) == (0, 0, 0)

    run(scenario())


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")
@pytest.mark.parametrize("ends", ["listen", "target", "both"])
def test_it_relays_unix_sockets(tmp_path: Path, ends: str) -> None:
    async def scenario() -> None:
        target = None if ends == "listen" else tmp_path / "server"
        listen: tuple[str, int] | Path = ("127.0.0.1", 0) if ends == "target" else tmp_path / "proxy"
        async with rig(target=target, listen=listen) as it:
            client = await it.connect()
            client.send(b"abc")
            await client.gets(b"abc")
            if isinstance(listen, Path):
                assert it.proxy.url("zmq+ipc") == f"zmq+ipc://{listen}"
                with pytest.raises(ConfigurationError, match="no port"):
                    _ = it.proxy.port
                it.proxy.refuse()
                with pytest.raises(ConnectionRefusedError):
                    await it.connect()
                it.proxy.heal()
                await it.connect()
        assert not (tmp_path / "proxy").exists()

    run(scenario())


def test_a_half_closed_connection_stays_open_the_other_way() -> None:
    async def scenario() -> None:
        async with rig() as it:
            client = await it.connect()
            it.served[0].echo = False
            it.served[0].stays_open = True
            client.send(b"question")
            client.transport.write_eof()
            await until(lambda: it.served[0].at_end, "the end of the question")
            it.served[0].send(b"answer")
            await client.gets(b"answer")

    run(scenario())


def test_the_reset_of_one_end_reaches_the_other() -> None:
    async def scenario() -> None:
        async with rig() as it:
            for first in ("target", "client"):
                client = await it.connect()
                ends = {"client": client, "target": it.served[-1]}
                sock = ends[first].transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                ends.pop(first).transport.abort()
                await ends.popitem()[1].ends("reset")

    run(scenario())


def test_who_writes_to_a_closed_server_is_told() -> None:
    async def scenario() -> None:
        async with rig() as it:
            client = await it.connect()
            client.stays_open = True
            it.served[0].transport.close()
            await it.served[0].ends("closed")
            await until(lambda: client.at_end, "the end of what the server says")
            while not client.ended:
                client.send(b"x")
                await turns()
            assert client.ended == "reset"

    run(scenario())


def test_a_server_that_is_not_there_resets_the_client() -> None:
    async def scenario() -> None:
        async with rig() as it:
            it.server.close()
            client = await it.connect(reaches=False)
            await client.ends("reset")
            await it.proxy.until(lambda counters: counters.unreachable == 1)

    run(scenario())


def test_a_receiver_that_does_not_read_stops_its_sender() -> None:
    size = 64 << 20

    async def scenario() -> None:
        async with rig() as it:
            client = await it.connect()
            server = it.served[0]
            server.echo = False
            server.transport.pause_reading()
            client.transport.set_write_buffer_limits(0)
            client.send(bytes(size))
            waiting = size + 1
            while client.transport.get_write_buffer_size() < waiting:
                waiting = client.transport.get_write_buffer_size()
                await turns(500)
            assert waiting > size / 2
            server.transport.resume_reading()
            await it.proxy.until(lambda counters: counters.to_target == size)

    run(scenario())


def test_faults_can_be_set_before_it_runs() -> None:
    async def scenario() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Peer(echo=True), "127.0.0.1", 0)
        proxy = FaultProxy(*server.sockets[0].getsockname())
        proxy.half_open()
        proxy.refuse()
        async with server, proxy:
            assert proxy.to_target.swallow
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", proxy.port)

    run(scenario())


def test_plain_code_runs_it_on_a_thread_of_its_own() -> None:
    threads = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as server, FaultProxy(*server.getsockname(), seed=1) as proxy:
        assert proxy.url("ws") == f"ws://127.0.0.1:{proxy.port}"
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
            peer, _ = server.accept()
            with peer:
                peer.settimeout(10)
                client.sendall(b"abc")
                assert peer.recv(10) == b"abc"
                proxy.half_open("client")
                peer.sendall(b"lost")
                proxy.wait_until(lambda counters: counters.swallowed == 4)
                proxy.heal()
                with pytest.raises(ConnectionResetError):
                    peer.recv(10)
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
        with pytest.raises(TimeoutError, match=r"connections=1.*SWERGIO_SEED=1"):
            proxy.wait_until(lambda counters: counters.connections == 2, timeout=0)
    assert threading.active_count() == threads


def test_controls_work_from_other_threads_and_waiting_there_needs_its_own_loop() -> None:
    async def scenario() -> None:
        async with rig() as it:
            client = await it.connect()
            assert await asyncio.to_thread(it.proxy.abort) == 1
            await client.ends("reset")
            with pytest.raises(ConfigurationError, match=r"await until"):
                it.proxy.wait_until(lambda counters: True)

    run(scenario())


def test_a_busy_address_is_refused_and_leaves_nothing() -> None:
    threads = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = FaultProxy("127.0.0.1", 1, listen=server.getsockname())
        with pytest.raises(OSError, match="in use"), proxy:
            pass
    assert threading.active_count() == threads


def test_the_seed_is_the_argument_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWERGIO_SEED", raising=False)
    assert FaultProxy("127.0.0.1", 1).seed != FaultProxy("127.0.0.1", 1).seed
    monkeypatch.setenv("SWERGIO_SEED", "42")
    assert repr(FaultProxy("localhost", 1)) == "<FaultProxy 127.0.0.1:0 -> localhost:1, seed 42>"
    assert FaultProxy("localhost", 1, seed=3).seed == 3
    monkeypatch.setenv("SWERGIO_SEED", "many")
    with pytest.raises(ConfigurationError, match="SWERGIO_SEED is 'many'"):
        FaultProxy("localhost", 1)


@pytest.mark.parametrize("wrong", [{"delay": -1}, {"jitter": -0.1}, {"bandwidth": 0}, {"slices": 0}])
def test_impossible_faults_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Faults(**wrong)


@pytest.mark.parametrize("wrong", [{}, {"before": 1, "after": 1}, {"before": 0}, {"after": -1}])
def test_impossible_cuts_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="before"):
        FaultProxy("localhost", 1).cut("target", **wrong)
    with pytest.raises(ConfigurationError, match="next, every, live"):
        FaultProxy("localhost", 1).cut("target", after=1, of="all")  # type: ignore[arg-type]


def test_a_wrong_direction_is_named() -> None:
    with pytest.raises(ConfigurationError, match="'target' or 'client'"):
        FaultProxy("localhost", 1).cut("server", after=1)  # type: ignore[arg-type]
