"""TCP under a connection: what it is read into, its options, its address."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
from typing import Final

from swergio_transports.websocket.address import authority

USER_TIMEOUT: Final = 20_000
"""Milliseconds after which the kernel gives up on bytes that nobody acknowledges; by itself it tries a quarter hour."""

READ_SIZE: Final = 64 * 1024
"""Bytes read, and parsed, before another connection has its turn.

It bounds what a flood can do before anyone looks at it: 64 KiB of pings take 40 ms. Larger reads measured no quicker.
"""

KEPT: Final = 32 * 1024 * 1024 - 8192
"""Just below the largest block that glibc learns from."""


@functools.cache
def keep_freed_memory() -> None:
    """
    Free one large block, once.

    glibc hands freed memory back to the kernel above a limit, which grows to twice the largest block that was freed
    so far. Below it each packet of a megabyte is read, joined and written in fresh pages, and a page costs more than
    copying into it: an echo of 1 MiB took 250 page faults and 2.3 ms of CPU; this leaves none, and 1.4 ms. It is what
    the first large array that a program frees does too. Elsewhere it changes nothing.
    """
    bytes(KEPT)


class _ReadBuffer(threading.local):
    def __init__(self) -> None:
        keep_freed_memory()
        self.view = memoryview(bytearray(READ_SIZE))


_read_buffer = _ReadBuffer()


def read_buffer() -> memoryview:
    """
    Return the one buffer that every connection of this thread reads into.

    Event loops fill it and hand it over in one step, so that connections cannot meet in it. Without it, asyncio
    allocates 256 KiB for each read, however little comes: a round trip took 88 µs, and 42 with it.
    """
    return _read_buffer.view


def tune(transport: asyncio.BaseTransport) -> None:
    """
    Set the options of the socket under ``transport``, as far as this system knows them.
    """
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # the peer may be gone already
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)


def peer_of(transport: asyncio.BaseTransport) -> str:
    """
    Return the ``host:port`` of the other end.
    """
    name = transport.get_extra_info("peername")
    return authority(name[0], name[1]) if name else "unknown"


def half_close(transport: asyncio.Transport) -> None:
    """
    End the own side of the stream, behind what is queued.

    Closing with bytes unread would reset the connection, and the peer would lose the close frame that says why.
    """
    if not transport.can_write_eof():  # TLS
        transport.close()
        return
    with contextlib.suppress(OSError, RuntimeError):  # the peer was quicker
        transport.write_eof()
