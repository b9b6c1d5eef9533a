"""
Dialling a ZeroMQ URL at which all is not well, and what a missing package says.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import zmq

from swergio.errors import ConfigurationError, ConnectFailed, MissingExtra
from swergio.hub.link import LinkOptions
from swergio.transport import find
from swergio_transports.zeromq import dial, listen
from tests.transports.conftest import Run
from tests.transports.recorder import DEFAULTS, PATIENCE, Owners, Recorder
from tests.transports.zeromq_ends import HELLO, listening, raw_socket, receive, watched_end

TCP = "zmq+tcp://127.0.0.1:0"


@pytest.fixture(params=["zmq+tcp", "zmq+ipc"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"zmq+ipc://{tmp_path}/hub" if request.param == "zmq+ipc" else TCP


def test_nobody_listens(run: Run, url: str) -> None:
    async def scenario() -> None:
        async with listening(url) as (where, _):
            pass
        with pytest.raises(ConnectionRefusedError):
            await dial(where, Recorder(), DEFAULTS)

    run(scenario())


def test_nobody_answers(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"zmq://127.0.0.1:{silent.getsockname()[1]}"

        async def scenario() -> None:
            with pytest.raises(TimeoutError, match=r"no ZeroMQ handshake with zmq://127.0.0.1:\d+ in 0.1 s"):
                await dial(url, Recorder(), LinkOptions(handshake_timeout=0.1))

        run(scenario())


def test_another_program_answers(run: Run) -> None:
    with raw_socket(zmq.ROUTER) as router:
        port = router.bind_to_random_port("tcp://127.0.0.1")

        async def scenario() -> None:
            call = asyncio.ensure_future(dial(f"zmq+tcp://127.0.0.1:{port}", Recorder(), DEFAULTS))
            name, *hello = await receive(router)
            assert hello == HELLO
            router.send_multipart([name, b"what?"])
            with pytest.raises(ConnectFailed, match="does not speak this version of swergio"):
                await call

        run(scenario())


def test_a_cancelled_call_leaves_no_connection(run: Run) -> None:
    with raw_socket(zmq.ROUTER) as router:
        port = router.bind_to_random_port("tcp://127.0.0.1")

        async def scenario() -> None:
            with watched_end(router) as ended:
                call = asyncio.ensure_future(dial(f"zmq+tcp://127.0.0.1:{port}", Recorder(), DEFAULTS))
                await receive(router)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                await ended()

        run(scenario())


@pytest.mark.parametrize(
    "url",
    [
        *(
            "zmq+tcp://",
            "zmq+tcp://127.0.0.1",
            "zmq+tcp://127.0.0.1:70000",
            "zmq://a b:1",
            "zmq://a..b:1",
            "zmq://[::1",
        ),
        *("zmq+ipc://", "zmq+ipc://relative", "zmq+ipc:///folder/", "zmq+ipc:///a\nb", "http://127.0.0.1:1"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(run: Run, url: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match="is not a ZeroMQ URL"):
            await listen(url, Owners(), DEFAULTS)
        with pytest.raises(ConfigurationError, match="is not a ZeroMQ URL"):
            await dial(url, Recorder(), DEFAULTS)

    run(scenario())


@pytest.mark.parametrize("url", ["zmq://me:hunter2@127.0.0.1:1", "zmq+tcp://127.0.0.1:1/?token=hunter2"])
def test_a_secret_in_a_url_is_refused_and_not_repeated(run: Run, url: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match="'token'") as caught:
            await dial(url, Recorder(), DEFAULTS)
        assert "hunter2" not in str(caught.value)

    run(scenario())


def test_a_program_ends_at_once_whatever_it_leaves_open(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from swergio.hub.link import LinkOptions
from swergio_transports.zeromq import dial, listen
class Owner:
    def __init__(self, link=None): pass
    def packet_received(self, packet): pass
    def writable_again(self): pass
    def link_lost(self, reason, *, final=False): pass
async def main():
    listener = await listen(sys.argv[1], Owner, LinkOptions())
    link = await dial(listener.url, Owner(), LinkOptions())
    for _ in range(1000):
        link.send((bytes(100_000),))
    link.close()
    print("done")
asyncio.run(main())
"""
    command = [sys.executable, "-c", program, f"zmq+ipc://{tmp_path}/hub"]
    assert subprocess.run(command, timeout=PATIENCE, check=True, capture_output=True, text=True).stdout == "done\n"


@pytest.mark.parametrize("scheme", ["zmq", "zmq+tcp", "zmq+ipc"])
def test_a_missing_pyzmq_says_what_to_install(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("swergio_transports.zeromq")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "zmq", None)
    with pytest.raises(MissingExtra, match=r"Run: pip install 'swergio\[zeromq\]'"):
        find(f"{scheme}://127.0.0.1:1")


def test_the_extra_that_is_named_exists() -> None:
    assert "zeromq" in (importlib.metadata.metadata("swergio").get_all("Provides-Extra") or [])
