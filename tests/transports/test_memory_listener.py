"""
Who gets a link inside one process, and who does not.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from swergio.errors import AccessRefused, ConfigurationError, ConnectFailed
from swergio.hub.link import Link, LinkOptions
from swergio_transports.memory import dial, listen
from tests.transports.conftest import Run
from tests.transports.recorder import DEFAULTS, PATIENCE, Echo, Owners, Recorder
from tests.transports.threads import OtherThread


def test_an_owner_may_send_while_it_accepts(run: Run, memory_url: str) -> None:
    greeted = Recorder()

    def greet(link: Link) -> Recorder:
        link.send((b"welcome",))
        return greeted

    async def scenario() -> None:
        listener = await listen(memory_url, greet, DEFAULTS)
        here = Recorder()
        link = await dial(memory_url, here, DEFAULTS)
        assert here.packets == []
        assert await here.until_packets(1) == [b"welcome"]
        link.close()
        await here.until_lost()
        await greeted.until_lost()
        await listener.close()

    run(scenario())


def test_who_is_not_let_in(run: Run, memory_url: str) -> None:
    options = LinkOptions(authorize=lambda token: token == "s3cret", max_links=1)
    known = LinkOptions(token="s3cret")

    async def scenario() -> None:
        owners = Owners(Echo)
        listener = await listen(memory_url, owners, options)
        for token in (None, "wrong"):
            with pytest.raises(AccessRefused):
                await dial(memory_url, Recorder(), LinkOptions(token=token))
        link = await dial(memory_url, first := Recorder(), known)
        with pytest.raises(ConnectFailed, match="all connections are taken"):
            await dial(memory_url, Recorder(), known)
        link.close()
        await first.until_lost()
        await owners.all[0].until_lost()
        link = await dial(memory_url, second := Recorder(), known)
        link.close()
        await second.until_lost()
        assert len(owners.all) == 2
        await listener.close()

    run(scenario())


def test_failing_to_accept_is_told_to_the_caller(run: Run, memory_url: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Link) -> Recorder:
        raise RuntimeError("no owner today")

    async def scenario() -> None:
        listener = await listen(memory_url, fail, DEFAULTS)
        with pytest.raises(ConnectFailed, match="the listener failed"):
            await dial(memory_url, Recorder(), DEFAULTS)
        await listener.close()

    run(scenario())
    assert "no owner today" in caplog.text


def test_a_name_has_one_listener_until_it_closes(run: Run, memory_url: str) -> None:
    async def scenario() -> None:
        owners = Owners(Echo)
        listener = await listen(memory_url, owners, DEFAULTS)
        with pytest.raises(OSError, match="taken"):
            await listen(memory_url, Owners(), DEFAULTS)
        here = Recorder()
        link = await dial(memory_url, here, DEFAULTS)
        await listener.close()
        await listener.close()
        with pytest.raises(ConnectionRefusedError, match=memory_url):
            await dial(memory_url, Recorder(), DEFAULTS)
        link.send((b"still there?",))
        assert await here.until_packets(1) == [b"still there?"]
        link.close()
        await here.until_lost()
        await owners.all[0].until_lost()

    run(scenario())


FORK = """
import asyncio, os
from swergio.hub.link import LinkOptions
from swergio_transports.memory import dial, listen

async def child():
    try:
        await dial("memory://x", None, LinkOptions())
    except ConnectionRefusedError:
        await listen("memory://x", None, LinkOptions())
        print("refused, and free")

loop = asyncio.new_event_loop()
loop.run_until_complete(listen("memory://x", None, LinkOptions()))
if os.fork() == 0:
    asyncio.run(child())
else:
    os.wait()
loop.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_has_none_of_the_listeners() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout == "refused, and free\n"


@pytest.mark.parametrize("bad", ["memory://", "memory:x", "ws://127.0.0.1:1", ""])
def test_a_url_without_a_name_is_refused(run: Run, bad: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match="memory://name"):
            await dial(bad, Recorder(), DEFAULTS)
        with pytest.raises(ConfigurationError, match="memory://name"):
            await listen(bad, Owners(), DEFAULTS)

    run(scenario())


@pytest.fixture
def busy(other: OtherThread, memory_url: str) -> Iterator[tuple[Owners, Callable[[], None]]]:
    """
    A listener whose loop does nothing until it is told to go on.
    """
    owners, go_on, stopped = Owners(), threading.Event(), concurrent.futures.Future[None]()
    other.run(listen(memory_url, owners, DEFAULTS))

    def block() -> None:
        stopped.set_result(None)
        go_on.wait(PATIENCE)

    other.loop.call_soon_threadsafe(block)
    stopped.result(PATIENCE)
    yield owners, go_on.set
    go_on.set()


@pytest.mark.usefixtures("busy")
def test_a_call_that_is_not_answered_ends(run: Run, memory_url: str) -> None:
    async def scenario() -> None:
        with pytest.raises(TimeoutError, match=f"no answer from {memory_url} in 0.05 s"):
            await dial(memory_url, Recorder(), LinkOptions(handshake_timeout=0.05))

    run(scenario())


def test_a_cancelled_call_leaves_no_link(
    run: Run, memory_url: str, other: OtherThread, busy: tuple[Owners, Callable[[], None]]
) -> None:
    owners, go_on = busy

    async def scenario() -> None:
        call = asyncio.create_task(dial(memory_url, Recorder(), DEFAULTS))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go_on()
        there = await other.await_(owners.number(0))
        assert "connection lost" in await other.await_(there.until_lost())

    run(scenario())
