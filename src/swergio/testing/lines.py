"""The two directions of a fault proxy: what is to happen to their bytes, and what did."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from swergio.errors import ConfigurationError

Toward = Literal["target", "client"]
Cuttable = Literal["next", "every", "live"]
Reason = Literal["cuts", "resets", "unreachable"]
Address = tuple[str, int] | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """
    What happens to the bytes of one direction, on every connection. Without arguments: nothing.

    Attributes:
        delay: Seconds that each packet is held. It adds latency only: up to 1 MiB is under way at a time.
        jitter: Up to that many random seconds more, for each packet. Order is kept, as TCP keeps it.
        bandwidth: Bytes per second for each connection; None for as many as come.
        slices: Write pieces of 1 to so many bytes, of random size; None for packets as they come. The borders lie
            at the same bytes of a connection's stream whenever the seed is the same. A receiver that is slower than
            the proxy may still read several pieces at once.
        stall: Let nothing pass and lose nothing: senders feel back-pressure, and what was held arrives afterwards
            (a stopped peer, a short network outage). Connections are not made until it ends.
        swallow: Take everything and drop it, ends of streams and resets too, while the sockets stay open (a peer
            that lost its power). No stream goes on behind a hole: a connection that lost something is reset when
            this ends, as a peer that came back answers bytes of a connection that it does not know.

    Raises:
        ConfigurationError: a number is negative, or ``bandwidth`` or ``slices`` is not above 0.
    """

    delay: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None
    slices: int | None = None
    stall: bool = False
    swallow: bool = False

    def __post_init__(self) -> None:
        for name in ("delay", "jitter"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}", "seconds, 0 or more")
        for name in ("bandwidth", "slices"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigurationError(f"{name} is {value!r}", "bytes, above 0, or None for no limit")


@dataclass(slots=True)
class Counters:
    """
    What a proxy has counted since it began.

    Attributes:
        connections: Accepted; those that were refused do not reach the proxy.
        open: Of them, not closed yet.
        to_target: Bytes handed to the target's sockets.
        to_client: Bytes handed to the clients' sockets.
        swallowed: Bytes dropped, of both directions.
        cuts: Connections ended by a cut.
        resets: Connections reset by `FaultProxy.abort`, or because they had lost something.
        unreachable: Connections that ended because the target could not be reached.
    """

    connections: int = 0
    open: int = 0
    to_target: int = 0
    to_client: int = 0
    swallowed: int = 0
    cuts: int = 0
    resets: int = 0
    unreachable: int = 0

    def add(self, reason: Reason) -> None:
        """
        Count a connection that ended so.
        """
        setattr(self, reason, getattr(self, reason) + 1)


class Cut(NamedTuple):
    """
    The end of a connection once ``limit`` bytes have passed: at once, or when there is one more to pass.
    """

    limit: int
    at_once: bool
    reset: bool


class Ended(Exception):
    """
    A connection is over: how its sockets are closed, and which counter says why.
    """

    def __init__(self, *, reset: bool, reason: Reason | None = None) -> None:
        super().__init__(reset, reason)
        self.reset = reset
        self.reason = reason


class Signal:
    """
    Wakes all who wait at that moment; what they wait for, they look up themselves.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def fire(self) -> None:
        """
        Wake them.
        """
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, until: float | None = None) -> None:
        """
        Return when it fires, or at a time of the loop's clock.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._event.wait()


@dataclass(eq=False)
class Line:
    """
    One direction of all connections: its faults now, and the cuts that wait for new connections.
    """

    toward: Toward
    counters: Counters
    counted: Signal
    faults: Faults = field(default_factory=Faults)
    changed: Signal = field(default_factory=Signal)
    cut_next: Cut | None = None
    cut_every: Cut | None = None

    def take_cut(self) -> Cut | None:
        """
        Return the cut that a new connection gets.
        """
        cut, self.cut_next = self.cut_next or self.cut_every, None
        return cut

    def count(self, passed: int, swallowed: int = 0) -> None:
        """
        Count bytes, and tell who waits for a count.
        """
        if self.toward == "target":
            self.counters.to_target += passed
        else:
            self.counters.to_client += passed
        self.counters.swallowed += swallowed
        self.counted.fire()
