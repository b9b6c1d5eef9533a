"""Encryption and authentication: CURVE, with a list of the keys that may come in.

libzmq asks a socket at a fixed address of its context about each client (ZAP, ZeroMQ's RFC 27). If nobody answers
there, it lets everyone in; so the socket is bound before the one that listens, and closed after it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import zmq
from zmq.utils import z85

from swergio.errors import ConfigurationError
from swergio.hub.link import LinkOptions
from swergio_transports.zeromq.keys import PUBLIC, read_pair, read_public
from swergio_transports.zeromq.sockets import Context, LoopSocket, Socket, receive

ZAP_ADDRESS: Final = "inproc://zeromq.zap.01"
DOMAIN: Final = b"swergio"

logger = logging.getLogger("swergio.zeromq")


def dress_client(socket: Socket, options: LinkOptions) -> bool:
    """
    Use CURVE if ``curve_hub`` is given; return whether it is.

    Raises:
        ConfigurationError: A key is missing or cannot be used.
    """
    if options.curve_hub is None:
        return False
    if options.curve_key is None:
        raise ConfigurationError("'curve_hub' without a key of one's own", "'curve_key' beside it")
    keys = read_pair(options.curve_key, "curve_key")
    (hub, *others) = read_public(options.curve_hub, "curve_hub")
    if others:
        raise ConfigurationError(f"curve_hub {options.curve_hub!r} has several keys", "that of the hub alone")
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
    socket.setsockopt(zmq.CURVE_SERVERKEY, hub)
    return True


class Doorkeeper:
    """
    Lets in who is on the list, and nobody else.

    Args:
        context: That of the socket that listens; it must have no other doorkeeper.
        socket: The socket that is about to listen.
        options: With ``curve_key`` and ``curve_clients``.

    Raises:
        ConfigurationError: There is no list, or a key cannot be used.
    """

    def __init__(self, context: Context, socket: Socket, options: LinkOptions) -> None:
        keys = read_pair(options.curve_key or "", "curve_key")
        if options.curve_clients is None:
            raise ConfigurationError(
                "CURVE without a list of who may come in", "'hub.curve_clients', a folder of public keys or a file"
            )
        self._clients = AllowList(options.curve_clients)
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
        socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
        questions: Socket = context.socket(zmq.ROUTER)
        questions.setsockopt(zmq.LINGER, 0)
        questions.bind(ZAP_ADDRESS)
        self._socket = LoopSocket(questions, self._answer)

    def close(self) -> None:
        """
        Answer no more.
        """
        self._socket.close()

    def _answer(self) -> int:
        parts = [part.bytes for part in receive(self._socket.socket)]
        body = parts.index(b"") + 1
        _, request, domain, address, _, mechanism, *credentials = parts[body:]
        known = mechanism == b"CURVE" and domain == DOMAIN and len(credentials) == 1
        if known and self._clients.has(credentials[0]):
            answer = [b"200", b"OK", z85.encode(credentials[0]), b""]
        else:
            logger.info("refused %s: its CURVE key is not on the list", address.decode(errors="replace"))
            answer = [b"400", b"not on the list", b"", b""]
        self._socket.socket.send_multipart([*parts[:body], b"1.0", request, *answer])
        return 0


class AllowList:
    """
    The public keys in a file, or in the ``*.key`` files of a folder; read again when it changes.

    Raises:
        ConfigurationError: It cannot be read, or a key in it is damaged.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._read()

    def has(self, key: bytes) -> bool:
        """
        Return whether the 32 bytes are a key of the list.
        """
        try:
            if self._stamp() != self._read_at:
                self._read()
        except (ConfigurationError, OSError) as exc:
            logger.error("the list of CURVE keys is left as it was: %s", exc)
        return key in self._keys

    def _stamp(self) -> tuple[int, ...]:
        return tuple(place.stat().st_mtime_ns for place in (self._path, *self._files()))

    def _files(self) -> list[Path]:
        return sorted(self._path.glob(f"*{PUBLIC}")) if self._path.is_dir() else [self._path]

    def _read(self) -> None:
        try:
            stamp = self._stamp()
        except OSError as exc:
            problem = f"hub.curve_clients {str(self._path)!r} cannot be read: {exc.strerror}"
            raise ConfigurationError(problem, "a folder of public keys, or a file") from exc
        keys = [key for file in self._files() for key in read_public(str(file), "hub.curve_clients")]
        self._keys = frozenset(z85.decode(key) for key in keys)
        self._read_at = stamp
