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
from tests.live.inbox import eventually

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
STEP = re.compile(r"^\| \d+ \| `([\w/]+\.py)` `([\w.]+)` \|", re.MULTILINE)


@contextmanager
def calls_in_new_threads() -> Iterator[set[tuple[str, str]]]:
    """
    Collect the functions that are called here, and in threads that are started meanwhile: their file and name.
    """
    called: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            called.add((frame.f_code.co_filename, frame.f_code.co_qualname))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@pytest.mark.skipif(sys.getprofile() is not None, reason="somebody else is profiling")
def test_every_step_is_taken() -> None:
    steps = set(STEP.findall(PAGE.read_text("utf-8")))
    with calls_in_new_threads() as called, HubThread(["ws://127.0.0.1:0"]) as hub:
        site, model = (swergio.Component(name, hub.urls[0]) for name in ("site", "model"))
        model.forward("features", "forecast")(lambda ctx, x: 2 * x).backward(lambda ctx, grad: 2 * grad)
        model.on("questions")(lambda message: message.feedback(message.data, "DATA/REWARD"))
        rewarded = threading.Event()
        site.on("questions", "DATA/REWARD")(lambda message: rewarded.set())
        with site, model:
            called.clear()
            site.send("questions", 1)
            product, pullback = site.process("features", "forecast").vjp(1.0)
            assert (product, pullback(1.0)) == (2.0, 4.0 / 2)
            assert rewarded.wait(20)

            def not_taken() -> set[tuple[str, str]]:
                return {
                    (file, name)
                    for file, name in steps
                    if not any(
                        path.endswith(f"/{file}") and name in {where, where.split(".")[0]}
                        for path, where in list(called)
                    )
                }

            eventually(lambda: not not_taken(), f"every step is taken, but {sorted(not_taken())}")
    assert len(steps) > 20
