"""One forward message, the feedback on it, and what completes it. Values without I/O or clock; see `Ledger`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from swergio.passes.tallies import Tally

O = TypeVar("O")  # noqa: E741  whoever opened a record


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What completes a record.

    Attributes:
        count: So many feedback messages, to be summed; 0: each is applied as it comes; None: one of each member.
        partial: When feedback will not come, go on with what came.
        strict: Fail as soon as anyone leaves who has not answered.
    """

    count: int | None = 0
    partial: bool = False
    strict: bool = False


@dataclass(slots=True, eq=False)
class Record(Generic[O]):
    """
    One forward message and the feedback on it.

    Attributes:
        owner: Whoever opened it.
        room: Where the message was sent.
        terms: What completes it.
        outstanding: Members of the room who have not answered; None if it is not known who was there.
        size: Bytes that the owner keeps for it, roughly.
        shared: Bytes that it may keep beside those, such as weights that were the newest when it was opened.
        since, deadline: When it was opened, and when it expires.
        id: The id of the message; set when it is opened.
        got: How many feedback messages came.
        missing: Who will not answer.
        tally: Where it is counted when all that was owed has come.
    """

    owner: O
    room: str
    terms: Terms
    outstanding: set[str] | None
    size: int
    since: float
    deadline: float
    id: str = ""
    shared: int = 0
    got: int = 0
    missing: list[str] = field(default_factory=list)
    tally: Tally | None = None

    @property
    def complete(self) -> bool:
        """
        Whether the feedback that came is to be applied now.
        """
        count = self.terms.count
        if count is None:
            return not self.outstanding
        return self.got >= count - (len(self.missing) if self.terms.partial else 0)

    @property
    def settled(self) -> bool:
        """
        Whether nothing more is expected.
        """
        if self.terms.count == 0:
            return self.outstanding is not None and not self.outstanding
        return self.complete

    @property
    def hopeless(self) -> bool:
        """
        Whether it cannot be completed, now that somebody left who had not answered.
        """
        count, left = self.terms.count, len(self.outstanding or ())
        if self.terms.partial and count != 0:
            return self.settled
        if self.terms.strict or count is None:
            return True
        return self.got + left < max(1, count)
