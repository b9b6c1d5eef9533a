"""
A bare hub of pyzmq: a ROUTER on a Unix socket, and DEALERs.

Blocking sockets, which are twice as fast as those of ``zmq.asyncio``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import zmq

from benchmarks.peers.relay import Rooms, path_of
from swergio.bench.clients import Blocking, Place
from swergio.bench.role import Orders, say


def serve(**_: str) -> None:
    """
    Relay until told to end.
    """
    Orders()
    rooms: Rooms[bytes] = Rooms()
    known: dict[bytes, list[bytes]] = {}
    with tempfile.TemporaryDirectory() as folder:
        router = zmq.Context().socket(zmq.ROUTER)
        # A full DEALER holds the relay up rather than losing what is for it.
        router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        url = f"ipc://{Path(folder) / str(os.getpid())}"
        router.bind(url)
        say(ready=True, url=url)
        receive, send, more = router.recv, router.send, zmq.SNDMORE
        while True:
            sender, body = receive(), receive()
            others = known.get(sender)
            if others is None:
                known[sender] = rooms.enter(body.decode(), sender)
                router.send_multipart([sender, b""])
                continue
            for other in others:
                send(other, more)
                send(body, copy=False)  # copied all the same unless it is large


class Client(Blocking):
    """
    A DEALER; the first thing that it sends says which rooms it is in.
    """

    def __init__(self, place: Place) -> None:
        dealer: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        dealer.connect(place.url)
        dealer.send(path_of(place).encode())
        dealer.recv()
        self.send = dealer.send  # type: ignore[method-assign, assignment]
        self.receive = dealer.recv  # type: ignore[method-assign]
        self._dealer = dealer

    def send(self, body: Any) -> None:
        """
        Send a message.
        """
        self._dealer.send(body)
