"""Hosts as network namespaces of Linux: each has its own addresses, and a cable to one switch.

All of it is inside namespaces that are made here. Nothing is added to the network of the machine: a cable is made in
the namespace of the switch, and its other end moved to that of the host.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.hosts.network import HOSTS, Network

SUBNET = "10.231.7"

_numbers = itertools.count()


class Namespaces(Network):
    """
    A switch (a bridge), and hosts 10.231.7.1 and up.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._prefix = f"swergio-{os.getpid()}-{next(_numbers)}"
        self._ports = itertools.count(7300)
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            self._add("switch", undo)
            _ip("-n", self._space("switch"), "link", "add", "bridge", "type", "bridge")
            _ip("-n", self._space("switch"), "link", "set", "bridge", "up")
            for host in HOSTS:
                self._add(host, undo)
                self._connect(host, f"{self.address_of(host)}/24")
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._undo:
            super().__exit__(kind, value, trace)

    def prefix(self, host: str) -> Sequence[str]:
        return ("ip", "netns", "exec", self._space(host))

    def address_of(self, host: str) -> str:
        return f"{SUBNET}.{HOSTS.index(host) + 1}"

    def free_port(self) -> int:
        return next(self._ports)

    def reach(self, host: str, port: int) -> tuple[str, int]:
        return self.address, port

    def cut(self, host: str) -> None:
        _ip("-n", self._space("switch"), "link", "set", f"to-{host}", "down")

    def mend(self, host: str) -> None:
        _ip("-n", self._space("switch"), "link", "set", f"to-{host}", "up")

    def _space(self, host: str) -> str:
        return f"{self._prefix}-{host}"

    def _add(self, host: str, undo: contextlib.ExitStack) -> None:
        _ip("netns", "add", self._space(host))
        undo.callback(_ip, "netns", "del", self._space(host))

    def _connect(self, host: str, address: str) -> None:
        switch, space = self._space("switch"), self._space(host)
        cable = ("link", "add", f"to-{host}", "type", "veth", "peer", "name", "cable", "netns", space)
        _ip("-n", switch, *cable)
        _ip("-n", switch, "link", "set", f"to-{host}", "master", "bridge", "up")
        _ip("-n", space, "addr", "add", address, "dev", "cable")
        _ip("-n", space, "link", "set", "cable", "up")
        _ip("-n", space, "link", "set", "lo", "up")


def missing() -> str:
    """
    Return why there can be no namespaces here, or nothing.
    """
    if sys.platform != "linux":
        return "network namespaces are Linux'"
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if shutil.which("ip") is None:
        return "there is no program 'ip' (iproute2)"
    name = f"swergio-{os.getpid()}-probe"
    made = _run("netns", "add", name)
    if made.returncode:
        return f"no network namespace can be made here: {made.stderr.strip()}"
    _ip("netns", "del", name)
    return ""


def _ip(*words: str) -> None:
    done = _run(*words)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()}"


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["ip", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
