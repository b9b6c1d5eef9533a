"""The connection under a link, as the kernel knows it.

libzmq tells the descriptor of each connection, but cannot be told to end a single one of a ROUTER: neither that of a
peer that says too much, nor that of a stranger who says nothing. The kernel can: shutting the socket down is what a
broken network does, and libzmq takes it as such. A number may belong to something else by then, so whoever is meant
is known by its inode too.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from typing import Final, TypeVar

from swergio_transports.zeromq.address import authority

LAST_DATA_RECEIVED: Final = 52
"""Where Linux has ``tcpi_last_data_recv`` in its ``struct tcp_info``: milliseconds since any byte came."""

T = TypeVar("T")


class Connection:
    """
    One connection of a socket.

    Attributes:
        peer: Where its other end is, for logs.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._inode = _inode(descriptor)
        self.peer = self._ask(_name) or "unknown"

    def cut(self) -> None:
        """
        End it, if it is still there.
        """
        self._ask(_shut_down)

    def silence(self) -> float | None:
        """
        Return for how many seconds no byte came; None if this system, or this kind of connection, cannot tell.
        """
        return self._ask(_silence) if hasattr(socket, "TCP_INFO") else None

    def _ask(self, question: Callable[[socket.socket], T]) -> T | None:
        try:
            copy = os.dup(self._descriptor)
        except OSError:
            return None
        if self._inode is None or _inode(copy) != self._inode:
            os.close(copy)
            return None
        try:
            with socket.socket(fileno=copy) as borrowed:
                return question(borrowed)
        except OSError:
            return None


def _inode(descriptor: int) -> int | None:
    try:
        return os.fstat(descriptor).st_ino
    except OSError:
        return None


def _shut_down(borrowed: socket.socket) -> None:
    borrowed.shutdown(socket.SHUT_RDWR)


def _silence(borrowed: socket.socket) -> float | None:
    if borrowed.family not in {socket.AF_INET, socket.AF_INET6}:
        return None
    told = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return float(struct.unpack_from("I", told, LAST_DATA_RECEIVED)[0]) / 1000


def _name(borrowed: socket.socket) -> str:
    if borrowed.family in {socket.AF_INET, socket.AF_INET6}:
        name = borrowed.getpeername()
        return authority(name[0], name[1])
    if hasattr(socket, "SO_PEERCRED"):
        process, _, _ = struct.unpack("iII", borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return f"process {process}"
    return "a process of this host"
