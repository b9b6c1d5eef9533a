"""Sentinels: who is the master now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from swergio.errors import AccessRefused, ConnectFailed
from swergio_transports.redis.address import Place, shown
from swergio_transports.redis.dialing import Identity, dial
from swergio_transports.redis.errors import BrokerLost
from swergio_transports.redis.wire import Wire

ANSWER_TIMEOUT: Final = 1.0


class _Answer(NamedTuple):
    epoch: int
    place: Place


class Sentinels:
    """
    Knows where the master of a service is, as far as any sentinel knows.

    All are asked, and the one with the newest configuration is believed: one that was cut off from the others still
    names the old master.

    Args:
        places: Where they listen.
        service: What they call the master.
        who: Shown to sentinels that want a password.
        heartbeat, dead_after: Of the connections to them.
    """

    def __init__(
        self, places: Sequence[Place], service: str, who: Identity, heartbeat: float, dead_after: float
    ) -> None:
        self._places = places
        self._service = service
        self._who = who
        self._timing = heartbeat, dead_after
        self._wires: dict[Place, Wire] = {}
        self._lock = asyncio.Lock()

    async def find(self) -> Place:
        """
        Return where the master is.

        Raises:
            ConnectFailed: No sentinel answers, or none knows the service.
            AccessRefused: None of them accepts the password.
        """
        async with self._lock:
            asked = await asyncio.gather(*(self._ask(place) for place in self._places), return_exceptions=True)
        answers = [answer for answer in asked if isinstance(answer, _Answer)]
        if answers:
            return max(answers, key=lambda answer: answer.epoch).place
        problems = [problem for problem in asked if isinstance(problem, BaseException)]
        if all(isinstance(problem, AccessRefused) for problem in problems):
            raise problems[0]
        told = [p.reason if isinstance(p, ConnectFailed) else str(p) or type(p).__name__ for p in problems]
        told = [f"{shown(place)}: {problem}" for place, problem in zip(self._places, told, strict=True)]
        raise ConnectFailed(shown(self._places[0]), f"no sentinel knows the master ({'; '.join(told)})")

    def close(self) -> None:
        """
        Release the connections.
        """
        for wire in self._wires.values():
            wire.abort("closed")
        self._wires.clear()

    async def _ask(self, place: Place) -> _Answer:
        wire = self._wires.get(place)
        if wire is None or wire.closed.done():
            wire = self._wires[place] = await self._dial(place)
        service = self._service
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                questions = [("SENTINEL", "MASTER", service), ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)]
                master, address = [await future for future in wire.send(questions)]
        except TimeoutError:
            wire.abort("it does not answer")
            raise BrokerLost(f"no answer within {ANSWER_TIMEOUT:g} s") from None
        if not isinstance(master, dict) or not isinstance(address, list):
            raise BrokerLost(f"it knows no master {service!r}")
        # The address changes a little before the configuration's is the new one: it is the newer word.
        return _Answer(int(master.get(b"config-epoch", 0)), (address[0].decode(), int(address[1])))

    async def _dial(self, place: Place) -> Wire:
        def make() -> Wire:
            return Wire(*self._timing)

        stranger = Identity(self._who.name, context=self._who.context)
        try:
            return await dial(place, stranger, make)
        except AccessRefused:
            if self._who.password is None:
                raise
        return await dial(place, self._who.without_database(), make)
