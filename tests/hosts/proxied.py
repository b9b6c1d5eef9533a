"""Hosts that are none: their programs run on this machine, and reach servers through proxies that can hold all bytes.

What a cut link does to connections is the same as in namespaces, and needs no rights: bytes stay where they are, nobody
is told, and what is still wanted arrives when the link is mended.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from swergio.testing import FaultProxy
from tests.hosts.network import SERVER, Network


class Proxied(Network):
    """
    A proxy for each host and each port that it reaches.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._proxies: dict[tuple[str, int], FaultProxy] = {}
        self._undo = contextlib.ExitStack()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._undo:
            super().__exit__(kind, value, trace)

    def prefix(self, host: str) -> Sequence[str]:
        return ()

    def address_of(self, host: str) -> str:
        return "127.0.0.1"

    def free_port(self) -> int:
        with socket.create_server((self.address, 0)) as probe:
            port: int = probe.getsockname()[1]
        return port

    def reach(self, host: str, port: int) -> tuple[str, int]:
        if host == SERVER:
            return self.address, port
        if (host, port) not in self._proxies:
            self._proxies[host, port] = self._undo.enter_context(FaultProxy(self.address, port))
        return self.address, self._proxies[host, port].port

    def cut(self, host: str) -> None:
        for (end, _), proxy in self._proxies.items():
            if end == host:
                proxy.black_hole()

    def mend(self, host: str) -> None:
        for (end, _), proxy in self._proxies.items():
            if end == host:
                proxy.heal()
