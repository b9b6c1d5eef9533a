"""
Killed connections, dying and full servers: nothing is lost silently.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import swergio
from swergio.testing import Inbox, choose_seed, eventually
from tests.redis.swarm import Swarm
from tests.servers import RedisSentinel, RedisServer

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("KILLS", "1000"))
MESSAGES = 24 * KILLS
MEMBERS = 8


@pytest.mark.timeout(300)
def test_a_thousand_connection_kills_lose_nothing(own_server: RedisServer) -> None:
    """
    24,000 messages to 8 reliable members while the server kills 1,000 connections: all arrive, once, in one order.
    """
    with Swarm(own_server.url, MEMBERS, 2) as swarm, killing(own_server, swarm.history.seed, KILLS) as killer:
        pace = Pace()
        for number in range(MESSAGES):
            swarm.send()
            if number % 24 == 0:
                pace.wait()  # spreads the messages over the kills
        killer.join()
        swarm.finish()
        assert swarm.reconnects > KILLS / 4
    swarm.check()


class Pace:
    """
    Something every 11 ms; what was held up is made up for.
    """

    def __init__(self) -> None:
        self._due = time.monotonic()

    def wait(self) -> None:
        self._due += 0.011
        time.sleep(max(0.0, self._due - time.monotonic()))


@contextlib.contextmanager
def killing(server: RedisServer, seed: int | None, kills: int) -> Iterator[threading.Thread]:
    """
    Kill connections, chosen at random, until so many are dead.
    """
    chance = random.Random(seed)
    ended = threading.Event()

    def kill() -> None:
        killed, pace = 0, Pace()
        with server.client() as client:
            own = client.client_id()
            while killed < kills and not ended.is_set():
                victims = [entry["id"] for entry in client.client_list() if int(entry["id"]) != own]
                if victims:
                    killed += client.client_kill_filter(_id=chance.choice(victims))
                pace.wait()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield thread
    finally:
        ended.set()
        thread.join()


def test_without_recovery_the_holes_that_members_report_are_those_that_there_are(own_server: RedisServer) -> None:
    with (
        Swarm(f"{own_server.url}?recovery=off", MEMBERS, 2) as swarm,
        killing(own_server, swarm.history.seed, KILLS // 5) as killer,
    ):
        send(swarm, 24 * (KILLS // 5))
        killer.join()
        swarm.finish()
        assert sum(member.stats.lost for member in swarm.members) > 0
    swarm.check_reports()


def test_without_recovery_a_lost_last_message_is_reported(own_server: RedisServer) -> None:
    with Swarm(f"{own_server.url}?recovery=off", 3, 1) as swarm, own_server.client() as client:
        swarm.send()
        swarm.senders[0].flush(30)
        eventually(lambda: all(member.stats.handled for member in swarm.members), "the first message came")
        client.client_kill_filter(_type="pubsub")
        swarm.send()
        eventually(
            lambda: all(member.stats.handled + member.stats.lost == 2 for member in swarm.members), "it is known"
        )
    swarm.check_reports()


def test_a_server_that_restarts_with_its_files_loses_nothing() -> None:
    # fsync at each write: what was acknowledged is in the file.
    with RedisServer(appendonly="yes", appendfsync="always") as server, Swarm(server.url, 3, 2) as swarm:
        for _ in range(5):
            send(swarm, 400)
            server.restart()
        send(swarm, 400)
        swarm.finish()
    swarm.check()


def test_a_server_that_restarts_empty_costs_what_members_report() -> None:
    with RedisServer() as server, Swarm(server.url, 3, 2) as swarm:
        for _ in range(5):
            send(swarm, 400)
            server.restart()
        send(swarm, 400)
        swarm.finish()
    # A loss that was reported with the right count is none that the check finds.
    swarm.check_reports()


@pytest.mark.parametrize("hung", [False, True], ids=["killed", "hung"])
def test_members_and_senders_follow_a_failover_of_sentinels(hung: bool) -> None:
    with RedisSentinel() as group, Swarm(group.url, 3, 2) as swarm:
        send(swarm, 400)
        for sender in swarm.senders:
            sender.flush(30)
        (group.servers[0].stop if hung else group.servers[0].kill)()
        send(swarm, 400)
        group.wait_for_failover()
        send(swarm, 400)
        swarm.finish()
        if hung:
            group.servers[0].resume()
    swarm.check_reports()


def test_a_server_that_is_full_slows_senders_and_loses_nothing(own_server: RedisServer) -> None:
    with (
        Swarm(own_server.url, 3, 2, outbox_limit="256 KiB", send_timeout=60) as swarm,
        own_server.client() as client,
    ):
        swarm.send()
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 500_000)  # history is more
        sending = threading.Thread(target=send, args=(swarm, 400, bytes(20_000)))
        sending.start()
        eventually(lambda: refusals(own_server), "the server refuses what does not fit", 30)
        client.config_set("maxmemory", 0)
        sending.join(60)
        assert not sending.is_alive()
        swarm.finish()
    swarm.check()


def test_a_server_that_is_full_of_what_members_have_not_handled_empties_when_they_do() -> None:
    # Nothing else makes room: what members say that they have handled must be taken by a full server, too.
    with RedisServer() as server, Swarm(server.url, 3, 2, outbox_limit="256 KiB", send_timeout=60) as swarm:
        go_on = threading.Event()
        swarm.members[0].on("pause")(lambda message: go_on.wait(60))
        swarm.senders[0].send("pause", None)
        with server.client() as client:
            client.config_set("maxmemory", client.info("memory")["used_memory"] + 5_000_000)
        sending = threading.Thread(target=send, args=(swarm, 800, bytes(20_000)))
        sending.start()
        eventually(lambda: refusals(server), "the server refuses what does not fit", 30)
        with server.client() as client:  # a large message would take it as far above
            client.config_set("maxmemory", client.info("memory")["used_memory"] - 1_000_000)
        go_on.set()
        sending.join(90)
        assert not sending.is_alive()
        swarm.finish()
        assert swarm.reconnects == 0
    swarm.check()


def test_a_server_that_is_full_lets_components_come_in(own_server: RedisServer) -> None:
    with own_server.client() as client, Swarm(own_server.url, 1, 1) as swarm:
        client.config_set("maxmemory", 1_000_000)  # less than an empty server uses
        late = swergio.Component("late", own_server.url)
        inbox = Inbox()
        late.on("room")(lambda message: inbox.put(message.data["key"]))
        late.will("room", "gone")
        with late:
            client.config_set("maxmemory", 0)
            swarm.send()
            assert len(inbox.wait(1)) == 1
        swarm.finish()
    swarm.check()


def refusals(server: RedisServer) -> int:
    with server.client() as client:
        return int(client.info("errorstats").get("errorstat_OOM", {}).get("count", 0))


@pytest.mark.parametrize("recovery", ["on", "off"])
def test_large_arrays_pass_a_server_with_its_default_limits(own_server: RedisServer, recovery: str) -> None:
    array = np.random.default_rng(choose_seed()).random((256, 1024), dtype="float32")  # 1 MiB
    with Swarm(f"{own_server.url}?recovery={recovery}", 2, 1) as swarm:
        for _ in range(100):
            swarm.send(array)
        swarm.finish()
        with own_server.client() as client:
            assert client.info("stats").get("client_output_buffer_limit_disconnections", 0) == 0
    swarm.check()


def send(swarm: Swarm, count: int, body: Any = None) -> None:
    for number in range(count):
        swarm.send(body)
        if number % 20 == 0:
            time.sleep(0.005)


def test_large_payloads_survive_killed_connections_and_leave_nothing_behind(own_server: RedisServer) -> None:
    array = np.random.default_rng(choose_seed()).random((256, 256), dtype="float32")  # 256 KiB
    with Swarm(own_server.url, 3, 2) as swarm, killing(own_server, swarm.history.seed, 60) as killer:
        for _ in range(120):
            swarm.send(array)
            time.sleep(0.005)
        killer.join()
        swarm.finish()
        with own_server.client() as client:

            def tracked() -> set[bytes]:
                return {key for log in client.keys("*bodies") for key in client.zrange(log, 0, -1)}

            def trimmed() -> bool:
                swarm.send()  # what is consumed goes with what comes next
                return len(tracked()) * array.nbytes < 4_000_000

            eventually(trimmed, "what nobody needs goes from the server", 60)
            kept = tracked()
            strays = set(client.keys("*bodies:*")) - kept
            assert all(client.ttl(key) <= 60 for key in strays)  # those of a call that never came
        swarm.finish()
    swarm.check()
