"""
One private server process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import redis

from tests.servers.binary import server_binary

DEADLINE = 20.0

Lines: TypeAlias = str | list[str]
"""What an option is: one line of it, or several."""
TRIES = 5


def free_port() -> int:
    """
    Return a port that nobody listens on at the moment; also not 10000 above, where a cluster has its bus.
    """
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", (port + 10_000) % 55_000)):
            if port + 10_000 < 65_536:
                return port


class RedisServer:
    """
    A server that is up inside ``with``; without persistence unless the configuration says otherwise.

    Args:
        configuration: Lines of its configuration file, as ``maxmemory="10mb"``; underscores become dashes. A list
            gives several lines.
        watches: It is a sentinel.

    Attributes:
        port: Where it listens, on 127.0.0.1; the same after `restart`.
        folder: Its own, with its files, its log and its Unix socket.
    """

    def __init__(self, *, watches: bool = False, **configuration: Lines) -> None:
        self.port = 0
        self.folder = Path(tempfile.mkdtemp(prefix="swergio-redis-"))
        self.socket = self.folder / "socket"
        self._watches = watches
        self._configuration: dict[str, Lines] = {} if watches else {"save": '""', "appendonly": "no"}
        self._configuration |= {key.replace("_", "-"): value for key, value in configuration.items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """
        Where components reach it.
        """
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """
        Of the process.
        """
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """
        What it has logged.
        """
        return (self.folder / "log").read_text(errors="replace") if (self.folder / "log").exists() else ""

    def client(self, **how: Any) -> redis.Redis:
        """
        Return redis-py's plain client: another program's view of the server.
        """
        return redis.Redis(port=self.port, **how)

    # -- life -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            print(f"-- log of the server on port {self.port}\n{self.output[-5000:]}")  # noqa: T201  for a failed test
        self.close()

    def close(self) -> None:
        """
        End the process and remove its folder.
        """
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """
        End the process as a crash does.
        """
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """
        Start it again on the same port, after `kill` or as a crash and a start.
        """
        self.kill()
        deadline = time.monotonic() + DEADLINE
        while not self._started():
            assert time.monotonic() < deadline, f"the server does not come up again:\n{self.output}"

    def stop(self) -> None:
        """
        Hang: the kernel goes on accepting connections, and nothing answers.
        """
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """
        Go on after `stop`.
        """
        os.kill(self.pid, signal.SIGCONT)

    def _start(self) -> None:
        for _ in range(TRIES):
            self.port = free_port()
            if self._started():
                return
        raise RuntimeError(f"no server came up:\n{self.output}")

    def _started(self) -> bool:
        """
        Start the process and return whether it answers; it does not if somebody else got the port.
        """
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [server_binary(), self._write_configuration(), *(["--sentinel"] if self._watches else [])],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + DEADLINE
        while self._process.poll() is None:
            if self._answers():
                return True
            assert time.monotonic() < deadline, f"the server does not answer:\n{self.output}"
            time.sleep(0.01)
        return False

    def _write_configuration(self) -> Path:
        path = self.folder / "server.conf"
        if not (self._watches and path.exists()):  # a sentinel rewrites its own
            lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}"]
            if not self._watches:
                lines.append(f"unixsocket {self.socket}")
            for key, value in self._configuration.items():
                lines += [f"{key} {line}" for line in ([value] if isinstance(value, str) else value)]
            path.write_text("\n".join(lines) + "\n")
        return path

    def _answers(self) -> bool:
        """
        Whether any answer comes: also one that asks for a password, or that says it is loading.
        """
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock:
                sock.sendall(b"PING\r\n")
                return sock.recv(20).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
