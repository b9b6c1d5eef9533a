"""
swergio's clients, through the public API: `swergio.Component` and `swergio.asyncio.Component`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import Any

import swergio
import swergio.asyncio
from swergio.bench.clients import Awaited, Blocking, Place, Take

NAME = "swergio-bench"


class Plain(Blocking):
    """
    A component with plain handlers.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._component = swergio.Component(NAME, place.url or None, **place.options).start()
        self._room = place.sends or ""

    def send(self, body: Any) -> None:
        """
        Send to the room.
        """
        self._component.send(self._room, body)

    def send_all(self, bodies: Iterable[Any]) -> None:
        """
        Send all, without a call of a method of this class for each.
        """
        send, room = self._component.send, self._room
        for body in bodies:
            send(room, body)

    def flush(self) -> None:
        """
        Return when the rooms have it all.
        """
        self._component.flush()

    def listen(self, take: Take) -> None:
        """
        Have a handler take what comes.
        """
        self._component.on(self._place.listens or "")(lambda message: take(message.data))
        threading.Event().wait()

    def echo(self) -> None:
        """
        Answer requests.
        """
        self._component.on(self._place.listens or "")(lambda message: message.data)
        threading.Event().wait()

    def ask(self, body: Any) -> Any:
        """
        Make a request.
        """
        return self._component.request(self._room, body)


class Async(Awaited):
    """
    A component with ``async def`` handlers.
    """

    async def connect(self) -> None:
        """
        Connect.
        """
        self._component = swergio.asyncio.Component(NAME, self.place.url or None, **self.place.options)
        self._room = self.place.sends or ""
        await self._component.start()

    async def send(self, body: Any) -> None:
        """
        Send to the room.
        """
        await self._component.send(self._room, body)

    async def send_all(self, bodies: Iterable[Any]) -> None:
        """
        Send all, without a call of a method of this class for each.
        """
        send, room = self._component.send, self._room
        for body in bodies:
            await send(room, body)

    async def flush(self) -> None:
        """
        Return when the rooms have it all.
        """
        await self._component.flush()

    async def listen(self, take: Take) -> None:
        """
        Have a handler take what comes.
        """

        async def handle(message: swergio.Message) -> None:
            take(message.data)

        await self._serve(handle)

    async def echo(self) -> None:
        """
        Answer requests.
        """

        async def answer(message: swergio.Message) -> Any:
            return message.data

        await self._serve(answer)

    async def _serve(self, handle: Any) -> None:
        room = self.place.listens or ""
        await self._component.join(room)
        self._component.on(room)(handle)
        await asyncio.Event().wait()

    async def ask(self, body: Any) -> Any:
        """
        Make a request.
        """
        return await self._component.request(self._room, body)
