"""Clients that do what none should: what a run with them is called shows whether anybody would notice."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from swergio.bench.clients import Place
from swergio.bench.components import Plain

AT = 30  # more than go before the clock starts


class Faulty(Plain):
    """
    Does something to the messages behind the first ``AT``.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._sent = 0

    def send_all(self, bodies: Iterable[Any]) -> None:
        listed = list(bodies)
        before, self._sent = self._sent, self._sent + len(listed)
        super().send_all(self.spoil(listed) if before < AT < self._sent else listed)

    def spoil(self, bodies: list[Any]) -> list[Any]:
        """
        Return what is sent instead.
        """
        raise NotImplementedError


class Losing(Faulty):
    def spoil(self, bodies: list[Any]) -> list[Any]:
        return [*islice(bodies, 5), *bodies[6:]]


class Doubling(Faulty):
    def spoil(self, bodies: list[Any]) -> list[Any]:
        return [*bodies[:6], bodies[5], *bodies[6:]]


class Swapping(Faulty):
    def spoil(self, bodies: list[Any]) -> list[Any]:
        return [*bodies[:5], bodies[6], bodies[5], *bodies[7:]]


class Dying(Faulty):
    def spoil(self, bodies: list[Any]) -> list[Any]:
        raise RuntimeError("no more of this")


class Stuck(Faulty):
    def spoil(self, bodies: list[Any]) -> list[Any]:
        while True:
            pass
