"""
Following a master from one server to another.
"""

from __future__ import annotations

import asyncio

import pytest

from swergio.errors import ConnectFailed
from tests.servers import RedisSentinel, RedisServer
from tests.transports.heard import connected, patiently


@pytest.mark.parametrize("hung", [False, True], ids=["killed", "hung"])
def test_both_connections_follow_the_master(hung: bool) -> None:
    async def check(group: RedisSentinel) -> None:
        # Not declared dead by us before the sentinels act: only their word moves the connections of a hung master.
        async with connected(group.url, heartbeat=2, dead_after=60) as (broker, heard):
            await broker.subscribe(b"room")
            before = broker.identity
            (group.servers[0].stop if hung else group.servers[0].kill)()
            await heard.until(lambda: len(heard.of("back")) > 1)

            assert broker.identity != before
            assert [channels for channels, _ in heard.of("hole")] == [[b"room"]]
            await patiently(lambda: broker.ask(b"", "PUBLISH", b"room", b"moved"))
            await heard.until(lambda: (b"room", b"moved") in heard.of("came"))
            if hung:
                group.servers[0].resume()
                await asyncio.sleep(2.5)  # it still takes itself for the master
                await patiently(lambda: broker.ask(b"", "PUBLISH", b"room", b"still"))
                await heard.until(lambda: (b"room", b"still") in heard.of("came"))
                assert len(heard.of("back")) == 2

    with RedisSentinel() as group:
        asyncio.run(check(group))


def test_an_unknown_service_and_dead_sentinels_are_named() -> None:
    async def check(url: str, expected: str) -> None:
        with pytest.raises(ConnectFailed, match=expected):
            async with connected(url, connect_timeout=1):
                pass

    monitor = ["monitor rooms 127.0.0.1 1 1"]
    with RedisServer(watches=True, sentinel=monitor) as sentinel:
        asyncio.run(check(f"redis+sentinel://127.0.0.1:{sentinel.port}/other", "knows no master 'other'"))
        asyncio.run(check(f"redis+sentinel://127.0.0.1:{sentinel.port}/rooms", "refused"))
    asyncio.run(check(f"redis+sentinel://127.0.0.1:{sentinel.port}/rooms", "no sentinel knows the master.*refused"))


def test_one_sentinel_of_many_is_enough() -> None:
    async def check(url: str) -> None:
        async with connected(url) as (broker, _):
            assert await broker.ask(b"", "PING") == b"PONG"

    with RedisServer() as server, RedisServer(watches=True, sentinel=[f"monitor r 127.0.0.1 {server.port} 1"]) as one:
        asyncio.run(check(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{one.port}/r"))


def test_a_sentinel_with_a_password_gets_it() -> None:
    async def check(url: str) -> None:
        async with connected(url, token="secret") as (broker, _):
            assert await broker.ask(b"", "PING") == b"PONG"

    with RedisServer(requirepass="secret") as server:
        lines = [f"monitor r 127.0.0.1 {server.port} 1", "auth-pass r secret"]
        with RedisServer(watches=True, requirepass="secret", sentinel=lines) as sentinel:
            asyncio.run(check(f"redis+sentinel://127.0.0.1:{sentinel.port}/r"))
