"""Joining and leaving, and making sure that the server knows of it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from swergio.hub import Position
from swergio.transport import NOTHING, Manner, Member, Mode, Past
from swergio_transports.redis import members
from swergio_transports.redis.access import Access
from swergio_transports.redis.calls import Call
from swergio_transports.redis.presence import Presence
from swergio_transports.redis.reading import Reading
from swergio_transports.redis.receiving import Receiver
from swergio_transports.redis.scripts import script


class Memberships:
    """
    Those of one component. All of its calls may be made again if the connection broke in the middle.

    Args:
        access: The way to the server.
        presence: Writes down what others must know.
        receiver: Reads the logs.
        finish: Called before a membership ends: tells the server what was handled.
    """

    def __init__(
        self,
        access: Access,
        presence: Presence,
        receiver: Receiver,
        finish: Callable[[Reading], Awaitable[None]],
    ) -> None:
        self._access = access
        self._broker = access.broker
        self._keys = access.keys
        self._presence = presence
        self._receiver = receiver
        self._finish = finish

    async def enter(self) -> None:
        """
        Be there, with an inbox.

        Raises:
            NameTaken: Somebody else is, and one of us is to be the only one.
        """
        lanes = self._receiver.lanes
        await self._broker.subscribe(*(lane.keys.channel for lane in lanes), self._keys.notices(self._access.instance))
        await self._presence.enter()
        for lane in lanes:
            if lane.joining:
                base, top, positions = await self._begin(lane)
                self._receiver.joined(lane, base, top, positions)

    async def again(self, readings: Sequence[Reading]) -> None:
        """
        Tell the server of memberships that it may not know, or that have changed.
        """
        there, _ = await self._presence.beat()
        if not there:
            await self._presence.enter()
            readings = list(self._receiver)  # who was given up is a member of nothing; the inbox comes first
        await self._access.all([self._call(reading) for reading in readings])

    async def join(self, room: str, manner: Manner, past: Past) -> None:
        """
        See `swergio.transport.Transport.join`.
        """
        if past.age is not None:  # it grows by the time that this takes
            past = past._replace(age=past.age - time.monotonic())
        receiver = self._receiver
        await self._presence.note_room(room, manner)
        await self._presence.list_room(room)
        reading = receiver.rooms.get(room)
        if reading is not None and reading.manner.group != manner.group:
            await self._end(reading)
            reading = None
        if reading is None:
            receiver.rooms[room] = await self._come_in(receiver.begin(self._keys.room(room), room, manner), past)
        elif reading.manner != manner:
            await self._change(reading, manner)
        await self._observe(room, manner)

    async def leave(self, room: str) -> None:
        """
        See `swergio.transport.Transport.leave`.
        """
        for readings in (self._receiver.rooms, self._receiver.observed):
            if room in readings:
                await self._end(readings[room])
        await self._presence.note_room(room, None)

    async def _change(self, reading: Reading, manner: Manner) -> None:
        heard_itself, reading.manner = reading.manner.echo, manner
        _, _, positions = await self._begin(reading)
        if manner.echo and not heard_itself:  # what it sent before is none that it lacks
            own = [position for position in positions if position.sender == self._access.instance]
            self._receiver.begins(reading, own)

    async def _observe(self, room: str, manner: Manner) -> None:
        receiver = self._receiver
        observed = receiver.observed.get(room)
        if manner.mode is Mode.OBSERVER and observed is None:
            begun = receiver.begin(self._keys.observed(room), room, manner, observed=True)
            receiver.observed[room] = await self._come_in(begun, NOTHING)
        elif manner.mode is not Mode.OBSERVER and observed is not None:
            await self._end(observed)

    async def _come_in(self, reading: Reading, past: Past) -> Reading:
        try:
            await self._broker.subscribe(reading.keys.channel)
            # A group that begins with this member begins where its past does.
            start = (await self._look_back(reading, 0, past))[0] if reading.manner.group else 0
            base, top, positions = await self._begin(reading, start)
            begin = await self._look_back(reading, top, past)
            kept = await self._broker.ask(reading.keys.kept, "GET", reading.keys.kept) if past.kept else None
        except BaseException:
            self._receiver.end(reading)
            raise
        self._receiver.joined(reading, base, top, positions, *begin, kept)
        return reading

    async def _look_back(self, reading: Reading, top: int, past: Past) -> tuple[int, int]:
        if past.last is None and past.age is None:
            return top, 0
        last = -1 if past.last is None else past.last
        age = -1 if past.age is None else int((past.age + time.monotonic()) * 1000)
        words = (top, self._access.limits.history, last, age)
        place, over = await self._broker.run(script("past"), reading.keys, words)
        return place, over

    async def _begin(self, reading: Reading, start: int = 0) -> tuple[int, int, list[Position]]:
        base, top, flat = await self._broker.run(*self._call(reading, start))
        return base, top, members.positions(flat)

    def _call(self, reading: Reading, start: int = 0) -> Call:
        manner, instance = reading.manner, self._access.instance
        note = members.note(Member(instance, manner.mode, manner.group), joined=True)
        words: tuple[Any, ...] = (
            instance, self._presence.own.life, members.written(manner), int(reading.reliable), reading.base,
            reading.seen, self._access.verb, note, reading.consumed, manner.group or "", start,
        )  # fmt: skip
        return Call(script("join"), reading.keys, words)

    async def _end(self, reading: Reading) -> None:
        room = reading.room or ""
        self._receiver.end(reading)  # nothing more is delivered, also if what follows has to be done again
        await self._finish(reading)
        await self._presence.leave(room, reading.manner, observed=reading.observed)
        await self._broker.unsubscribe(reading.keys.channel)
        (self._receiver.observed if reading.observed else self._receiver.rooms).pop(room, None)
