"""A bare relay with pyzmq, over a Unix socket: no rooms, no acknowledgements, nothing recovered.

Blocking sockets, which are the quickest that pyzmq has; which loop the others use means nothing to them.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import zmq

from benchmarks.roles import Counter, bodies, cpu, measured_cpu, percentiles, say, wait_for_go


def zeromq_hub(**_: str) -> None:
    """
    Passes each message on to every other peer, one send a message.
    """
    path = Path(f"/tmp/swergio-bare-{os.getpid()}.sock")  # noqa: S108
    router = zmq.Context().socket(zmq.ROUTER)
    router.setsockopt(zmq.SNDHWM, 0)
    router.bind(f"ipc://{path}")
    threading.Thread(target=_report, daemon=False).start()
    say(ready=True, url=f"ipc://{path}")
    peers: dict[bytes, None] = {}
    while True:
        sender, body = router.recv_multipart()
        peers[sender] = None
        for peer in peers:
            if peer != sender and body:
                router.send_multipart([peer, body])


def _report() -> None:
    sys.stdin.readline()
    before = cpu()
    sys.stdin.readline()
    say(cpu=cpu() - before)
    os._exit(0)


def _dealer(url: str) -> zmq.Socket[bytes]:
    dealer: zmq.Socket[bytes] = zmq.Context().socket(zmq.DEALER)
    dealer.setsockopt(zmq.RCVHWM, 0)
    dealer.connect(url)
    dealer.send(b"")  # so that the relay knows of it
    return dealer


def zeromq_receiver(url: str, count: int, **_: str) -> None:
    """
    Counts what comes.
    """
    counter = Counter(count)
    dealer = _dealer(url)
    say(ready=True)
    while not counter.done.is_set():
        counter.take(dealer.recv())
    say(**counter.result())


def zeromq_sender(url: str, count: int, size: int, **_: str) -> None:
    """
    Sends as fast as it may.
    """
    dealer = _dealer(url)
    say(ready=True)
    wait_for_go()
    with measured_cpu(count) as spent:
        for body in bodies(count, size):
            dealer.send(body.encode())
        say(cpu=spent())
    wait_for_go()  # what is sent leaves in the background


def zeromq_echo(url: str, **_: str) -> None:
    """
    Sends back what comes.
    """
    dealer = _dealer(url)
    say(ready=True)
    while True:
        dealer.send(dealer.recv())


def zeromq_asker(url: str, count: int, size: int, **_: str) -> None:
    """
    Sends, and waits for it to come back.
    """
    dealer, body, times = _dealer(url), b"x" * size, []
    say(ready=True)
    wait_for_go()
    for _ in range(count):
        began = time.perf_counter()
        dealer.send(body)
        dealer.recv()
        times.append(time.perf_counter() - began)
    say(**percentiles(times[count // 10 :]))
