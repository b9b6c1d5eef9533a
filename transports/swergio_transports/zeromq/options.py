"""The options of sockets; `docs/transport-zeromq.md` says what each is for."""

from __future__ import annotations

from typing import Final

import zmq

from swergio.hub.link import LinkOptions
from swergio_transports.zeromq.sockets import Socket

HIGH_WATER: Final = 32
"""Messages that libzmq holds for one peer, in each direction. Packets are large under load, so few of them are much."""

USER_TIMEOUT: Final = 20_000
"""Milliseconds after which the kernel gives up on bytes that nobody acknowledges; by itself it tries a quarter hour."""


def configure(socket: Socket, options: LinkOptions) -> None:
    """
    Set what both ends have in common.
    """
    socket.setsockopt(zmq.LINGER, 0)  # `close` waits for the peer's BYE, so that nothing is left to linger for
    socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
    socket.setsockopt(zmq.RCVHWM, HIGH_WATER)
    socket.setsockopt(zmq.MAXMSGSIZE, options.max_packet)
    socket.setsockopt(zmq.HANDSHAKE_IVL, max(1, int(options.handshake_timeout * 1000)))
    socket.setsockopt(zmq.HEARTBEAT_IVL, 0)  # the hub's protocol has its own, and what is alive is judged above
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_MAXRT, USER_TIMEOUT)
    socket.setsockopt(zmq.IPV6, 1)
    if socket.type == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # or it drops what finds no room, and says nothing
    else:
        socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued for a connection that is not there
        socket.setsockopt(zmq.RECONNECT_IVL, -1)
