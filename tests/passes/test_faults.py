"""Passes over connections that break, and beyond the life of a hub."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np

import swergio
from swergio.hub import HubThread
from swergio.testing import FaultProxy, Inbox

X = np.array([1.0, -2.0, 3.0])
PASSES = 200
KILLS = 40


@contextmanager
def doubling(url: str) -> Iterator[swergio.Component]:
    """
    A component with a node that doubles.
    """
    model = swergio.Component("model", url)
    model.forward("features", "forecast")(lambda ctx, x: 2 * x).backward(lambda ctx, gradient: 2 * gradient)
    with model:
        yield model


def port_of(hub: HubThread) -> int:
    port = urlsplit(hub.urls[0]).port
    assert port is not None
    return port


def test_passes_are_whole_while_connections_break() -> None:
    with (
        HubThread(["ws://127.0.0.1:0"]) as hub,
        FaultProxy("127.0.0.1", port_of(hub)) as proxy,
        doubling(proxy.url("ws")) as model,
        swergio.Component("trainer", proxy.url("ws")) as trainer,
    ):
        process = trainer.process("features", "forecast")
        done = threading.Event()
        killer = threading.Thread(target=kill, args=(proxy, done))
        killer.start()
        try:
            for number in range(PASSES):
                y, pullback = process.vjp(X * number)
                assert np.array_equal(y, 2 * X * number)
                assert np.array_equal(pullback(X), 2 * X)
                if number == PASSES - 1 and killer.is_alive():
                    killer.join()
        finally:
            done.set()
            killer.join()
        y, pullback = process.vjp(X)
        assert np.array_equal(pullback(X), 2 * X)
        assert model.stats.reconnects + trainer.stats.reconnects >= KILLS / 4
        assert model._keeper.nodes.owed == 0
        assert (trainer.stats.unmatched_feedback, trainer.stats.lost) == (0, 0)


def kill(proxy: FaultProxy, done: threading.Event) -> None:
    killed = 0
    while killed < KILLS and not done.wait(0.02):
        killed += proxy.abort_one()


def test_training_goes_on_with_another_hub() -> None:
    with HubThread(["ws://127.0.0.1:0"]) as hub:
        port = port_of(hub)
        url = hub.urls[0]
        with doubling(url), swergio.Component("trainer", url, pass_timeout=30) as trainer:
            process = trainer.process("features", "forecast")
            y, pullback = process.vjp(X)
            hub.close()
            result = Inbox()
            thread = threading.Thread(target=lambda: result.put(pullback(X)))
            thread.start()
            with HubThread([f"ws://127.0.0.1:{port}"]):
                assert np.array_equal(result.wait(1)[0], 2 * X)
                thread.join()
                assert np.array_equal(process(X), y)
