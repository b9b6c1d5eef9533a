"""A thousand broken connections, killed hubs, and handlers that compute for long: nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import swergio
from swergio.hub import HubThread
from swergio.settings import load
from swergio.testing import FaultProxy, History, Inbox, choose_seed, eventually
from tests.live.wires import WIRES, address

pytestmark = pytest.mark.long

KILLS = 1000
MESSAGES = 24_000
MEMBERS = 8
BUSY_SECONDS = float(os.environ.get("BUSY_SECONDS", "4"))


@pytest.mark.parametrize(
    ("wire", "libraries"),
    [
        pytest.param("ws", {"loop": "asyncio", "websocket": "websockets"}, id="ws, base"),
        pytest.param("ws", {"loop": "uvloop", "websocket": "picows"}, id="ws, speed"),
        pytest.param("zmq+tcp", {}, id="zmq+tcp"),
    ],
)
def test_a_thousand_connection_kills_lose_nothing(wire: str, libraries: dict[str, Any]) -> None:
    """
    24,000 messages to 8 reliable members while 1,000 connections are reset: all arrive, once, in one order.
    """
    history = History(seed=choose_seed())
    done = [Inbox() for _ in range(MEMBERS)]
    with (
        HubThread([f"{wire}://127.0.0.1:0"], load("memory://", **libraries)) as hub,
        FaultProxy("127.0.0.1", port_of(hub), seed=history.seed) as proxy,
    ):
        url = proxy.url(wire)
        members = [swergio.Component(f"member{number}", url, **libraries) for number in range(MEMBERS)]
        senders = [swergio.Component(f"sender{number}", url, **libraries) for number in range(2)]
        for member, inbox in zip(members, done, strict=True):
            history.watch(member, "room")
            member.on("done")(inbox.take_data)
        everyone = [component.start() for component in (*members, *senders)]
        try:
            killer = threading.Thread(target=kill, args=(proxy, pace := threading.Event()))
            killer.start()
            for number in range(MESSAGES):
                sender = senders[number % 2]
                sender.send("room", history.sent(sender.name, "room"))
                if number % 24 == 0:
                    pace.wait(0.011)  # spreads the messages over the kills
            killer.join()
            for sender in senders:
                sender.flush(30)
            for number in range(2):
                senders[number].send("done", number)
            for inbox in done:
                inbox.wait(2, 30)
            eventually(
                lambda: all(member.stats.handled >= MESSAGES + 2 for member in members), "everything is handled", 30
            )
            assert sum(component.stats.reconnects for component in everyone) > KILLS / 4
        finally:
            for component in everyone:
                component.close()
    history.check({"room": [member.name for member in members]}).raise_if_bad()


def kill(proxy: FaultProxy, pace: threading.Event) -> None:
    killed = 0
    while killed < KILLS:
        killed += proxy.abort_one()
        pace.wait(0.011)  # a component is killed 9 times a second, and back in 50 ms


def test_a_busy_handler_is_not_taken_for_dead_and_slows_its_senders() -> None:
    """
    A handler computes, in pure Python, for longer than the dead-peer time, while more comes than the log can hold.
    """
    settings: dict[str, Any] = {"heartbeat": 0.2, "dead_after": 1.0, "window": "64 KiB", "outbox_limit": "64 KiB"}
    inbox = Inbox()
    count = 20_000
    with HubThread(["ws://127.0.0.1:0"], load("memory://", hub={"room_limit": "256 KiB"}, **settings)) as hub:
        busy = swergio.Component("busy", hub.urls[0], **settings)

        @busy.on("room")
        def compute(message: swergio.Message) -> None:
            if not inbox.items:
                until = time.perf_counter() + BUSY_SECONDS
                while time.perf_counter() < until:
                    sum(range(1000))
            inbox.take_data(message)

        with busy, swergio.Component("sender", hub.urls[0], send_timeout=BUSY_SECONDS + 30, **settings) as sender:
            began = time.perf_counter()
            for number in range(count):
                sender.send("room", number)
            slowed = time.perf_counter() - began
            assert inbox.wait(count, BUSY_SECONDS + 60) == list(range(count))
            assert busy.stats.reconnects == sender.stats.reconnects == 0
            assert busy.stats.lost == 0
    assert slowed > BUSY_SECONDS / 2, "the sender was not slowed down"


@pytest.mark.parametrize("wire", WIRES)
def test_what_a_killed_hub_took_along_is_reported_exactly(wire: str, tmp_path: Path) -> None:
    """
    A hub is killed five times and started again; what each member lacks is what it reports.
    """
    history = History(seed=choose_seed())
    chance = random.Random(history.seed)
    done = Inbox()
    with killable_hub(address(wire, tmp_path)) as (url, restart):
        members = [swergio.Component(f"member{number}", url) for number in range(3)]
        for member in members:
            history.watch(member, "room")
            member.on("done")(done.take_data)
        sender = swergio.Component("sender", url)
        everyone = [component.start() for component in (*members, sender)]
        for kills in range(1, 6):
            for _ in range(chance.randrange(200, 600)):
                sender.send("room", history.sent("sender", "room"))
            restart()
            back = lambda kills=kills: min(component.stats.reconnects for component in everyone) >= kills  # noqa: E731
            eventually(back, "everyone is back")
        sender.send("done", "done")  # to one sender's channels, so after everything in the room
        done.wait(len(members), 30)
        handled = [member.stats for member in members]
        eventually(lambda: all(m.stats.received == m.stats.handled for m in members), f"all is handled: {handled}")
        for component in everyone:
            component.close()
    report = history.check({"room": [member.name for member in members]}, lossy=[member.name for member in members])
    report.raise_if_bad()


def port_of(hub: HubThread) -> int:
    return int(hub.urls[0].rpartition(":")[2])


HUB = """
import asyncio, sys
from swergio.hub import Hub
from swergio.settings import load
async def main():
    hub = Hub(load("memory://"))
    print(*(await hub.start([sys.argv[1]])), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@contextmanager
def killable_hub(listen: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """
    A hub in a process of its own, and a function that kills it with SIGKILL and starts it again where it was.
    """

    def start(url: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen([sys.executable, "-c", HUB, url], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    def end() -> None:
        running[0].send_signal(signal.SIGKILL)
        running[0].communicate()

    def restart() -> None:
        end()
        running[0], again = start(url)
        assert again == url, json.dumps([again, url])

    first, url = start(listen)
    running = [first]
    try:
        yield url, restart
    finally:
        end()
