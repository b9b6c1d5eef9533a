"""
Dead and silent connections: found within their time, without holding up the loop.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from typing import Any

import pytest

from swergio.errors import ConnectFailed
from swergio.settings import load
from swergio.testing import FaultProxy, Faults
from swergio_transports.redis.broker import Broker
from swergio_transports.redis.errors import BrokerLost
from tests.servers import RedisServer
from tests.transports.conftest import Run
from tests.transports.heard import Heard, connected, patiently

QUICK: dict[str, Any] = {"heartbeat": 0.2, "dead_after": 1.0}


class DyingSocket(socket.socket):
    """
    A socket on which the kernel gives up: reading raises what it raises then.
    """

    dying = False

    def recv_into(self, *args: Any) -> int:
        self._check()
        return super().recv_into(*args)

    def recv(self, *args: Any) -> bytes:
        self._check()
        return super().recv(*args)

    def _check(self) -> None:
        if self.dying:
            raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")


def test_a_socket_that_the_kernel_gave_up_is_lost_and_not_taken_for_silence(
    own_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # redis-py 8.1 swallows this TimeoutError as "no message yet", for ever: its listen() never lets the loop go on.
    sockets: list[DyingSocket] = []

    async def check() -> None:
        loop = asyncio.get_running_loop()
        original = loop.create_connection

        async def create_connection(make: Any, host: str, port: int, *, ssl: None) -> Any:
            sock = DyingSocket(socket.AF_INET, socket.SOCK_STREAM)
            sock.settimeout(0)
            await loop.sock_connect(sock, (host, port))
            sockets.append(sock)
            return await original(make, sock=sock, ssl=ssl)

        monkeypatch.setattr(loop, "create_connection", create_connection)
        async with connected(own_server.url) as (broker, heard):
            await broker.subscribe(b"room")
            for sock in sockets:
                sock.dying = True
            with own_server.client() as client:
                client.publish(b"room", b"wakes the dying reader")
            await heard.until(lambda: heard.of("hole"))
            assert "timed out" in heard.of("lost")[0][0]
            await patiently(lambda: broker.ask(b"", "PING"))
            with own_server.client() as client:
                client.publish(b"room", b"again")
            await heard.until(lambda: (b"room", b"again") in heard.of("came"))

    asyncio.run(check())  # uvloop reads below Python: no socket can be put under it


def test_a_server_that_hangs_is_lost_and_found_again(run: Run, own_server: RedisServer) -> None:
    async def check() -> None:
        async with connected(own_server.url, **QUICK) as (broker, heard):
            await broker.subscribe(b"room")
            own_server.stop()
            try:
                with pytest.raises(BrokerLost, match="no sign of life"):
                    await broker.ask(b"", "PING")
                await heard.until(lambda: heard.of("lost"))
                ticks = 0
                began = time.monotonic()
                while time.monotonic() < began + 1:
                    await asyncio.sleep(0.02)
                    ticks += 1
                assert ticks > 5  # connecting in vain leaves the loop to others
            finally:
                own_server.resume()
            await heard.until(lambda: len(heard.of("back")) == 2)
            assert [channels for channels, _ in heard.of("hole")] == [[b"room"]]

    run(check())


def test_a_path_that_swallows_everything_is_lost_and_found_again(run: Run, own_server: RedisServer) -> None:
    async def check() -> None:
        with FaultProxy("127.0.0.1", own_server.port) as proxy:
            async with connected(proxy.url("redis"), **QUICK) as (broker, heard):
                await broker.subscribe(b"room")
                for toward in (None, "client", "target"):
                    lost, backs = len(heard.of("lost")), len(heard.of("back"))
                    proxy.half_open(toward)
                    await heard.more("lost", lost)
                    proxy.heal()
                    await heard.more("back", backs)
                assert len(heard.of("hole")) >= 3
                await patiently(lambda: broker.ask(b"", "PUBLISH", b"room", b"here"))
                await heard.until(lambda: (b"room", b"here") in heard.of("came"))

    run(check())


def test_silence_is_no_death_while_the_server_answers(run: Run, shared_server: RedisServer) -> None:
    async def check() -> None:
        async with connected(shared_server.url, heartbeat=0.1, dead_after=0.4) as (broker, heard):
            await broker.subscribe(b"quiet")
            await asyncio.sleep(1.5)
            assert heard.of("lost") == []

    run(check())


def test_a_loop_that_was_held_up_takes_its_own_delay_for_no_death(run: Run, shared_server: RedisServer) -> None:
    async def check() -> None:
        async with connected(shared_server.url, heartbeat=0.1, dead_after=0.4) as (broker, heard):
            await broker.subscribe(b"quiet")
            await asyncio.sleep(0.15)
            time.sleep(1.5)  # noqa: ASYNC251  a handler that does not let go
            await asyncio.sleep(0.5)
            assert heard.of("lost") == []

    run(check())


def test_a_slow_transfer_is_no_death(own_server: RedisServer) -> None:
    async def check() -> None:
        with FaultProxy("127.0.0.1", own_server.port) as proxy:
            async with connected(proxy.url("redis"), heartbeat=0.5, dead_after=5.0) as (broker, heard):
                proxy.to_target = Faults(bandwidth=2e6)
                body = bytes(13_000_000)
                await broker.ask(b"large", "SET", "large", body)
                assert await broker.ask(b"large", "STRLEN", "large") == len(body)
                assert heard.of("lost") == []

    asyncio.run(check())  # once: it takes six seconds


def test_a_server_that_is_not_there_is_named(run: Run, own_server: RedisServer) -> None:
    async def check() -> None:
        with pytest.raises(ConnectFailed, match=rf"redis://127\.0\.0\.1:{own_server.port}: .*refused.*connect_timeout"):
            async with connected(own_server.url, connect_timeout=0.5):
                pass

    own_server.kill()
    run(check())


def test_a_connect_that_is_cancelled_leaves_nothing(run: Run, own_server: RedisServer) -> None:
    async def check() -> None:
        own_server.stop()
        broker = Broker(load(own_server.url), Heard())
        connecting = asyncio.create_task(broker.connect())
        await asyncio.sleep(0.2)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert len(asyncio.all_tasks()) == 1
        own_server.resume()

    run(check())
