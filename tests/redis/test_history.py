"""
What somebody who joins is told of the past, and what a room keeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import swergio
from swergio.testing import Inbox
from tests.servers import RedisServer

Make = Callable[..., swergio.Component]


@pytest.fixture
def make(deployment: str) -> Iterator[Make]:
    made: list[swergio.Component] = []

    def component(name: str, **settings: Any) -> swergio.Component:
        made.append(swergio.Component(name, deployment, **settings))
        return made[-1]

    yield component
    for one in reversed(made):
        one.close()


def collect(member: swergio.Component, **how: Any) -> Inbox:
    inbox = Inbox()
    member.on("room", **how)(lambda message: inbox.put((message.data, message.past)))
    member.start()
    return inbox


@pytest.mark.parametrize("last", [1, 7, 600, 5000])
def test_the_last_messages_come_first_then_what_is_new(make: Make, last: int) -> None:
    sender = make("sender").start()
    for number in range(1300):
        sender.send("room", number)
    sender.flush(20)
    inbox = collect(make("member"), last=last)
    sender.send("room", "new")
    past = list(range(1300))[-last:]
    assert inbox.wait(len(past) + 1) == [*((number, True) for number in past), ("new", False)]


def test_since_a_time(make: Make) -> None:
    sender = make("sender").start()
    sender.send("room", "old")
    sender.flush(20)
    time.sleep(0.1)
    between = time.time()
    time.sleep(0.1)
    sender.send("room", "young")
    sender.flush(20)
    member = make("member").start()
    inbox = Inbox()
    member.on("room", since=between)(lambda message: inbox.put((message.data, message.past)))
    sender.send("room", "new")
    assert inbox.wait(2) == [("young", True), ("new", False)]


def test_the_kept_value_comes_once(make: Make) -> None:
    sender = make("sender").start()
    sender.send("room", "first", keep=True)
    sender.send("room", "kept", keep=True)
    sender.send("room", "after")
    sender.flush(20)
    kept, all_of_it = collect(make("one"), kept=True), collect(make("two"), kept=True, last=3)
    sender.send("room", "new")
    assert kept.wait(2) == [("kept", True), ("new", False)]
    assert all_of_it.wait(4) == [("first", True), ("kept", True), ("after", True), ("new", False)]


def test_a_large_value_is_kept_beyond_what_the_room_holds(make: Make) -> None:
    sender = make("sender", hub={"history_limit": "64 KiB"}).start()
    array = np.arange(500_000, dtype="float32")
    sender.send("room", array, keep=True)
    for number in range(2000):
        sender.send("room", number)
    sender.flush(20)
    inbox = Inbox()
    member = make("member", hub={"history_limit": "64 KiB"})
    member.on("room", kept=True)(inbox.take_data)
    member.start()
    sender.send("room", "new")
    received, new = inbox.wait(2)
    assert np.array_equal(received, array)
    assert new == "new"


def test_the_past_is_bounded(make: Make, deployment: str, shared_server: RedisServer) -> None:
    sender = make("sender", hub={"history_limit": "100 KiB"}).start()
    body = bytes(1000)
    for _ in range(3000):
        sender.send("room", body)
    sender.flush(20)
    inbox = collect(make("member", hub={"history_limit": "100 KiB"}), last=3000)
    sender.send("room", "new")
    while inbox.wait(1)[-1] != ("new", False):
        time.sleep(0.01)
    assert 10 < len(inbox.items) < 110
    namespace = deployment.rpartition("=")[2]
    with shared_server.client() as client:
        used = sum(client.memory_usage(key) for key in client.keys(f"{namespace}*log"))
    assert used < 600_000, "what nobody needs stays on the server"
