"""
A cluster: each key and channel where its slot is, also when that changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from swergio.errors import IncompatiblePeer
from swergio_transports.redis.calls import Call, Command, Script
from swergio_transports.redis.limits import OLDEST_CLUSTER
from tests.servers import RedisCluster
from tests.transports.heard import connected, patiently

PUBLISH = Script("return redis.call('SPUBLISH', KEYS[1], ARGV[1])")
CHANNELS = [f"{{room-{number}}}".encode() for number in range(30)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as cluster:
        yield cluster


def test_rooms_of_all_nodes(cluster: RedisCluster) -> None:
    async def check() -> None:
        async with connected(cluster.url) as (broker, heard):
            await broker.subscribe(*CHANNELS)
            replies = await broker.run_all([Call(PUBLISH, [channel], [n]) for n in range(3) for channel in CHANNELS])
            assert replies == [1] * len(replies)
            await heard.until(lambda: len(heard.of("came")) == len(replies))
            for channel in CHANNELS:
                assert [data for at, data in heard.of("came") if at == channel] == [b"0", b"1", b"2"]
            await broker.unsubscribe(CHANNELS[0])
            assert await broker.run(PUBLISH, [CHANNELS[0]], [b"x"]) == 0

    asyncio.run(check())


def test_one_node_is_enough_to_find_the_others(cluster: RedisCluster) -> None:
    async def check() -> None:
        url = f"redis+cluster://127.0.0.1:1,127.0.0.1:{cluster.servers[2].port}"
        async with connected(url) as (broker, _):
            calls = [Command(channel, ("SET", channel, n)) for n, channel in enumerate(CHANNELS)]
            assert set(await broker.run_all(calls)) == {b"OK"}

    asyncio.run(check())


def test_a_subscriber_that_one_node_cuts_off_has_a_hole_there_only(cluster: RedisCluster) -> None:
    async def check() -> None:
        async with connected(cluster.url) as (broker, heard):
            await broker.subscribe(*CHANNELS)
            with cluster.servers[1].client() as client:
                client.client_kill_filter(_type="pubsub")
            await heard.until(lambda: len(heard.of("back")) > 1)

            ((channels, _),) = heard.of("hole")
            assert channels == sorted(c for c in CHANNELS if key_slot(c) in cluster.slots_of(1))

    asyncio.run(check())


def test_a_slot_that_moves_takes_its_commands_and_channels_along(cluster: RedisCluster) -> None:
    channel = next(c for c in CHANNELS if key_slot(c) in cluster.slots_of(0))

    async def check() -> None:
        async with connected(cluster.url) as (broker, heard):
            await broker.subscribe(*CHANNELS)
            await broker.ask(channel, "SET", channel + b"key", "value")
            for source, target in ((0, 1), (1, 2), (2, 0)):
                holes = len(heard.of("hole"))
                await asyncio.to_thread(cluster.move, key_slot(channel), source, target)
                assert await broker.ask(channel, "GET", channel + b"key") == b"value"
                await heard.more("hole", holes)
                assert await patiently(lambda: broker.run(PUBLISH, [channel], [b"moved"])) == 1
            assert {tuple(channels) for channels, _ in heard.of("hole")} == {(channel,)}
            await heard.until(lambda: heard.of("came") == [(channel, b"moved")] * 3)

    asyncio.run(check())


def test_a_key_that_is_on_its_way_is_asked_for_where_it_is(cluster: RedisCluster) -> None:
    channel = next(c for c in CHANNELS if key_slot(c) in cluster.slots_of(1))
    slot = key_slot(channel)

    async def check() -> None:
        async with connected(cluster.url) as (broker, _):
            names = [cluster.ask(server, "CLUSTER", "MYID") for server in cluster.servers]
            cluster.ask(cluster.servers[2], "CLUSTER", "SETSLOT", slot, "IMPORTING", names[1])
            cluster.ask(cluster.servers[1], "CLUSTER", "SETSLOT", slot, "MIGRATING", names[2])
            key = channel + b"new"
            words = [Command(channel, ("SET", key, "x")), Command(channel, ("INCRBY", channel + b"n", 4))]
            assert await broker.run_all(words) == [b"OK", 4]
            assert await broker.ask(channel, "GET", key) == b"x"
            for at in (2, 1):
                cluster.ask(cluster.servers[at], "CLUSTER", "SETSLOT", slot, "NODE", names[2])
            assert await broker.ask(channel, "GET", key) == b"x"

    asyncio.run(check())


def test_a_replica_takes_over_from_a_master_that_hangs() -> None:
    async def check(cluster: RedisCluster) -> None:
        async with connected(cluster.url, heartbeat=0.3, dead_after=1.5) as (broker, heard):
            await broker.subscribe(*CHANNELS)
            cluster.servers[0].stop()
            await heard.until(lambda: len(heard.of("back")) > 1)
            affected = sorted(c for c in CHANNELS if key_slot(c) in cluster.slots_of(0))
            await heard.until(lambda: sorted({c for channels, _ in heard.of("hole") for c in channels}) == affected)
            for channel in CHANNELS:
                assert await patiently(lambda at=channel: broker.run(PUBLISH, [at], [b"here"])) == 1  # type: ignore[misc]
            await heard.until(lambda: len({at for at, _ in heard.of("came")}) == len(CHANNELS))
            cluster.servers[0].resume()

    with RedisCluster(replicas=True) as cluster:
        asyncio.run(check(cluster))


def test_a_cluster_without_sharded_channels_is_too_old(cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swergio_transports.redis.limits.OLDEST_CLUSTER", (99, *OLDEST_CLUSTER[1:]))

    async def check() -> None:
        with pytest.raises(IncompatiblePeer, match=r"99\.0 or newer"):
            async with connected(cluster.url):
                pass

    asyncio.run(check())
