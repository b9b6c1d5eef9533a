"""What a component knows of those who send to it: what is lost, and what came twice.

Senders number the messages of each of their channels themselves, across the death of a hub. So the number of the last
message of each *source* (a sender's channel) tells exactly, and each loss once:

- a batch whose numbers are known was sent again;
- a jump in the numbers is a loss of exactly so many messages;
- the positions that come with a join say what was sent before it, which concerns nobody who joins;
- the positions that come with a resume that is not whole say what was missed;
- a mark says that a source survived a hub, and goes on behind the given number.

A source that was never heard of has lost nothing if all that it sent came before the membership began. It did, unless
the source was there during the membership: it began with this hub, or came through an earlier one of whose time the
membership is. (A hub that the member never reached before it died is not known to it: what was sent to such a hub by
a source of which the member had not heard yet is not reported.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from swergio.hub.positions import Position, Source
from swergio.transport import Manner, Mode

MAX_SOURCES = 65_536
MAX_EPOCHS = 16
MAX_HEARD = 1024


@dataclass(slots=True, eq=False)
class Subscription:
    """
    A log that the component reads.

    Attributes:
        room: The room; None for an inbox.
        next: The offset of the first message that has not come.
        consumed: Everything before it was handled; ``reported`` is what the hub knows of that.
        outstanding: Batches that came and were not handled.
        group: The group that shares it, whose other members get the other messages.
        heard: With a group, the number of the last message of each source that the component was given.
        begin: The offset of the first message that is wanted; what comes before it in a batch is passed over.
        until: What has a lower offset was sent before the component joined.
        membership: Tells it from what the component was before it left and joined again.
        epochs: The hubs before this one in whose time the component was a member.
    """

    room: str | None
    mode: Mode
    echo: bool
    log: int
    next: int
    consumed: int
    reported: int
    outstanding: int = 0
    group: str | None = None
    heard: dict[Source, int] | None = None
    begin: int = 0
    until: int = 0
    membership: int = 0
    epochs: tuple[str, ...] = ()

    @classmethod
    def of_inbox(cls) -> Subscription:
        """
        Return that of an inbox, before any hub knows of it.
        """
        return cls(None, Mode.RELIABLE, echo=True, log=-1, next=0, consumed=0, reported=0)

    @property
    def manner(self) -> Manner:
        """
        How the component is a member.
        """
        return Manner(self.mode, self.echo, self.group)

    def hear(self, source: Source, number: int) -> None:
        """
        Note what the component was given as one of a group.
        """
        if self.heard is None:
            self.heard = {}
        self.heard[source] = max(number, self.heard.pop(source, 0))
        if len(self.heard) > MAX_HEARD:
            del self.heard[next(iter(self.heard))]

    def settle(self) -> None:
        """
        Note that what came last needs no handling.
        """
        if not self.outstanding:
            self.consumed = self.next


class Follower(Protocol):
    """
    Who follows a log; see `Subscription`.
    """

    @property
    def echo(self) -> bool:
        """
        Whether it gets its own messages.
        """

    @property
    def membership(self) -> int:
        """
        Tells it from what the component was before it left and joined again.
        """

    @property
    def epochs(self) -> Collection[str]:
        """
        The logs before this one in whose time the component was a member.
        """


class Sources:
    """
    The number of the last message of each source. When there are too many, the longest unheard of are forgotten.
    """

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._heard: dict[Source, tuple[int, int]] = {}  # last number, and the membership in which it came
        self._complete = True  # nothing was forgotten: what is not known was never heard of

    def deliver(self, sub: Follower, source: Source, to: str | None, after: int, first: int, last: int) -> int | None:
        """
        Take the messages ``first`` to ``last``, which follow ``after`` at once or behind some that were withdrawn.

        Returns:
            How many are missing before them; None if they came already.
        """
        known, membership = self._heard.get(source, _NEVER)
        if first <= known:
            return None
        if membership != sub.membership:
            known = 0 if to == self._instance and self._complete else after
        self._note(sub, source, last)
        return after - known if after > known else 0

    def repeat(self, sub: Follower, source: Source, last: int) -> None:
        """
        Take messages up to ``last`` that were sent before the membership began, known or not: they were asked for.
        """
        self._note(sub, source, max(last, self._heard.get(source, _NEVER)[0]))

    def mark(self, sub: Follower, source: Source, number: int, origin: str) -> int:
        """
        Take a mark: ``source`` goes on behind ``number``. Return how many messages are lost.
        """
        return self._advance(sub, source, number, number, origin)

    def compare(self, sub: Follower, positions: Iterable[Position]) -> list[tuple[Source, int]]:
        """
        Take the positions of a log in which the place was lost. Return which sources lost how many messages.
        """
        lost = []
        for sender, channel, number, start, origin in positions:
            if sender != self._instance or sub.echo:
                source = Source(sender, channel)
                lost.append((source, self._advance(sub, source, number, start, origin)))
        return [(source, count) for source, count in lost if count]

    def begin(self, sub: Follower, positions: Iterable[Position]) -> None:
        """
        Take the positions of a log that is read from here on.
        """
        for sender, channel, number, _, _ in positions:
            self.repeat(sub, Source(sender, channel), number)

    def meet(self, sub: Follower, positions: Iterable[Position]) -> None:
        """
        Take the positions of a log of which something is lost, but not all.

        What comes next of a source that was not heard of shows what is missing before it.
        """
        for sender, channel, number, start, origin in positions:
            source = Source(sender, channel)
            if (sender != self._instance or sub.echo) and self._heard.get(source, _NEVER)[1] != sub.membership:
                self._note(sub, source, self._base(sub, source, number, start, origin))

    def _advance(self, sub: Follower, source: Source, number: int, start: int, origin: str | None) -> int:
        base = self._base(sub, source, number, start, origin)
        self.repeat(sub, source, number)
        return max(0, number - base)

    def _base(self, sub: Follower, source: Source, number: int, start: int, origin: str | None) -> int:
        known, membership = self._heard.get(source, _NEVER)
        if membership == sub.membership:
            return known
        was_there = origin is None or origin in sub.epochs
        return max(known, 0 if was_there else start) if self._complete else number

    def _note(self, sub: Follower, source: Source, number: int) -> None:
        self._heard.pop(source, None)
        self._heard[source] = (number, sub.membership)
        if len(self._heard) > MAX_SOURCES:
            # Some at once: a dict looks for its first item among all those that were removed before it.
            for oldest in list(islice(self._heard, max(1, MAX_SOURCES // 16))):
                del self._heard[oldest]
            self._complete = False


_NEVER = (-1, -1)
