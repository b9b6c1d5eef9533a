"""The library eclipse-zenoh: sessions of its Python API, and one in router mode, which is what its own router runs."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import zenoh

from swergio.bench.clients import Blocking, Place, Take
from swergio.bench.role import Orders, say

DEADLINE = 20.0


def _open(mode: str, where: str, url: str) -> zenoh.Session:
    config = zenoh.Config()
    told = {"mode": mode, f"{where}/endpoints": [url], "scouting/multicast/enabled": False}
    for key, value in told.items():
        config.insert_json5(key, json.dumps(value))
    return zenoh.open(config)


def serve(**_: str) -> None:
    """
    Route until told to end.
    """
    Orders()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"tcp/127.0.0.1:{port}"
    with _open("router", "listen", url):
        say(ready=True, url=url)
        threading.Event().wait()


class Client(Blocking):
    """
    A session, with a publisher that waits rather than drops, and a subscriber.
    """

    def __init__(self, place: Place) -> None:
        self._session = _open("client", "connect", place.url)
        self._place = place
        self._publisher: Any = None
        self._subscriber: Any = None
        if place.sends:
            block = zenoh.CongestionControl.BLOCK
            self._publisher = self._session.declare_publisher(place.sends, congestion_control=block)

    def send(self, body: Any) -> None:
        """
        Publish.
        """
        self._publisher.put(body)

    def listen(self, take: Take) -> None:
        """
        Have a callback take what comes.
        """
        room = self._place.listens or ""
        self._subscriber = self._session.declare_subscriber(room, lambda sample: take(sample.payload.to_bytes()))
        threading.Event().wait()

    def receive(self) -> Any:
        """
        Return the next message.
        """
        if self._subscriber is None:
            self._subscriber = self._session.declare_subscriber(self._place.listens or "")
        return self._subscriber.recv().payload.to_bytes()

    def echo(self) -> None:
        """
        Publish in the callback.
        """
        self.listen(self._publisher.put)

    def ask(self, body: Any) -> Any:
        """
        Publish, and wait for what comes back; the first time, until the other side is known.
        """
        if self._subscriber is None:
            self._subscriber = self._session.declare_subscriber(self._place.listens or "")
            self._wait_for_the_other()
        self._publisher.put(body)
        return self._subscriber.recv().payload.to_bytes()

    def _wait_for_the_other(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            self._publisher.put(b"probe")
            if self._subscriber.try_recv() is not None:
                break
            time.sleep(0.05)
        time.sleep(0.2)
        while self._subscriber.try_recv() is not None:  # the other probes
            pass
