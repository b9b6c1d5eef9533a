"""What the live tests wait with: a list that tells when it is long enough."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

DEADLINE = 20.0


class Inbox:
    """
    Collects what handlers are given.
    """

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._changed = threading.Condition()

    def put(self, item: Any) -> None:
        """
        Add one. Returns nothing, so that it can be a handler.
        """
        with self._changed:
            self.items.append(item)
            self._changed.notify_all()

    def take_data(self, message: Any) -> None:
        """
        Add the data of a message.
        """
        self.put(message.data)

    def put_address(self, message: Any) -> None:
        """
        Add the data of a message and to whom it is.
        """
        self.put((message.data, message.to))

    def wait(self, count: int, seconds: float = DEADLINE) -> list[Any]:
        """
        Return the items as soon as there are ``count``.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.items) >= count, seconds):
                raise AssertionError(f"{len(self.items)} of {count} items after {seconds} s: {self.items[-3:]}")
            return list(self.items)


def eventually(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """
    Return what ``condition`` returns as soon as it is true.
    """
    tick = threading.Event()
    for _ in range(int(seconds / 0.005)):
        if value := condition():
            return value
        tick.wait(0.005)
    raise AssertionError(f"not within {seconds} s: {what}")
