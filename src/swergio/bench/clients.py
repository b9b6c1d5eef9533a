"""
What a role needs of whoever carries its messages: a client that blocks, or one that is awaited.

swergio's two faces are one of each (`swergio.bench.components`); ``benchmarks/peers/`` has the others. A client
overrides what its library has a better way for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

Take: TypeAlias = Callable[[Any], None]


class Place(NamedTuple):
    """
    Where a client is.

    Attributes:
        url: The deployment.
        sends: The room that it sends to.
        listens: The room that it listens to, or none.
        options: What its library is told.
    """

    url: str
    sends: str | None
    listens: str | None
    options: dict[str, Any]


class Blocking(ABC):
    """
    A client for plain code.

    Args:
        place: Where it is. It is connected, and listens, when it is made.
    """

    @abstractmethod
    def __init__(self, place: Place) -> None: ...

    @abstractmethod
    def send(self, body: Any) -> None:
        """
        Send one message, now or with others.
        """

    def send_all(self, bodies: Iterable[Any]) -> None:
        """
        Send many, as fast as may be.
        """
        send = self.send
        for body in bodies:
            send(body)

    def flush(self) -> None:  # noqa: B027  most keep nothing back
        """
        Return when what was sent is on its way.
        """

    def receive(self) -> Any:
        """
        Return the next message.
        """
        raise NotImplementedError

    def listen(self, take: Take) -> None:
        """
        Hand each message to ``take``, for ever.
        """
        while True:
            take(self.receive())

    def echo(self) -> None:
        """
        Send back each message, for ever.
        """
        while True:
            self.send(self.receive())
            self.flush()

    def ask(self, body: Any) -> Any:
        """
        Send a message, and return what comes back.
        """
        self.send(body)
        self.flush()
        return self.receive()


class Awaited(ABC):
    """
    The same for asyncio.
    """

    def __init__(self, place: Place) -> None:
        self.place = place

    @abstractmethod
    async def connect(self) -> None:
        """
        Connect, and begin to listen.
        """

    @abstractmethod
    async def send(self, body: Any) -> None:
        """
        Send one message, now or with others.
        """

    async def send_all(self, bodies: Iterable[Any]) -> None:
        """
        Send many, as fast as may be.
        """
        for body in bodies:
            await self.send(body)

    async def flush(self) -> None:  # noqa: B027  most keep nothing back
        """
        Return when what was sent is on its way.
        """

    async def receive(self) -> Any:
        """
        Return the next message.
        """
        raise NotImplementedError

    async def listen(self, take: Take) -> None:
        """
        Hand each message to ``take``, for ever.
        """
        while True:
            take(await self.receive())

    async def echo(self) -> None:
        """
        Send back each message, for ever.
        """
        while True:
            await self.send(await self.receive())
            await self.flush()

    async def ask(self, body: Any) -> Any:
        """
        Send a message, and return what comes back.
        """
        await self.send(body)
        await self.flush()
        return await self.receive()
