"""The live tests of passes run over every transport and both faces, as those of rooms and requests do."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from swergio.passes import Node
from tests.live import conftest as live
from tests.live.conftest import component_settings, face, hub_settings, scheme, shared_server, url

__all__ = ["component_settings", "face", "hub_settings", "scheme", "shared_server", "url"]

Function = Callable[..., Any]


def as_async(function: Function) -> Function:
    """
    Return ``function`` as an ``async def`` function, so that it runs on the event loop.
    """
    if inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    async def wrapped(*arguments: Any) -> Any:
        return function(*arguments)

    return wrapped


class AsyncNode:
    """
    A node whose backward function becomes an ``async def`` function too.
    """

    def __init__(self, node: Any) -> None:
        self._node = node

    def backward(self, function: Function) -> Function:
        """
        Register it.
        """
        self._node.backward(as_async(function))
        return function

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)


class AsyncProcess:
    """
    A process of the asyncio face with the calls of the plain one.
    """

    def __init__(self, process: Any, portal: Any) -> None:
        self._process = process
        self._portal = portal

    def __call__(self, x: Any, **how: Any) -> Any:
        """
        Call it on its loop.
        """
        return self._portal.call(lambda: self._process(x, **how))

    def vjp(self, x: Any, **how: Any) -> tuple[Any, Function]:
        """
        Call it on its loop; the pullback too.
        """
        product, pullback = self._portal.call(lambda: self._process.vjp(x, **how))
        return product, lambda *arguments: self._portal.call(lambda: pullback(*arguments))


class AsyncFace(live.AsyncFace):
    """
    The asyncio component; functions of nodes and losses become ``async def`` functions.
    """

    def forward(self, *rooms: Any, blocking: bool = False, **how: Any) -> Callable[[Function], Any]:
        """
        Register a node.
        """
        if blocking:
            return self._inner.forward(*rooms, **how)
        return lambda function: AsyncNode(self._inner.forward(*rooms, **how)(as_async(function)))

    def loss(self, *room: Any, **how: Any) -> Callable[[Function], Any]:
        """
        Register a loss.
        """
        return lambda function: self._inner.loss(*room, **how)(as_async(function))

    def process(self, *rooms: Any, **how: Any) -> AsyncProcess:
        """
        Return a process.
        """
        return AsyncProcess(self._inner.process(*rooms, **how), self._portal)

    @property
    def _keeper(self) -> Any:
        return self._inner._keeper


class PlainFace(live.PlainFace):
    """
    The plain component; ``blocking`` means nothing to it.
    """

    def forward(self, *rooms: Any, blocking: bool = False, **how: Any) -> Callable[[Function], Node]:
        """
        Register a node.
        """
        return super().forward(*rooms, **how)


Make = Callable[..., PlainFace]
"""
Makes a component of the face under test; the asyncio one is used as if it were the plain one.
"""


@pytest.fixture
def make(url: str, face: str, component_settings: dict[str, Any]) -> Iterator[Make]:
    """
    A function that makes components of the face and deployment under test; they are closed at the end.
    """
    made: list[Any] = []

    def component(name: str, **settings: Any) -> Any:
        settings = {**component_settings, **settings}
        made.append((PlainFace if face == "plain" else AsyncFace)(name, url, **settings))
        return made[-1]

    yield component
    for component_ in reversed(made):
        component_.end()
