"""A component as a program: running, stopping, failing, forking, and what both faces have in common."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import swergio
import swergio.asyncio
from swergio.hub import HubThread
from tests.live.inbox import Inbox

Make = Callable[..., Any]


@pytest.fixture
def hub() -> Iterator[str]:
    with HubThread(["ws://127.0.0.1:0"]) as hub:
        yield hub.urls[0]


def script(source: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "always::ResourceWarning", "-c", source, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


SERVE = """
import sys, swergio
world = swergio.Component("world", sys.argv[1])

@world.on("chat")
def reply(message):
    return message.data.upper()

@world.on("ready")
def ready(message):
    print("ready", flush=True)

world.run()
print("closed cleanly")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_ends_cleanly_on_a_signal(hub: str, number: signal.Signals) -> None:
    process = script(SERVE, hub)
    with swergio.Component("universe", hub) as universe:
        assert universe.request("chat", "hello", timeout=20) == "HELLO"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert (out, err, process.returncode) == ("closed cleanly\n", "", 0)
        assert universe.members("chat") == []


def test_run_can_be_stopped_by_a_handler(make: Make) -> None:
    component, sender = make("component"), make("sender").start()
    component.on("stop")(lambda message: component.stop())
    thread = threading.Thread(target=component.run)
    thread.start()
    while thread.is_alive():
        sender.send("stop", "now")
        thread.join(0.05)
    with pytest.raises(swergio.ComponentClosed):
        component.send("room", 1)


def test_a_handler_that_raises_ends_the_component_if_that_was_asked_for(make: Make) -> None:
    component, sender = make("component", on_error="raise"), make("sender").start()
    component.on("room")(lambda message: 1 // message.data)
    raised = Inbox()

    def run() -> None:
        try:
            component.run()
        except ZeroDivisionError as exc:
            raised.put(exc)

    threading.Thread(target=run).start()
    while not sender.members("room"):
        pass
    sender.send("room", 0)
    raised.wait(1)


def test_a_component_goes_on_after_a_handler_that_raised(make: Make) -> None:
    component, sender, inbox = make("component"), make("sender").start(), Inbox()
    component.on("room")(lambda message: inbox.put(1 // message.data))
    component.start()
    for number in (0, 1, 0, 1):
        sender.send("room", number)
    assert inbox.wait(2) == [1, 1]
    assert component.stats.failed == 2


def test_handlers_run_one_at_a_time_in_order_whether_they_are_async_or_not(hub: str) -> None:
    order: list[Any] = []
    running = threading.Lock()
    done = threading.Event()

    def note(message: swergio.Message) -> None:
        assert running.acquire(blocking=False), "two handlers at once"
        order.append(message.data)
        running.release()
        if len(order) == 600:
            done.set()

    component = swergio.Component("component", hub)

    @component.on("plain")
    def plain(message: swergio.Message) -> None:
        note(message)

    @component.on("async")
    async def later(message: swergio.Message) -> None:
        await asyncio.sleep(0)
        note(message)

    with component, swergio.Component("sender", hub) as sender:
        for number in range(300):
            sender.send("plain", ["plain", number])
            sender.send("async", ["async", number])
        assert done.wait(20)
    for kind in ("plain", "async"):
        assert [number for which, number in order if which == kind] == list(range(300))


def test_a_blocking_call_in_an_async_handler_of_the_plain_face_is_refused(hub: str) -> None:
    component = swergio.Component("component", hub)

    @component.on("room")
    async def ask(_: swergio.Message) -> None:
        component.members("room")

    refused = pytest.raises(swergio.HandlerFailed, match="a blocking call inside an 'async def' handler")
    with component, swergio.Component("asker", hub) as asker, refused:
        asker.request("room", 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_is_told_that_the_component_is_not_its_own(hub: str) -> None:
    source = """
import os, sys, swergio
with swergio.Component("parent", sys.argv[1]) as component:
    component.send("room", 1)
    child = os.fork()
    if not child:
        try:
            component.send("room", 2)
        except swergio.UsedAfterFork as exc:
            print(exc, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    component.flush(10)
    print("the parent goes on", flush=True)
"""
    process = subprocess.run(
        [sys.executable, "-c", source, hub], capture_output=True, text=True, timeout=30, check=False
    )
    assert "belongs to process" in process.stdout
    assert "the parent goes on" in process.stdout
    assert process.returncode == 0


def test_what_was_sent_before_the_interpreter_ends_arrives_without_close(hub: str) -> None:
    source = """
import sys, swergio
component = swergio.Component("hasty", sys.argv[1]).start()
for number in range(1000):
    component.send("room", number)
"""
    inbox = Inbox()
    member = swergio.Component("member", hub)
    member.on("room")(inbox.take_data)
    with member:
        _, err = script(source, hub).communicate(timeout=30)
        assert inbox.wait(1000) == list(range(1000))
    assert "ResourceWarning: component 'hasty' was not closed" in err


def test_the_sender_of_an_oversized_message_is_told_the_sizes(make: Make) -> None:
    sender = make("sender", max_message="1 KiB").start()
    with pytest.raises(swergio.MessageTooLarge, match=r"1,\d\d\d bytes and the limit is 1,024: raise 'max_message'"):
        sender.send("room", "x" * 1024)
    sender.send("room", "x" * 512)
    sender.flush(10)


def test_a_value_that_cannot_travel_is_named_by_its_path(make: Make) -> None:
    sender = make("sender").start()
    with pytest.raises(swergio.UnsupportedBody, match=r"data\['batch'\]\[3\]: .*set"):
        sender.send("room", {"batch": [0, 1, 2, {3}]})


def test_a_hub_that_is_not_there_is_an_error_within_the_deadline(face: str) -> None:
    with HubThread(["ws://127.0.0.1:0"]) as hub:
        gone = hub.urls[0]

    def start() -> object:
        if face == "plain":
            return swergio.Component("lonely", gone, connect_timeout=0.3).start()
        return asyncio.run(swergio.asyncio.Component("lonely", gone, connect_timeout=0.3).start())

    with pytest.raises(swergio.ConnectFailed, match=r"cannot connect to ws://.*'connect_timeout'"):
        start()


def test_a_wrong_token_is_refused_at_once() -> None:
    with HubThread(["ws://127.0.0.1:0"], authorize=lambda token: token == "right") as hub:
        with pytest.raises(swergio.AccessRefused):
            swergio.Component("stranger", hub.urls[0], token="wrong", connect_timeout=60).start()
        with swergio.Component("friend", hub.urls[0], token="right") as friend:
            friend.send("room", 1)
            friend.flush(10)


def test_an_unknown_scheme_lists_the_known_ones() -> None:
    with pytest.raises(swergio.UnknownScheme, match=r"memory://, ws://, wss://.*Did you mean ws://"):
        swergio.Component("component", "w://host:1").start()


def test_importing_swergio_imports_no_wire_no_numpy_and_no_settings_library() -> None:
    source = "import sys, swergio; print(*sorted({'numpy', 'websockets', 'pydantic', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == ""


def test_both_faces_have_the_same_methods_with_the_same_parameters() -> None:
    plain, later = swergio.Component, swergio.asyncio.Component
    names = {name for name in dir(plain) if not name.startswith("_")}
    assert names == {name for name in dir(later) if not name.startswith("_")}
    for name in sorted(names | {"__init__"}):
        if callable(getattr(plain, name)):
            assert parameters(getattr(plain, name)) == parameters(getattr(later, name)), name


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]
