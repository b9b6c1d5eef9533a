"""How many passes the processes of a component may keep open."""

from __future__ import annotations

import threading
from collections import deque

from swergio.passes.waits import Signal


class Slots:
    """
    A first-come-first-served bound that waits by signals, so that it serves threads and tasks alike.

    Args:
        count: How many may be held at once.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = count
        self._waiting: deque[Signal] = deque()
        self._lock = threading.Lock()

    def take(self, handed: Signal) -> bool:
        """
        Take a slot; False if there is none now: ``handed`` will be set when one was handed over.
        """
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            self._waiting.append(handed)
            return False

    def give(self) -> None:
        """
        Give a slot back, to whoever waits the longest.
        """
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1

    def withdraw(self, handed: Signal) -> None:
        """
        Wait no longer for a slot; one that was handed over meanwhile is given back.
        """
        with self._lock:
            if handed in self._waiting:
                self._waiting.remove(handed)
                return
        self.give()
