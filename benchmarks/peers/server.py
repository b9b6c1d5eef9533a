"""A server that is a program of its own: on a free port, and ended with the role that runs it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from swergio.bench.role import Orders, say

DEADLINE = 20.0


def serve(command: Callable[[int, Path], list[str]], url: str) -> None:
    """
    Serve on a free port of loopback until told to end.

    Args:
        command: Returns what starts the server on a port, with a folder of its own.
        url: Where it is to be found; the port stands for ``{}``.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # the server ends with this process
    Orders()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        started = command(port, Path(folder))
        server = subprocess.Popen(started, stdout=subprocess.DEVNULL)
        try:
            _wait_for(port, server)
            say(ready=True, url=url.format(port), pid=server.pid)
            server.wait()
        finally:
            server.kill()
            server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE
    while server.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.01)  # nothing tells when a server listens
        else:
            return
    raise SystemExit(f"the server does not come up: exit code {server.poll()}")
