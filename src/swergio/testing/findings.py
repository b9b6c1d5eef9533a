"""What a history can show to be wrong, and the report that tells it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from swergio.errors import SwergioError
from swergio.testing.seeds import rerun

Key = str | int

SHOWN_KEYS = 8
SHOWN_FINDINGS = 12


def _some(items: Sequence[Any], shown: int) -> Iterable[str]:
    yield from map(str, items[:shown])
    if len(items) > shown:
        yield f"and {len(items) - shown:,} more"


@dataclass(frozen=True, slots=True)
class Lost:
    """
    Messages of one sender that a member should have got and did not.
    """

    receiver: str
    room: str
    sender: str
    missing: tuple[Key, ...]
    owed: int

    def __str__(self) -> str:
        came = f"{self.owed - len(self.missing):,} of {self.owed:,} messages of {self.sender!r}"
        return (
            f"{came} came to {self.receiver!r} in {self.room!r}; missing {', '.join(_some(self.missing, SHOWN_KEYS))}"
        )


@dataclass(frozen=True, slots=True)
class Duplicated:
    """
    A message that a member got ``times`` times, without being told that it was another attempt.
    """

    receiver: str
    room: str
    key: Key
    times: int

    def __str__(self) -> str:
        return f"message {self.key} came {self.times} times to {self.receiver!r} in {self.room!r}"


@dataclass(frozen=True, slots=True)
class Reordered:
    """
    A message that a member got after ``after``, which the same sender had sent later.
    """

    receiver: str
    room: str
    sender: str
    key: Key
    after: Key

    def __str__(self) -> str:
        late = f"message {self.key} of {self.sender!r} came after its later message {self.after}"
        return f"{late} to {self.receiver!r} in {self.room!r}"


@dataclass(frozen=True, slots=True)
class FromNowhere:
    """
    A message that a member should not have got.
    """

    receiver: str
    room: str
    key: Key
    why: str

    def __str__(self) -> str:
        return f"message {self.key} came to {self.receiver!r} in {self.room!r}: {self.why}"


@dataclass(frozen=True, slots=True)
class Diverging:
    """
    Members that cannot have seen one order.

    Each got its own of the ``keys`` before the next one, and the last member the last key before the first.
    """

    room: str
    members: tuple[str, ...]
    keys: tuple[Key, ...]

    def __str__(self) -> str:
        pairs = zip(self.members, self.keys, self.keys[1:] + self.keys[:1], strict=True)
        told = ", ".join(f"{member!r} got {first} before {second}" for member, first, second in pairs)
        return f"there is no one order in {self.room!r}: {told}"


@dataclass(frozen=True, slots=True)
class Unreported:
    """
    Losses that the component did not report, or not all of them.
    """

    receiver: str
    room: str
    lost: int
    reported: int

    def __str__(self) -> str:
        return f"{self.receiver!r} reported {self.reported:,} of {self.lost:,} lost messages in {self.room!r}"


@dataclass(frozen=True, slots=True)
class Misreported:
    """
    More losses reported than there are.
    """

    receiver: str
    room: str
    lost: int
    reported: int

    def __str__(self) -> str:
        return f"{self.receiver!r} reported {self.reported:,} lost messages in {self.room!r}, and lost {self.lost:,}"


Finding = Lost | Duplicated | Reordered | FromNowhere | Diverging | Unreported | Misreported


@dataclass(frozen=True, slots=True)
class Report:
    """
    What `History.check` found, message by message.

    Attributes:
        sent: How many messages were sent.
        received: How many deliveries there were.
        lost: Per member and sender, what should have come and did not; losses that were allowed are in ``excused``.
        excused: The losses of members that may lose what they report.
        duplicated: Messages that came again.
        reordered: Messages that came after a later one of their sender.
        from_nowhere: Messages that nobody sent there, that were the member's own, or that came to no member.
        diverging: Messages of different senders that members got in orders that contradict each other. What is in
            ``reordered`` is left out, and so is a message that already stands in another contradiction.
        unreported: Losses that the component itself did not report.
        misreported: Reported losses that are none.
        seed: The seed of the run, if there is one.
    """

    sent: int
    received: int
    lost: tuple[Lost, ...] = ()
    excused: tuple[Lost, ...] = ()
    duplicated: tuple[Duplicated, ...] = ()
    reordered: tuple[Reordered, ...] = ()
    from_nowhere: tuple[FromNowhere, ...] = ()
    diverging: tuple[Diverging, ...] = ()
    unreported: tuple[Unreported, ...] = ()
    misreported: tuple[Misreported, ...] = ()
    seed: int | None = None

    @property
    def ok(self) -> bool:
        """
        Whether messages were sent and nothing is wrong; an empty history proves nothing.
        """
        return self.sent > 0 and not any(self._wrong())

    def raise_if_bad(self) -> None:
        """
        Do nothing if all is well.

        Raises:
            BrokenHistory: something is wrong; says what.
        """
        if not self.ok:
            raise BrokenHistory(self)

    def _wrong(self) -> tuple[Sequence[Finding], ...]:
        return (
            self.lost, self.duplicated, self.reordered, self.from_nowhere, self.diverging, self.unreported,
            self.misreported,
        )  # fmt: skip

    def __str__(self) -> str:
        lines = [f"{self.sent:,} messages sent, {self.received:,} received"]
        if not self.sent:
            lines.append("nothing was sent, which proves nothing")
        for findings in self._wrong():
            lines += _some(findings, SHOWN_FINDINGS)
        if self.seed is not None:
            lines.append(rerun(self.seed))
        return "\n  ".join(lines)


@dataclass(eq=False)
class BrokenHistory(SwergioError, AssertionError):
    """
    Messages were lost, duplicated, reordered or came from nowhere; ``report`` says which.
    """

    report: Report

    def __str__(self) -> str:
        return str(self.report)
