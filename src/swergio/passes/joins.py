"""Fan-in: inputs from several rooms, joined by the root of their pass. No I/O, no clock."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Incomplete(Generic[T]):
    """
    The inputs of one pass that have come so far, by place.
    """

    inputs: list[T | None]
    size: int
    deadline: float

    @property
    def present(self) -> list[T]:
        """
        What has come.
        """
        return [item for item in self.inputs if item is not None]


class Joins(Generic[T]):
    """
    Passes that wait for inputs, bounded by count, bytes and age. Its methods may be called from any thread.

    Args:
        places: How many inputs make a pass.
        max_waiting, max_bytes: How many passes may wait, and what their inputs may keep together.
    """

    def __init__(self, places: int, max_waiting: int, max_bytes: int) -> None:
        self._places = places
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._waiting: dict[str, Incomplete[T]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, root: str, place: int, item: T, size: int, deadline: float) -> list[T] | None:
        """
        Add an input; return all inputs of its pass, in the order of their places, if this was the last one.

        Args:
            deadline: When the pass expires, if this is its first input.

        Raises:
            ValueError: the pass has an input at this place already.
        """
        with self._lock:
            pending = self._waiting.get(root)
            if pending is None:
                pending = self._waiting[root] = Incomplete([None] * self._places, 0, deadline)
            if pending.inputs[place] is not None:
                raise ValueError("a second message of one pass came to an input; fan-in takes one from each room")
            pending.inputs[place] = item
            pending.size += size
            self._bytes += size
            present = pending.present
            if len(present) < self._places:
                return None
            self._remove(root)
            return present

    def trim(self, now: float) -> list[Incomplete[T]]:
        """
        Give up what is past its deadline, and the oldest while there is too much. To be called after each `put`.
        """
        with self._lock:
            late = [root for root, pending in self._waiting.items() if pending.deadline <= now]
            given_up = [self._remove(root) for root in late]
            while len(self) > 1 and (len(self) > self._max_waiting or self._bytes > self._max_bytes):
                given_up.append(self._remove(next(iter(self._waiting))))
        return given_up

    def _remove(self, root: str) -> Incomplete[T]:
        pending = self._waiting.pop(root)
        self._bytes -= pending.size
        return pending
