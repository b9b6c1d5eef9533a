"""What tests of components wait with: things that tell when they are complete, and what is missing if they are not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

DEADLINE = 20.0  # seconds, where nothing else is said
SHOWN = 10  # of what is missing or superfluous, at most


class Inbox:
    """
    Collects what handlers are given, and waits for it. A handler itself: ``component.on("room")(inbox.take_data)``.

    Attributes:
        items: What came, in order.
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

    def wait(self, count: int, seconds: float | None = None) -> list[Any]:
        """
        Return the items as soon as there are ``count``.

        Raises:
            AssertionError: there were fewer at the deadline.
        """
        seconds = DEADLINE if seconds is None else seconds
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.items) >= count, seconds):
                raise AssertionError(f"{len(self.items)} of {count} items came in {seconds:g} s: {self.items[-3:]}")
            return list(self.items)

    def expect(self, expected: Sequence[Any], seconds: float | None = None, *, ordered: bool = True) -> None:
        """
        Return when exactly the items of ``expected`` have come.

        Raises:
            AssertionError: some are missing at the deadline, came in another order, or came beside them.
        """
        seconds = DEADLINE if seconds is None else seconds
        with self._changed:
            self._changed.wait_for(lambda: len(self.items) >= len(expected), seconds)
            came = list(self.items)
        if problem := difference(came, expected, ordered=ordered):
            raise AssertionError(f"{len(came)} of {len(expected)} messages came in {seconds:g} s; {problem}")


def difference(came: Sequence[Any], expected: Sequence[Any], *, ordered: bool = True) -> str:
    """
    Say how what came is not what was expected; an empty text if it is.
    """
    superfluous = _without(came, expected)
    problems = []
    if missing := _without(expected, came):
        problems.append(f"missing {_listed(missing)}")
    if superfluous:
        twice = all(item in expected for item in superfluous)
        problems.append(f"{'twice' if twice else 'not expected'}: {_listed(superfluous)}")
    if not problems and ordered and list(came) != list(expected):
        place = next(place for place, item in enumerate(came) if item != expected[place])
        problems.append(f"reordered: {came[place]!r} came where {expected[place]!r} was expected")
    return "; ".join(problems)


def _without(some: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    # Items need not be hashable. Where all is well both run side by side, which takes one comparison for each.
    left = list(others)
    rest = []
    for item in some:
        try:
            left.remove(item)
        except ValueError:
            rest.append(item)
    return rest


def _listed(items: Sequence[Any]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(map(repr, items[:SHOWN])) + more


def eventually(condition: Callable[[], Any], what: str, seconds: float | None = None) -> Any:
    """
    Return what ``condition`` returns as soon as it is true.

    Raises:
        AssertionError: it was not at the deadline; tells ``what`` was waited for.
    """
    seconds = DEADLINE if seconds is None else seconds
    tick = threading.Event()
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        tick.wait(0.005)
