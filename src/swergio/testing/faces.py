"""Both faces of a component behind one set of plain calls, so that a test is written once and run over both."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeAlias, cast

import swergio.asyncio
import swergio.component
from swergio.passes import Node
from swergio.portal import Portal

FACES = ("plain", "asyncio")

Function: TypeAlias = Callable[..., Any]
Register: TypeAlias = Callable[[Function], Any]

_AT_ONCE = frozenset({"alert", "name", "instance", "stats", "guarantees", "on_loss", "stop"})


class PlainFace(swergio.component.Component):
    """
    The plain component; ``blocking`` means nothing to it.
    """

    def on(self, *room: Any, blocking: bool = False, **how: Any) -> Register:
        """
        Register a handler.
        """
        return super().on(*room, **how)

    def forward(self, *rooms: Any, blocking: bool = False, **how: Any) -> Callable[[Function], Node]:
        """
        Register a node.
        """
        return super().forward(*rooms, **how)

    def end(self) -> None:
        """
        Close it and whatever runs for it.
        """
        self.close()


class AsyncFace:
    """
    The asyncio component with the calls of the plain one: each call is awaited on a loop in another thread.

    Handlers, and the functions of nodes and losses, become ``async def`` functions unless they are registered with
    ``blocking=True``, which says that they wait for something.
    """

    def __init__(self, name: str, url: str, **settings: Any) -> None:
        self._inner = swergio.asyncio.Component(name, url, **settings)
        self._portal = Portal(f"test {name}")
        self._closed = False

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """
        Connect.
        """
        self._portal.call(self._inner.start)
        return self

    def close(self) -> int:
        """
        Close it; its loop goes on.
        """
        if self._closed:
            return 0
        self._closed = True
        return self._portal.call(self._inner.close)

    def end(self) -> None:
        """
        Close it, and end its loop.
        """
        self.close()
        self._portal.end(5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.end()

    # -- registration ---------------------------------------------------------------------------------------------

    def on(self, *room: Any, blocking: bool = False, **how: Any) -> Register:
        """
        Register a handler.
        """
        return self._registering(self._inner.on(*room, **how), blocking=blocking)

    def on_presence(self, room: str, *, blocking: bool = False) -> Register:
        """
        Register a function for joins and leaves.
        """
        return self._registering(self._inner.on_presence(room), blocking=blocking)

    def _registering(self, register: Register, *, blocking: bool) -> Register:
        def registered(function: Function) -> Function:
            register(function if blocking else as_async(function))
            return function

        return registered

    def forward(self, *rooms: Any, blocking: bool = False, **how: Any) -> Register:
        """
        Register a node.
        """
        if blocking:
            return self._inner.forward(*rooms, **how)
        return lambda function: AsyncNode(self._inner.forward(*rooms, **how)(as_async(function)))

    def loss(self, *room: Any, **how: Any) -> Register:
        """
        Register a loss.
        """
        return lambda function: self._inner.loss(*room, **how)(as_async(function))

    # -- calls ----------------------------------------------------------------------------------------------------

    def messages(self, room: str, **how: Any) -> Iterator[Any]:
        """
        Iterate over the messages of a room.
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

    def process(self, *rooms: Any, **how: Any) -> AsyncProcess:
        """
        Return a process.
        """
        return AsyncProcess(self._inner.process(*rooms, **how), self._portal)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name in _AT_ONCE or name.startswith("_"):
            return value
        return lambda *arguments, **named: self._portal.call(lambda: value(*arguments, **named))


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

    def __init__(self, process: Any, portal: Portal) -> None:
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


def component(face: str, name: str, url: str, **settings: Any) -> PlainFace:
    """
    Return a component of a face, one of `FACES`; the asyncio one is used as if it were the plain one.
    """
    return PlainFace(name, url, **settings) if face == "plain" else cast("PlainFace", AsyncFace(name, url, **settings))
