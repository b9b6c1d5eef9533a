"""
Large arrays through shared memory: whoever is killed while they fly, nothing is torn, lost or left behind.
"""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swergio
from swergio.hub import HubThread, arena
from swergio.hub.lending import Lender
from swergio.hub.regions import KEPT
from swergio.settings import load
from swergio.testing import Inbox, eventually
from tests.live.test_faults import killable_hub
from tests.live.wires import WIRES, address

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not arena.AVAILABLE, reason="only Linux has memory without a name"),
    pytest.mark.parametrize("wire", WIRES),
]

KIB, MIB = 2**10, 2**20
SIZE = 256 * KIB
LIMITS: dict[str, Any] = {"max_message": "80 MiB", "outbox_limit": "80 MiB"}

FLOOD = """
import sys, numpy, swergio
with swergio.Component("sender", sys.argv[1]) as sender:
    for number in range(10**9):
        sender.send("room", numpy.full(65536, number, numpy.float32))
"""

PACKED = """
import os, signal, sys, numpy, swergio
with swergio.Component("sender", sys.argv[1]) as sender:
    array = numpy.zeros(2**18, numpy.float32)
    while True:
        sender.send("room", array)
        packed = [sender._core.prepare("room", array) for _ in range(5)]
        if all(type(segments[0]) is memoryview for _, segments in packed):
            os.kill(os.getpid(), signal.SIGKILL)
"""

SINK = """
import sys, time, swergio
member = swergio.Component("victim", sys.argv[1])
member.on("room")(lambda message: time.sleep(0.01))  # a slow handler, so that it holds much
with member:
    print("in", flush=True)
    time.sleep(1000)  # until it is killed
"""


class Numbers(Inbox):
    """
    Takes arrays, each of which must hold one number, above the one before.
    """

    def take_array(self, message: swergio.Message) -> None:
        """
        Look at every element.
        """
        array = message.data
        assert array.min() == array.max(), "torn"
        assert not self.items or array[0] > self.items[-1], "out of order"
        self.put(int(array[0]))


@contextmanager
def hub_on(wire: str, folder: Path, **settings: Any) -> Iterator[tuple[str, Lender]]:
    """
    A hub that forgets soon who is gone; yields its URL, and what it shares.
    """
    limits = {"session_grace": 0.5, **settings}
    with HubThread([address(wire, folder)], load("memory://", hub=limits, **LIMITS)) as hub:
        yield hub.urls[0], hub._hub.router.lender


def lent(lender: Lender) -> int:
    return sum(len(shared._lent) for shared in list(lender._arenas.values()))


def program(text: str, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", text, url], stdout=subprocess.PIPE, text=True)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def test_arrays_of_all_sizes_for_those_who_share_and_those_who_do_not(wire: str, tmp_path: Path) -> None:
    with hub_on(wire, tmp_path) as (url, lender):
        inboxes = [Inbox(), Inbox()]
        members = [swergio.Component(f"member{number}", url, shared_memory=not number, **LIMITS) for number in range(2)]
        for member, inbox in zip(members, inboxes, strict=True):
            member.on("room")(lambda message, inbox=inbox: inbox.put((message.data.nbytes, message.data.mean())))
        with members[0], members[1], swergio.Component("sender", url, **LIMITS) as sender:
            sizes = [MIB, 64 * KIB, 64 * KIB - 4, MIB, 16 * MIB, 400, MIB]
            for number, size in enumerate(sizes):
                sender.send("room", np.full(size // 4, number, np.float32))
                if not number:
                    eventually(lambda: lender._arenas, "the sender has an arena")
            for inbox in inboxes:
                assert inbox.wait(len(sizes), 60) == [(size, number) for number, size in enumerate(sizes)]
            eventually(lambda: not lent(lender), "the hub needs nothing of it any more")
            eventually(lambda: sender_arena(sender)._top <= KEPT, "the system has back what is rarely needed")
        eventually(lambda: not lender._arenas, "all memory is given back")


def sender_arena(sender: swergio.Component) -> Any:
    transport: Any = sender._core.transport
    return transport._client._borrower._own


def test_a_sender_that_is_killed_leaves_nothing_and_tears_nothing(wire: str, tmp_path: Path) -> None:
    with hub_on(wire, tmp_path) as (url, lender):
        came = Numbers()
        member = swergio.Component("member", url)
        member.on("room")(came.take_array)
        with member:
            before = descriptors()
            for kills in range(1, 3):
                came.items.clear()
                sender = program(FLOOD, url)
                came.wait(50, 60)
                assert lender._arenas
                kill(sender)
                eventually(lambda: not lender._arenas, f"the arena of sender {kills} is gone", 20)
            eventually(lambda: descriptors() <= before + 1, "no descriptor is left")
            assert member.stats.failed == member.stats.lost == 0


def test_a_sender_that_is_killed_before_it_sends_what_it_packed_leaves_nothing(wire: str, tmp_path: Path) -> None:
    with hub_on(wire, tmp_path) as (url, lender):
        sender = program(PACKED, url)
        sender.communicate(timeout=60)
        assert sender.returncode == -signal.SIGKILL
        eventually(lambda: not lender._arenas, "its arena is gone", 20)


def test_a_sender_that_closes_with_what_it_never_sent_leaves_nothing(wire: str, tmp_path: Path) -> None:
    gone = threading.Event()
    limits: dict[str, Any] = {"close_timeout": 0.2, "send_timeout": 0.2, "outbox_limit": "2 MiB"}
    with hub_on(wire, tmp_path, room_limit="2 MiB") as (url, lender):
        member = swergio.Component("member", url)
        member.on("room")(lambda message: gone.wait(60))
        with member, swergio.Component("sender", url, **limits) as sender:
            sender.will("room", "gone")
            with pytest.raises(swergio.Backlog):
                list(map(sender.send, ["room"] * 100, [np.zeros(SIZE, np.float32)] * 100))
            assert sender_arena(sender)._regions
            with pytest.raises(swergio.UnsupportedBody):
                sender.send("room", [np.zeros(SIZE, np.float32), object()])
            assert sender.close() > 0
            del sender
            gone.set()
        eventually(lambda: not lender._arenas, "its arena is gone", 20)
        eventually(lambda: not mapped(), "nobody has it mapped", 20)


def mapped() -> bool:
    gc.collect()
    return "memfd:swergio" in Path("/proc/self/maps").read_text("utf-8")


def test_a_member_that_is_killed_holds_nothing_for_long(wire: str, tmp_path: Path) -> None:
    with hub_on(wire, tmp_path) as (url, lender):
        came = Numbers()
        member = swergio.Component("member", url)
        member.on("room")(came.take_array)
        victim = program(SINK, url)
        assert victim.stdout is not None
        assert victim.stdout.readline() == "in\n"
        with member, swergio.Component("sender", url) as sender:
            for number in range(200):
                sender.send("room", np.full(SIZE // 4, number, np.float32))
                if number == 100:
                    kill(victim)
            assert came.wait(200, 60) == list(range(200))
            eventually(lambda: not lent(lender), "nothing is lent any more", 20)
            assert member.stats.failed == 0


def test_a_hub_that_is_killed_takes_nothing_along_that_is_not_reported(wire: str, tmp_path: Path) -> None:
    came = Numbers()
    with killable_hub(address(wire, tmp_path)) as (url, restart):
        member = swergio.Component("member", url)
        member.on("room")(came.take_array)
        with member, swergio.Component("sender", url) as sender:
            sent = 0
            for kills in range(1, 3):
                for _ in range(120):
                    sender.send("room", np.full(SIZE // 4, sent, np.float32))
                    sent += 1
                assert sender_arena(sender) is not None or kills > 1
                restart()
                back = lambda kills=kills: min(member.stats.reconnects, sender.stats.reconnects) >= kills  # noqa: E731
                eventually(back, "both are back")
            sender.flush(30)
            eventually(lambda: member.stats.received + member.stats.lost >= sent, "all came or is known to be lost")
            eventually(lambda: member.stats.handled == member.stats.received, "all is handled")
            assert len(came.items) + member.stats.lost == sent
            assert member.stats.failed == 0
            before = descriptors()
            restart()
            eventually(lambda: min(member.stats.reconnects, sender.stats.reconnects) >= 3, "back once more")
            eventually(lambda: descriptors() <= before, "no descriptor is left of the hubs before")


def test_a_hub_that_shares_nothing_serves_the_same(wire: str, tmp_path: Path) -> None:
    with hub_on(wire, tmp_path, shared_memory=0) as (url, lender):
        came = Numbers()
        member = swergio.Component("member", url)
        member.on("room")(came.take_array)
        with member, swergio.Component("sender", url) as sender:
            for number in range(10):
                sender.send("room", np.full(SIZE // 4, number, np.float32))
            assert came.wait(10, 20) == list(range(10))
        assert not lender._arenas
