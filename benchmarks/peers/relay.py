"""Who is in which room of a bare relay: told in the path of the URL, ``/SENDS/LISTENS``, with ``-`` for none."""

from __future__ import annotations

from collections import defaultdict
from typing import Generic, TypeVar

from swergio.bench.clients import Place

T = TypeVar("T")


def path_of(place: Place) -> str:
    """
    Return the path that a client connects with.
    """
    return f"/{place.sends or '-'}/{place.listens or '-'}"


class Rooms(Generic[T]):
    """
    The members of each room.
    """

    def __init__(self) -> None:
        self._members: defaultdict[str, list[T]] = defaultdict(list)

    def enter(self, path: str, member: T) -> list[T]:
        """
        Note a member; return the list of those to whom it sends, which is kept up to date.
        """
        _, sends, listens = path.split("/")
        self._members[listens].append(member)
        return self._members[sends]

    def leave(self, path: str, member: T) -> None:
        """
        Forget a member.
        """
        self._members[path.split("/")[2]].remove(member)
