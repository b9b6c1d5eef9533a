"""
Who is there, and what becomes of those who are not any more.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import swergio
from swergio.testing import Inbox, eventually
from tests.servers import RedisServer

SETTINGS: dict[str, Any] = {"heartbeat": 0.2, "dead_after": 5.0, "hub": {"session_grace": 0.6}}

Make = Callable[..., swergio.Component]


@pytest.fixture
def make(deployment: str) -> Iterator[Make]:
    made: list[swergio.Component] = []

    def component(name: str, **how: Any) -> swergio.Component:
        made.append(swergio.Component(name, deployment, **SETTINGS, **how))
        return made[-1]

    yield component
    for one in reversed(made):
        one.close()


def live(url: str, name: str, unique: bool) -> None:
    """
    Be there until killed; runs in a process of its own.
    """
    component = swergio.Component(name, url, unique=unique, **SETTINGS)
    component.on("room")(lambda message: None)
    component.will("wills", f"{name} is gone")
    component.will("wills", f"{name} is gone for good")
    component.run()


@pytest.fixture
def start(deployment: str) -> Iterator[Callable[..., Any]]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["swergio.settings", "swergio_transports.redis", __name__])
    programs: list[Any] = []

    def begin(name: str, *, unique: bool = False) -> Any:
        programs.append(context.Process(target=live, args=(deployment, name, unique), daemon=True))
        programs[-1].start()
        return programs[-1]

    yield begin
    for program in programs:
        program.kill()
        program.join()


def test_a_killed_component_disappears_is_watched_and_leaves_its_will(make: Make, start: Callable[..., Any]) -> None:
    seen, wills = Inbox(), Inbox()
    watcher = make("watcher")
    watcher.on("wills")(lambda message: wills.put((message.data, message.sender.name)))
    watcher.on_presence("room")(lambda presence: seen.put((presence.instance.name, presence.joined)))
    watcher.start()
    program = start("victim")
    assert seen.wait(1) == [("victim", True)]
    assert [member.instance.name for member in watcher.members("room")] == ["victim"]
    program.kill()
    assert seen.wait(2)[1] == ("victim", False)
    assert wills.wait(1) == [("victim is gone for good", "victim")]
    assert watcher.members("room") == []


def test_who_closes_leaves_no_will(make: Make) -> None:
    wills = Inbox()
    heir = make("heir")
    heir.on("wills")(wills.take_data)
    heir.start()
    good = make("good").start()
    good.will("wills", "never")
    good.join("room")
    good.close()
    assert heir.members("room") == []
    other = make("other").start()
    other.will("wills", "never")
    other.send("wills", "last")
    assert wills.wait(1) == ["last"]


def test_a_unique_name_is_taken_over_from_one_that_was_killed(make: Make, start: Callable[..., Any]) -> None:
    watcher = make("watcher").start()
    program = start("only", unique=True)
    eventually(lambda: watcher.members("room"), "it is there")
    with pytest.raises(swergio.NameTaken):
        make("only", unique=True).start()
    program.kill()
    program.join()
    make("only", unique=True).start()


def test_one_that_was_away_for_too_long_comes_back(own_server: RedisServer) -> None:
    """
    The whole server hangs for longer than the grace: everybody is there again, and works.
    """
    inbox = Inbox()
    with (
        swergio.Component("member", own_server.url, **SETTINGS) as member,
        swergio.Component("sender", own_server.url, **SETTINGS) as sender,
    ):
        member.on("room")(inbox.take_data)
        sender.send("room", 1)
        inbox.wait(1)
        own_server.stop()
        sender.send("room", 2)
        threading.Event().wait(1.5)
        own_server.resume()
        sender.send("room", 3)
        assert inbox.wait(3) == [1, 2, 3]
        eventually(lambda: [one.instance for one in sender.members("room")] == [member.instance], "it is a member")
        assert member.stats.lost == 0


def test_an_emptied_server_is_filled_again(own_server: RedisServer) -> None:
    inbox = Inbox()
    with (
        swergio.Component("member", own_server.url, **SETTINGS) as member,
        swergio.Component("sender", own_server.url, **SETTINGS) as sender,
    ):
        member.on("room")(inbox.take_data)
        member.on("jobs", group="workers")(inbox.take_data)
        sender.send("room", 0)
        inbox.wait(1)
        for number in range(1, 4):
            with own_server.client() as client:
                client.flushall()
            eventually(lambda: member.instance in {one.instance for one in sender.members("room")}, "it is back")
            eventually(lambda: member.instance in {one.instance for one in sender.members("jobs")}, "it is back")
            sender.send("room", number)
            sender.send("jobs", -number)
            sender.send("room", f"direct {number}", to="member")
            items = inbox.wait(1 + 3 * number)
            assert {number, -number, f"direct {number}"} <= set(items)
