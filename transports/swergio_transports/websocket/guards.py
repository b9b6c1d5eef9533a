"""What one peer may make the loop do without sending packets.

Control frames and fragments are cheap to send and dear to take: measured on the `websockets` of 2026, 2 MB/s of
empty pings from one peer took the p99 of another from 1 to 318 ms, and 4 MB of empty continuation frames held the
loop for ten seconds. swergio's own components send neither, so the bounds only have to be kind to other clients.
"""

from __future__ import annotations

from typing import Final

from websockets.frames import CloseCode

CONTROL_BURST: Final = 100
CONTROL_RATE: Final = 20.0
"""Pings and pongs a second, in the long run; a client that measures its latency sends perhaps ten."""

FREE_FRAGMENTS: Final = 256
FRAGMENT_SIZE: Final = 1024
"""Bytes that the fragments of a packet must hold on average, once there are more than the free ones."""


class Flood(Exception):
    """
    A peer passed a bound; the text says which, and ``code`` is what to close with.
    """

    def __init__(self, text: str, code: CloseCode = CloseCode.POLICY_VIOLATION) -> None:
        super().__init__(text)
        self.code = code


class ControlBudget:
    """
    A token bucket for control frames.
    """

    __slots__ = ("_left", "_since")

    def __init__(self) -> None:
        self._left = float(CONTROL_BURST)
        self._since = 0.0

    def spend(self, now: float) -> None:
        """
        Count one control frame that came at ``now``, a monotonic time in seconds.

        Raises:
            Flood: There were too many of them.
        """
        self._left = min(float(CONTROL_BURST), self._left + (now - self._since) * CONTROL_RATE) - 1
        self._since = now
        if self._left < 0:
            raise Flood(f"more than {CONTROL_RATE:g} control frames a second")


class Fragments:
    """
    Collects the fragments of a packet, and bounds their size and number.
    """

    __slots__ = ("_limit", "_parts", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes | memoryview] = []
        self._size = 0

    def add(self, data: bytes | bytearray | memoryview, *, last: bool) -> list[bytes | memoryview] | None:
        """
        Take one fragment; return the packet if it was the last.

        Raises:
            Flood: There are too many for what they hold, or they hold too much.
        """
        self._parts.append(data if isinstance(data, bytes) else memoryview(data).toreadonly())
        self._size += len(data)
        if self._size > self._limit:
            raise Flood(f"more than {self._limit} bytes in fragments", CloseCode.MESSAGE_TOO_BIG)
        if len(self._parts) > FREE_FRAGMENTS + self._size // FRAGMENT_SIZE:
            raise Flood(f"{len(self._parts)} fragments for {self._size} bytes")
        if not last:
            return None
        packet, self._parts, self._size = self._parts, [], 0
        return packet
