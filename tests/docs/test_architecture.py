"""The way of one message, as the architecture page tells it, is the way that a message takes."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import swergio
from swergio.hub import HubThread
from swergio.testing import eventually

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
STEP = re.compile(r"^\| \d+ \| `([\w/]+\.py)` `([\w.]+)` \|", re.MULTILINE)


@contextmanager
def calls() -> Iterator[set[str]]:
    """
    Collect the functions that are called here, and in threads that are started meanwhile, as ``file.py:Class.method``.
    """
    called: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            called.add(f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}")

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def untaken(called: set[str]) -> list[str]:
    """
    Return the steps of the page that were not taken; a step may name a function, or a class of which any will do.
    """
    steps = [f"/{file}:{name}" for file, name in STEP.findall(PAGE.read_text("utf-8"))]
    assert len(steps) > 20
    seen = list(called)
    return [step for step in steps if not any(call.endswith(step) or f"{step}." in call for call in seen)]


@pytest.mark.skipif(sys.getprofile() is not None, reason="somebody else is profiling")
def test_every_step_is_taken() -> None:
    rewarded = threading.Event()
    with calls() as called, HubThread(["ws://127.0.0.1:0"]) as hub:
        site, model = (swergio.Component(name, hub.urls[0]) for name in ("site", "model"))
        model.forward("features", "forecast")(lambda ctx, x: 2 * x).backward(lambda ctx, grad: 2 * grad)
        model.on("guesses")(lambda message: message.feedback(message.data, "DATA/REWARD"))
        site.on("guesses", "DATA/REWARD")(lambda message: rewarded.set())
        process = site.process("features", "forecast")
        with site, model:
            running = {call for call in list(called) if call.endswith(":Dispatcher.run")}
            called.clear()
            called.update(running)  # the loop of a thread, which was called once
            site.send("guesses", 1)
            product, pullback = process.vjp(3.0)
            assert (product, pullback(1.0)) == (6.0, 2.0)
            assert rewarded.wait(20)
            sys.setprofile(None)  # what is left to come is for other threads
            eventually(lambda: not untaken(called), f"every step is taken, but for {untaken(called)}")
