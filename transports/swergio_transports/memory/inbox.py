"""What is on its way from one thread to another."""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

HIGH_WATER: Final = 4 * 1024 * 1024
LOW_WATER: Final = 1024 * 1024

PACKET_COST: Final = 1024
"""Bytes that a packet counts beyond its own, which bounds the number of small ones that one turn has to handle."""


class Batch(NamedTuple):
    """
    What came since the last look: packets in order, what they count, and the reason if that was all.
    """

    packets: list[bytes]
    cost: int
    end: str | None


class Inbox:
    """
    A queue that one link fills and another empties, each on its own thread.

    A link is woken once for all that comes until it looks. It is closed to begin with: nothing wakes its owner before
    the first look.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._packets: list[bytes] = []
        self._waiting = 0
        self._unfinished = 0
        self._end: str | None = None
        self._woken = True
        self._sender_waits = False

    def put(self, packet: bytes) -> tuple[bool, bool]:
        """
        Queue a packet; return whether to wake the receiver, and whether there is room for another one.
        """
        with self._lock:
            self._packets.append(packet)
            self._waiting += len(packet) + PACKET_COST
            self._sender_waits = self._waiting + self._unfinished > HIGH_WATER
            return self._wake(), not self._sender_waits

    def finish(self, reason: str, *, drop: bool) -> bool:
        """
        Let nothing come after what is queued, or drop that too; return whether to wake the receiver.
        """
        with self._lock:
            if drop:
                self._packets = []
            if self._end is None:
                self._end = reason
            return self._wake()

    def take(self) -> Batch:
        """
        Return all that is there. ``done`` follows when it is handled.
        """
        with self._lock:
            batch = Batch(self._packets, self._waiting, self._end)
            self._unfinished += self._waiting
            self._packets, self._waiting, self._woken = [], 0, False
            return batch

    def done(self, batch: Batch) -> bool:
        """
        Return whether the sender waits for room and now has it.
        """
        with self._lock:
            self._unfinished -= batch.cost
            if not self._sender_waits or self._waiting + self._unfinished > LOW_WATER:
                return False
            self._sender_waits = False
            return True

    def _wake(self) -> bool:
        was, self._woken = self._woken, True
        return not was
