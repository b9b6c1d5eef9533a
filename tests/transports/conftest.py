"""
Runs each test of a link on every event loop that is installed.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import warnings
from collections.abc import Callable, Coroutine, Iterator
from itertools import count
from typing import Any, TypeAlias

import pytest

from tests.servers.fixtures import own_server, shared_server
from tests.transports.engines import engine
from tests.transports.threads import OtherThread

__all__ = ["engine", "own_server", "shared_server"]

numbers = count()

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]


def uvloop_loop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    return loop


LOOPS = [
    pytest.param(asyncio.new_event_loop, id="asyncio"),
    pytest.param(
        uvloop_loop,
        id="uvloop",
        marks=pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"),
    ),
]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """
    Run a coroutine, and fail if anything was raised where nobody could catch it.
    """
    unhandled: list[dict[str, Any]] = []

    def run_on_loop(scenario: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.get_loop().set_exception_handler(lambda loop, context: unhandled.append(context))
            try:
                runner.run(scenario)
            except BaseException:
                # What a failed test leaves open would raise inside uvloop's close(), which then never returns.
                warnings.simplefilter("ignore", ResourceWarning)
                raise
        gc.collect()

    yield run_on_loop
    assert unhandled == []


@pytest.fixture
def memory_url() -> str:
    return f"memory://test-{next(numbers)}"


@pytest.fixture
def other() -> Iterator[OtherThread]:
    thread = OtherThread()
    yield thread
    thread.stop()
