"""
ZeroMQ peers that are killed.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from swergio_transports.zeromq import dial
from tests.transports.conftest import Run
from tests.transports.recorder import DEFAULTS, Recorder
from tests.transports.zeromq_ends import listening


@pytest.fixture(params=["zmq+tcp", "zmq+ipc"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"zmq+ipc://{tmp_path}/hub" if request.param == "zmq+ipc" else "zmq+tcp://127.0.0.1:0"


PEER = """
import asyncio, sys
from swergio.hub.link import LinkOptions
from swergio_transports.zeromq import {what}
class Owner:
    def __init__(self, link=None): pass
    def packet_received(self, packet): pass
    def writable_again(self): pass
    def link_lost(self, reason, *, final=False): pass
async def main():
    made = await {what}(sys.argv[1], Owner() if "{what}" == "dial" else Owner, LinkOptions())
    print(getattr(made, "url", "there"), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def start(what: str, url: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", PEER.format(what=what), url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_killed_listener_is_noticed(run: Run, url: str) -> None:
    process, where = start("listen", url)

    async def scenario() -> None:
        here = Recorder()
        here.link = await dial(where, here, DEFAULTS)
        process.send_signal(signal.SIGKILL)
        assert await here.until_lost() == "connection lost"
        await asyncio.to_thread(process.wait)
        with pytest.raises(ConnectionRefusedError):
            await dial(where, Recorder(), DEFAULTS)

    with process:
        try:
            run(scenario())
        finally:
            process.kill()


def test_a_killed_dialler_is_noticed(run: Run, url: str) -> None:
    async def scenario() -> None:
        async with listening(url) as (where, owners):
            process, _ = await asyncio.to_thread(start, "dial", where)
            there = await owners.number(0)
            with process:
                process.send_signal(signal.SIGKILL)
                assert await there.until_lost() == "connection lost"

    run(scenario())
