"""A component as a program: running, stopping, forking; and what both faces have in common."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import swergio
import swergio.asyncio
from swergio.hub import HubThread
from swergio.testing import Inbox, eventually


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


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals are not sent to threads here")
def test_run_ends_on_a_signal_that_does_not_interrupt_its_wait(hub: str) -> None:
    source = SERVE.replace(
        "world.run()",
        """
import signal, threading

@world.on("interrupt")
def interrupt(message):
    # After a while, when the main thread waits: on a thread of its own, which leaves the wait alone.
    threading.Timer(0.5, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()

world.run()
""",
    )
    process = script(source, hub)
    with swergio.Component("universe", hub) as universe:
        universe.request("interrupt", "hello", timeout=20)
        out, err = process.communicate(timeout=20)
        assert (out, err, process.returncode) == ("closed cleanly\n", "", 0)


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


def test_what_was_sent_between_registering_a_handler_and_starting_is_since_then(hub: str) -> None:
    inbox, late = Inbox(), swergio.Component("late", hub)
    late.on("room", since=time.time())(inbox.take_data)
    with swergio.Component("sender", hub) as sender:
        sender.send("room", "before it started")
        sender.flush(20)
        with late:
            assert inbox.wait(1) == ["before it started"]


def test_a_will_is_left_while_a_request_waits_for_somebody(hub: str) -> None:
    with swergio.Component("asker", hub) as asker:

        def ask() -> None:
            with pytest.raises(swergio.RequestError):
                asker.request("nobody", 1)

        asking = threading.Thread(target=ask)
        asking.start()
        eventually(lambda: asker.stats.sent, "the request is under way")
        leaving = threading.Thread(target=asker.will, args=("room", "gone"), daemon=True)
        leaving.start()
        leaving.join(20)
        assert not leaving.is_alive(), "the will waits for the request"
        asker.close()
        asking.join(20)


def test_an_unknown_scheme_lists_the_known_ones() -> None:
    known = r"one of memory://, redis://, .*, ws://, wss://, zmq://.*Did you mean ws://"
    with pytest.raises(swergio.UnknownScheme, match=known):
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
