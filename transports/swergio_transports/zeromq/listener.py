"""Listening for ZeroMQ links."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket as sockets
import stat
import threading
from collections.abc import Callable
from typing import Final, cast

import zmq

from swergio.errors import ConfigurationError
from swergio.hub.link import Accept, LinkOptions, Listener
from swergio_transports.zeromq.address import Address, authority, parse
from swergio_transports.zeromq.curve import Doorkeeper
from swergio_transports.zeromq.options import configure
from swergio_transports.zeromq.server import Reception
from swergio_transports.zeromq.sockets import Socket, new_context

BACKLOG: Final = 1024
MODE: Final = 0o600
UNBIND_TIMEOUT: Final = 1.0


async def listen(url: str, accept: Accept, options: LinkOptions) -> Listener:
    """
    Accept links at ``zmq+tcp://host:port`` (port 0 takes a free one) or ``zmq+ipc:///path``.

    One address is listened on; a name that has several stands for its first one, IPv4 before IPv6. The socket at a
    path is for this user alone; what a hub left there that is gone is removed.

    Raises:
        ConfigurationError: The URL or a key cannot be used, or anyone beyond this host could come in or listen in:
            there is no CURVE key, and ``options.insecure`` is not set.
        OSError: The address cannot be taken.
    """
    address = parse(url)
    numeric = "" if address.local else await address.numeric()
    if not address.local and not options.insecure:
        _refuse_exposure(address, numeric, options)
    listener = ZeroMQListener(address, accept, options)
    try:
        listener.bind(numeric)
    except BaseException as exc:
        listener.dispose()
        if isinstance(exc, zmq.ZMQError):
            raise OSError(exc.errno, f"{address}: {exc.strerror}") from exc
        raise
    return listener


class ZeroMQListener(Listener):
    """
    A ROUTER that is bound.
    """

    def __init__(self, address: Address, accept: Accept, options: LinkOptions) -> None:
        self.url = str(address)
        self._address = address
        self._endpoint = ""
        self._disposed = False
        self._remove: Callable[[], None] | None = None
        self._doorkeeper: Doorkeeper | None = None
        self._context = new_context()
        socket: Socket = self._context.socket(zmq.ROUTER)
        try:
            configure(socket, options)
            if options.curve_key is not None and not address.local:
                self._doorkeeper = Doorkeeper(self._context, socket, options)
        except BaseException:
            socket.close(0)
            self._context.term()
            raise
        self._reception = Reception(self._context, socket, accept, options, self.dispose)

    def bind(self, numeric: str) -> None:
        """
        Begin to listen.
        """
        socket = self._reception.socket.socket
        if self._address.local:
            path = self._address.path
            descriptor, self._remove = _bind_path(path)
            socket.setsockopt(zmq.USE_FD, descriptor)
            self._endpoint = f"ipc://{path}"
            socket.bind(self._endpoint)
            return
        socket.bind(f"tcp://{authority(numeric, self._address.port)}")
        self._endpoint = cast("bytes", socket.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()
        port = int(self._endpoint.rpartition(":")[2])
        self.url = str(self._address._replace(port=port))

    async def close(self) -> None:
        """
        Stop accepting, and end the handshakes that are going on.

        A TCP port is given back with the last link: libzmq ends the connections of what it unbinds.
        """
        self._forget_path()
        if self._disposed:
            return
        self._reception.close()
        if self._reception.empty:
            with contextlib.suppress(zmq.ZMQError):
                self._reception.socket.socket.unbind(self._endpoint)
                await asyncio.wait({self._reception.unbound}, timeout=UNBIND_TIMEOUT)
            self.dispose()

    def dispose(self) -> None:
        """
        Release everything.
        """
        self._forget_path()
        if self._disposed:
            return
        self._disposed = True
        self._reception.dispose()
        if self._doorkeeper is not None:
            self._doorkeeper.close()
        # It waits for what still leaves, which neither this loop nor the end of the program shall do.
        threading.Thread(target=self._context.term, name="swergio zeromq term", daemon=True).start()

    def _forget_path(self) -> None:
        if self._remove is not None:
            self._remove()
            self._remove = None


def _bind_path(path: str) -> tuple[int, Callable[[], None]]:
    """
    Return the descriptor of a socket that listens at ``path``, and what removes its file.

    libzmq would remove whatever is there, and make a socket that anyone may connect to.
    """
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as own:
        own.settimeout(0)
        with contextlib.suppress(OSError):  # only Linux takes the mode from here
            os.fchmod(own.fileno(), MODE)
        try:
            own.bind(path)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE or not _is_left_over(path):
                raise
            os.unlink(path)  # noqa: PTH108  a socket, not a Path
            own.bind(path)
        os.chmod(path, MODE)  # noqa: PTH101
        own.listen(BACKLOG)
        inode = os.stat(path).st_ino  # noqa: PTH116
        return own.detach(), lambda: _remove(path, inode)


def _is_left_over(path: str) -> bool:
    if not stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116
        return False
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        probe.settimeout(0)
        return probe.connect_ex(path) == errno.ECONNREFUSED


def _remove(path: str, inode: int) -> None:
    with contextlib.suppress(OSError):
        if os.stat(path).st_ino == inode:  # noqa: PTH116
            os.unlink(path)  # noqa: PTH108


def _refuse_exposure(address: Address, numeric: str, options: LinkOptions) -> None:
    if ipaddress.ip_address(numeric).is_loopback or options.curve_key is not None:
        return
    raise ConfigurationError(
        f"{address} can be reached from other hosts",
        "CURVE: 'curve_key', and 'hub.curve_clients' with the keys that may come in ('swergio keys' makes them)",
        "Listen on 127.0.0.1, or say 'insecure' if something else protects this network.",
    )
