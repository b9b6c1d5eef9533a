"""
Commands and subscriptions of one server, and what becomes of them when connections break.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from swergio.testing import FaultProxy
from swergio_transports.redis.calls import Buffer, Call, Command, Script
from swergio_transports.redis.errors import BrokerLost, BrokerRefused
from tests.servers import RedisServer
from tests.transports.conftest import Run
from tests.transports.heard import connected, patiently

ECHO = Script("return {KEYS[1], ARGV[1]}")
PUBLISH = Script("return redis.call('PUBLISH', KEYS[1], ARGV[1])")


def test_runs_scripts_that_the_server_does_not_know_yet(run: Run, own_server: RedisServer) -> None:
    async def check() -> None:
        async with connected(own_server.url) as (broker, _):
            assert await broker.run(ECHO, [b"key"], [b"value"]) == [b"key", b"value"]
            await broker.ask(b"", "SCRIPT", "FLUSH")
            assert await broker.run(ECHO, [b"key"], ["text"]) == [b"key", b"text"]

    run(check())


def test_an_argument_may_come_in_pieces(run: Run, shared_server: RedisServer) -> None:
    large = random.Random(1).randbytes(300_000)

    async def check() -> None:
        async with connected(shared_server.url) as (broker, _):
            pieces: list[Buffer] = [b"head", memoryview(large), bytearray(b"tail"), memoryview(b"abcdefgh").cast("H")]
            assert await broker.run(ECHO, [b"key"], [pieces]) == [b"key", b"head" + large + b"tailabcdefgh"]

    run(check())


def test_one_round_trip_keeps_order_and_tells_errors_one_by_one(run: Run, shared_server: RedisServer) -> None:
    async def check() -> None:
        async with connected(shared_server.url) as (broker, _):
            await broker.ask(b"order", "DEL", "order")
            calls = [Command(b"order", ("RPUSH", "order", number)) for number in range(1000)]
            wrong = Call(Script("return redis.call('INCR', KEYS[1])"), [b"order"])
            replies = await broker.run_all([*calls, wrong, Command(b"order", ("LLEN", "order"))])

            assert replies[:1000] == list(range(1, 1001))
            assert isinstance(replies[1000], BrokerRefused)
            assert replies[1000].code == "WRONGTYPE"
            assert replies[1001] == 1000
            with pytest.raises(BrokerRefused, match="WRONGTYPE"):
                await broker.ask(b"order", "GET", "order")

    run(check())


def test_a_subscription_is_confirmed_when_the_call_returns(run: Run, shared_server: RedisServer) -> None:
    async def check() -> None:
        async with connected(shared_server.url) as (broker, heard):
            channels = [f"confirmed-{number}".encode() for number in range(1200)]
            await asyncio.gather(*(broker.subscribe(*channels[at::7]) for at in range(7)))

            with shared_server.client() as client:
                assert {client.publish(channel, b"x") for channel in channels} == {1}
            await heard.until(lambda: len(heard.of("came")) == len(channels))
            await broker.unsubscribe(*channels[1:])
            with shared_server.client() as client:
                assert [client.publish(channel, b"y") for channel in channels[:3]] == [1, 0, 0]

    run(check())


def test_a_connection_that_was_cut_off_is_made_again_and_tells_of_the_hole(run: Run, own_server: RedisServer) -> None:
    async def check() -> None:
        async with connected(own_server.url) as (broker, heard):
            await broker.subscribe(b"room", b"left", b"other")
            await broker.unsubscribe(b"left")
            with own_server.client() as client:
                for round_ in range(1, 21):
                    client.client_kill_filter(_type="pubsub")
                    await heard.more("back", round_)
            assert {tuple(channels) for channels, _ in heard.of("hole")} == {(b"other", b"room")}
            assert len(heard.of("hole")) == 20
            assert len({identity for (identity,) in heard.of("back")}) == 1
            await broker.run(PUBLISH, [b"room"], [b"again"])
            await heard.until(lambda: (b"room", b"again") in heard.of("came"))

    run(check())


def test_a_cut_of_the_commands_alone_is_no_hole(run: Run, own_server: RedisServer) -> None:
    async def check() -> None:
        async with connected(own_server.url) as (broker, heard):
            await broker.subscribe(b"room")
            with own_server.client() as client:
                client.client_kill_filter(_type="normal", skipme=True)
            await heard.until(lambda: len(heard.of("back")) == 2)

            assert await patiently(lambda: broker.ask(b"", "PING")) == b"PONG"
            assert heard.of("hole") == []

    run(check())


def test_a_subscription_that_is_under_way_when_the_connection_breaks_is_finished(
    run: Run, own_server: RedisServer
) -> None:
    async def check() -> None:
        with FaultProxy("127.0.0.1", own_server.port) as proxy:
            async with connected(proxy.url("redis")) as (broker, heard):
                proxy.half_open("client")
                waiting = asyncio.create_task(broker.subscribe(b"room"))
                await asyncio.sleep(0)
                proxy.abort()
                proxy.heal()
                await waiting
                await patiently(lambda: broker.run(PUBLISH, [b"room"], [b"here"]))
                await heard.until(lambda: heard.of("came") == [(b"room", b"here")])

    run(check())


def test_a_reply_that_is_lost_ends_the_call_and_runs_nothing_twice(run: Run, own_server: RedisServer) -> None:
    async def check() -> None:
        with FaultProxy("127.0.0.1", own_server.port) as proxy:
            async with connected(proxy.url("redis")) as (broker, heard):
                for number in range(1, 31):
                    backs = len(heard.of("back"))
                    proxy.cut("client", before=1, of="live")
                    with pytest.raises(BrokerLost):
                        await broker.ask(b"counter", "INCR", "counter")
                    await heard.more("back", backs)
                    with own_server.client() as client:
                        assert int(client.get("counter")) == number

    run(check())


def test_calls_that_are_cancelled_mix_up_no_replies(run: Run, shared_server: RedisServer) -> None:
    async def check() -> None:
        async with connected(shared_server.url) as (broker, _):
            chance = random.Random(3)
            tasks = [asyncio.create_task(broker.run(ECHO, [b"key"], [number])) for number in range(3000)]
            for task in tasks:
                if chance.random() < 0.5:
                    task.cancel()
                if chance.random() < 0.02:
                    await asyncio.sleep(0)
            replies = await asyncio.gather(*tasks, return_exceptions=True)
            answered = [(number, reply) for number, reply in enumerate(replies) if isinstance(reply, list)]

            assert len(answered) > 1000
            assert all(reply == [b"key", str(number).encode()] for number, reply in answered)

    run(check())


def test_another_run_of_the_server_has_another_identity(run: Run, own_server: RedisServer) -> None:
    async def check() -> None:
        async with connected(own_server.url) as (broker, heard):
            await broker.subscribe(b"room")
            before = broker.identity
            await asyncio.to_thread(own_server.restart)
            await heard.until(lambda: len(heard.of("back")) > 1 and broker.identity != before)

            assert heard.of("hole")[0][0] == [b"room"]
            assert heard.of("back")[-1] == (broker.identity,)

    run(check())


def test_a_unix_socket_is_an_address(run: Run, own_server: RedisServer) -> None:
    async def check() -> None:
        async with connected(f"unix://{own_server.socket}") as (broker, _):
            assert await broker.run(ECHO, [b"key"], [1]) == [b"key", b"1"]

    run(check())


def test_a_database_is_selected_on_each_connection(run: Run, own_server: RedisServer) -> None:
    async def check() -> None:
        async with connected(f"{own_server.url}/3") as (broker, heard):
            await broker.ask(b"key", "SET", "key", "three")
            with own_server.client(db=3) as client:
                assert client.get("key") == b"three"
                client.client_kill_filter(skipme=True)
            await heard.until(lambda: len(heard.of("back")) > 1)
            assert await patiently(lambda: broker.ask(b"key", "GET", "key")) == b"three"

    run(check())
