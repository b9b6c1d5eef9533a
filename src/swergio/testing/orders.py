"""Whether the members of a room can have seen one order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from swergio.testing.findings import Diverging, Key


class Merge:
    """
    The members' orders merged into one, as far as that goes.

    A message goes into it once it is the next one of all who got it. Where that never happens, members wait for one
    another in a circle, which is what is wrong.
    """

    def __init__(self, room: str, orders: Mapping[str, Sequence[Key]]) -> None:
        self._room = room
        self._members = list(orders)
        self._holders: dict[Key, list[int]] = {}
        for index, order in enumerate(orders.values()):
            for key in order:
                self._holders.setdefault(key, []).append(index)
        self._orders = [[key for key in order if len(self._holders[key]) > 1] for order in orders.values()]
        self._next = [0] * len(self._orders)
        self._ready: Counter[Key] = Counter()
        self._dropped: set[Key] = set()

    def contradictions(self) -> Iterator[Diverging]:
        """
        Yield each circle, and go on without its messages.
        """
        moved = list(range(len(self._orders)))
        while True:
            self._advance(moved)
            stuck = next((key for index in range(len(self._orders)) if (key := self._head(index)) is not None), None)
            if stuck is None:
                return
            members, keys = self._circle(stuck)
            yield Diverging(self._room, tuple(self._members[index] for index in members), tuple(keys))
            self._dropped.update(keys)
            moved = [index for index in range(len(self._orders)) if self._head(index) in self._dropped]

    def _head(self, index: int) -> Key | None:
        order, place = self._orders[index], self._next[index]
        return order[place] if place < len(order) else None

    def _advance(self, moved: list[int]) -> None:
        """
        Look at the next message of each member that moved, and move all who wait for one that is ready.
        """
        while moved:
            index = moved.pop()
            key = self._head(index)
            if key is None:
                continue
            if key in self._dropped:
                self._next[index] += 1
                moved.append(index)
                continue
            self._ready[key] += 1
            if self._ready[key] == len(self._holders[key]):
                for holder in self._holders[key]:
                    self._next[holder] += 1
                moved += self._holders[key]

    def _circle(self, key: Key) -> tuple[list[int], list[Key]]:
        """
        Follow who holds a message back, and with which other one, until that comes round.
        """
        keys: list[Key] = []
        members: list[int] = []
        while key not in keys:
            keys.append(key)
            blocker = next(holder for holder in self._holders[key] if self._head(holder) != key)
            members.append(blocker)
            head = self._head(blocker)
            assert head is not None
            key = head
        start = keys.index(key)
        # Each member got the key behind its own one first; told backwards, each got its own one before the next.
        keys, members = keys[start:], members[start:]
        return members[::-1], keys[:1] + keys[:0:-1]
