"""A membership of a group: messages are not read but taken, few at a time, and finished one by one. Pure logic.

Theory of operation. What is published in the room says only that there may be work. A member asks for some whenever it
has less in hand than it may have, and tells with the same call what it has finished. It asks every second in any case:
what somebody did not finish who is gone now is for others. How much it may have in hand follows from how quick its
handlers are: what waits here for a slow one could be done by somebody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from swergio_transports.redis.entries import Entry, stored
from swergio_transports.redis.reading import Reading, State

FEW: Final = 1
MANY: Final = 64
QUICK: Final = 0.01
"""Seconds in which quick handlers finish all that was in hand."""


class Work(NamedTuple):
    """
    One entry that was given to this member; ``attempt`` counts those who had it before.
    """

    id: bytes
    entry: Entry
    attempt: int


@dataclass(slots=True, eq=False)
class Share(Reading):
    """
    A membership of the group ``manner.group``.

    Attributes:
        held: Ids of what is in hand.
        handled: What is not, while what its handler sent is under way: it is not finished before that arrived.
        finished: What the server must be told of.
        most: How much may be in hand.
        unsure: An answer was lost: the server may have given us what we do not know of.
        asked_at: When work was asked for last.
        hungry: There may be more than we have.
    """

    held: dict[bytes, None] = field(default_factory=dict)
    handled: dict[bytes, None] = field(default_factory=dict)
    finished: dict[bytes, None] = field(default_factory=dict)
    most: int = FEW
    unsure: bool = False
    asked_at: float = 0.0
    hungry: bool = True
    telling: tuple[bytes, ...] = ()

    @property
    def tracked(self) -> bool:
        """
        It is told otherwise.
        """
        return False

    @property
    def seen(self) -> int:
        """
        The end of what was seen of the log.
        """
        return self.base

    @property
    def credit(self) -> int:
        """
        None for what is published.
        """
        return 0

    def published(self, entry: Entry) -> bool:
        """
        There may be work.
        """
        self.top = max(self.top, entry.end)
        self.hungry = True
        return False

    def wanted(self) -> tuple[int, int] | None:
        """
        Nothing is fetched.
        """
        return None

    def joined(self, base: int, top: int) -> None:
        """
        The membership is in force.
        """
        self.base, self.until = base, top
        self.joining = False
        self.hungry = True

    def stands(self, state: State) -> bool:
        """
        The log may be another.
        """
        self.base = state.base
        self.hungry = True
        return True

    # -- work -----------------------------------------------------------------------------------------------------

    def ask(self, now: float) -> tuple[int, bool, tuple[bytes, ...]] | None:
        """
        Return what to ask for: how much, whether what we may have already comes first, and what is finished.
        """
        room = self.most - len(self.held)
        hungry = self.hungry and room > 0
        if self.joining or self.fetching or not (hungry or self.finished):
            return None
        if self.finished and not self.held and now - self.asked_at < QUICK:
            self.most = min(2 * self.most, MANY)
            room = self.most
        elif self.held and now - self.asked_at > QUICK:
            self.most = FEW
        self.asked_at = now
        self.fetching = True
        self.telling = tuple(self.finished)
        if not hungry:
            return 0, self.unsure, self.telling
        self.hungry = False
        return max(0, room), self.unsure, self.telling

    def answered(self, answer: Sequence[Any], asked: int) -> list[Work]:
        """
        Take the answer; -1 in its place of the top says that we are no member.

        Raises:
            ProtocolError: It is malformed.
        """
        self.fetching = self.unsure = False
        for told in self.telling:
            self.finished.pop(told, None)
        top, *items = answer
        self.top = max(self.top, top)
        work = [Work(item[0], stored((item[0], item[1:3])), item[3] - 1) for item in items]
        work = [one for one in work if not (one.id in self.held or one.id in self.handled or one.id in self.finished)]
        self.held.update(dict.fromkeys(one.id for one in work))
        if asked and len(items) >= asked:
            self.hungry = True
        return work

    def lost(self) -> None:
        """
        No answer came.
        """
        self.fetching = False
        self.unsure = self.hungry = True

    def done(self, id_: bytes) -> None:
        """
        What has this id was handled.
        """
        if id_ in self.held:
            del self.held[id_]
            self.handled[id_] = None

    def end(self, id_: bytes) -> None:
        """
        What its handler sent has arrived, too.
        """
        if id_ in self.handled:
            del self.handled[id_]
            self.finished[id_] = None
