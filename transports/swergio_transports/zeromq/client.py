"""The dialling side of a link: one DEALER for each, connected once.

A DEALER that reconnects would put what is new before what is old, so it does not: swergio's own reconnecting, above,
makes another link, and knows what to send again.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Sequence
from typing import Final

import zmq

from swergio.errors import AccessRefused, ConnectFailed
from swergio.hub.link import Buffer, Link, LinkEvents, LinkOptions
from swergio_transports.zeromq.address import Address, parse
from swergio_transports.zeromq.connection import Connection
from swergio_transports.zeromq.curve import dress_client
from swergio_transports.zeromq.link import CLOSE_TIMEOUT, Part, ZeroMQLink, hand_over
from swergio_transports.zeromq.options import configure
from swergio_transports.zeromq.sockets import LoopSocket, Monitor, Socket, receive, shared_context
from swergio_transports.zeromq.wire import hello, read_answer

logger = logging.getLogger("swergio.zeromq")

SPLIT: Final = 64 * 1024
"""Bytes of a packet from which its first buffer, the head of a frame, is a part of its own; see `ClientLink._cut`."""


async def dial(url: str, events: LinkEvents, options: LinkOptions) -> Link:
    """
    Connect to ``zmq+tcp://host:port`` or ``zmq+ipc:///path``.

    Nothing is told to ``events`` before the awaiting coroutine goes on, if it awaits this call directly. A cancelled
    call leaves no connection.

    Raises:
        ConfigurationError: The URL or a key cannot be used.
        AccessRefused: The token or the CURVE key was not accepted.
        ConnectFailed: The other end is not what was looked for, or cannot take a connection now.
        OSError: Nobody answers there; ``ConnectionRefusedError`` if nobody listens.
        TimeoutError: The handshake took longer than ``options.handshake_timeout``.
    """
    address = parse(url)
    link: ClientLink | None = None
    try:
        async with asyncio.timeout(options.handshake_timeout):
            endpoint = await _endpoint(address)
            link = ClientLink(address, events, options)
            link.connect(endpoint)
            problem = await link.answered
    except BaseException as exc:
        if link is not None:
            link.discard()
        if isinstance(exc, TimeoutError):
            raise TimeoutError(f"no ZeroMQ handshake with {address} in {options.handshake_timeout:g} s") from None
        if isinstance(exc, zmq.ZMQError):
            raise OSError(exc.errno, f"{address}: {exc.strerror}") from exc
        raise
    if problem is not None:
        link.discard()
        raise problem
    asyncio.get_running_loop().call_soon(link.start)
    return link


async def _endpoint(address: Address) -> str:
    if address.local:
        return f"ipc://{address.path}"
    host = await address.numeric()
    return f"tcp://[{host}]:{address.port}" if ":" in host else f"tcp://{host}:{address.port}"


class ClientLink(ZeroMQLink):
    """
    The link of the side that dialled.

    Attributes:
        answered: Done when the handshake is: None, or the error that ``dial`` raises.
    """

    def __init__(self, address: Address, events: LinkEvents, options: LinkOptions) -> None:
        context = shared_context()
        socket: Socket = context.socket(zmq.DEALER)
        try:
            configure(socket, options)
            self._curve = not address.local and dress_client(socket, options)
        except BaseException:
            socket.close(0)
            raise
        super().__init__(options.max_packet)
        self._socket = LoopSocket(socket, self._read, self.retry)
        self.peer = self._address = str(address)
        self.answered: asyncio.Future[Exception | None] = self._loop.create_future()
        self._events = events
        self._token = options.token
        self._monitor = Monitor(context, socket, self._happened)

    def connect(self, endpoint: str) -> None:
        """
        Begin to connect.
        """
        self._socket.socket.connect(endpoint)

    def discard(self) -> None:
        """
        End a link that nobody will have.
        """
        self.answered.cancel()
        self.abort()

    def start(self) -> None:
        """
        Hand over what came meanwhile, and everything from now on.
        """
        self._socket.paused = False
        self.begin(self._events)
        self._socket.touched()

    # What the socket tells.

    def _happened(self, event: int, value: int) -> None:
        if self._ended:
            return
        if event == zmq.EVENT_CONNECTED:
            self.connection = Connection(value)
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._write(hello(self._token))
        elif not self.answered.done():
            self._settle(self._problem(event))
        elif event == zmq.EVENT_DISCONNECTED:
            self._socket.drain()  # what came before it
            self.lost("connection lost")

    def _problem(self, event: int) -> Exception:
        if event in {zmq.EVENT_CLOSED, zmq.EVENT_CONNECT_RETRIED}:
            return ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {self._address}")
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return AccessRefused(
                self._address, "its CURVE allow-list (hub.curve_clients) does not have the public key of 'curve_key'"
            )
        if self._curve:
            reason = "during the CURVE handshake: does it use CURVE, and is 'curve_hub' its public key?"
        else:
            reason = "during the handshake: does it use CURVE? Then it wants to see 'curve_key' and know 'curve_hub'."
        return ConnectFailed(self._address, f"it dropped the connection {reason}")

    # What the link wants of it.

    def _read(self) -> int:
        parts = receive(self._socket.socket)
        if self.answered.done():
            self.take(parts)
        else:
            self._received_at = self._loop.time()
            self._socket.paused = True  # until the owner holds the link
            self._take_answer(parts[1].bytes if len(parts) == 2 and not len(parts[0]) else b"")
        return sum(map(len, parts))

    def _take_answer(self, said: bytes) -> None:
        refusal = read_answer(said)
        if refusal is None:
            self._open = True
            self._settle(None)
        else:
            kind = AccessRefused if refusal.final else ConnectFailed
            self._settle(kind(self._address, refusal.reason))

    def _settle(self, problem: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_result(problem)

    def _cut(self, packet: Sequence[Buffer]) -> Sequence[Part]:
        # The payload of a large packet becomes one part: the hub passes that on as it came, to any number of members.
        size = sum(map(len, packet)) - len(packet[0])
        if size < SPLIT or not packet[0]:
            return packet if len(packet) == 1 else (b"".join(packet),)
        return packet[0], b"".join(packet[1:])

    def _put(self, parts: Sequence[Part]) -> bool:
        taken = hand_over(self._socket.socket, parts)
        self._socket.written()
        return taken

    def _waits(self) -> None:
        self._socket.wait()

    def _release(self, at_once: bool) -> None:
        self._monitor.close()
        self._socket.close(0 if at_once else int(CLOSE_TIMEOUT * 1000))
        self._settle(ConnectFailed(self._address, self._cause))
