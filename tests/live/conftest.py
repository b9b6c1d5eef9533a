"""One scenario, every transport and both faces: the tests of this folder are written once, for plain calls."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import swergio
import swergio.asyncio
from swergio.hub import HubThread
from swergio.portal import Portal
from swergio.settings import Settings, load

DEADLINE = 20.0

_numbers = itertools.count()


class AsyncFace:
    """
    The asyncio component with the calls of the plain one: each call is awaited on a loop in another thread.

    Handlers become ``async def`` functions unless they are registered with ``blocking=True``.
    """

    def __init__(self, name: str, url: str, **settings: Any) -> None:
        self._portal = Portal(f"test {name}")
        self._inner = swergio.asyncio.Component(name, url, **settings)
        self._closed = False

    def on(self, *room: Any, blocking: bool = False, **how: Any) -> Callable[[Any], Any]:
        """
        Register a handler.
        """

        def register(function: Any) -> Any:
            async def handler(message: Any) -> Any:
                return function(message)

            self._inner.on(*room, **how)(function if blocking else functools.wraps(function)(handler))
            return function

        return register

    def messages(self, room: str, **how: Any) -> Iterator[Any]:
        """
        Iterate.
        """
        iterator: Any = self._inner.messages(room, **how)
        try:
            while True:
                try:
                    yield self._portal.call(iterator.__anext__)
                except StopAsyncIteration:
                    return
        finally:
            self._portal.call(iterator.aclose)

    def start(self) -> AsyncFace:
        """
        Connect.
        """
        self._portal.call(self._inner.start)
        return self

    def close(self) -> int:
        """
        Close, and end the loop.
        """
        if self._closed:
            return 0
        self._closed = True
        return self._portal.call(self._inner.close)

    def end(self) -> None:
        """
        End the loop.
        """
        self.close()
        self._portal.end(5)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name in {"name", "instance", "stats", "on_loss", "forward", "loss", "stop"}:
            return value
        return lambda *arguments, **named: self._portal.call(lambda: value(*arguments, **named))


class PlainFace(swergio.Component):
    """
    The plain component; ``blocking`` means nothing to it.
    """

    def on(self, *room: Any, blocking: bool = False, **how: Any) -> Callable[[Any], Any]:
        """
        Register a handler.
        """
        return super().on(*room, **how)

    def end(self) -> None:
        """
        Close.
        """
        self.close()


@pytest.fixture(params=["plain", "asyncio"])
def face(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["ws", "memory", "zmq+tcp", "zmq+ipc"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def hub_settings() -> dict[str, Any]:
    """
    Settings of the hub that a test wants otherwise.
    """
    return {}


def address(scheme: str, folder: Path) -> str:
    """
    Return a URL to listen on.
    """
    if scheme == "memory":
        return f"memory://test-{next(_numbers)}"
    return f"zmq+ipc://{folder}/hub" if scheme == "zmq+ipc" else f"{scheme}://127.0.0.1:0"


@pytest.fixture
def url(scheme: str, hub_settings: dict[str, Any], tmp_path: Path) -> Iterator[str]:
    listen = address(scheme, tmp_path)
    settings: Settings = load(listen, **hub_settings)
    with HubThread([listen], settings) as hub:
        yield hub.urls[0]


@pytest.fixture
def make(url: str, face: str) -> Iterator[Callable[..., Any]]:
    """
    A function that makes components of the face and deployment under test; they are closed at the end.
    """
    made: list[Any] = []

    def component(name: str, **settings: Any) -> Any:
        made.append((PlainFace if face == "plain" else AsyncFace)(name, url, **settings))
        return made[-1]

    yield component
    for component_ in reversed(made):
        component_.end()
