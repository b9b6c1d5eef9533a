"""
What a component knows of its senders: losses counted once, repetitions noticed.
"""

from __future__ import annotations

import pytest

from swergio.hub.positions import Position, Source
from swergio.hub.sources import Sources, Subscription
from swergio.transport import Mode

ME = "me#1"
ANN = Source("ann#1", 0)


def membership(number: int = 1, *, epochs: tuple[str, ...] = (), echo: bool = False) -> Subscription:
    sub = Subscription("room", Mode.RELIABLE, echo, log=1, next=0, consumed=0, reported=0, membership=number)
    sub.epochs = epochs
    return sub


def deliver(sources: Sources, sub: Subscription, first: int, last: int, after: int | None = None) -> int | None:
    return sources.deliver(sub, ANN, None, first - 1 if after is None else after, first, last)


def position(number: int, start: int = 0, origin: str | None = None, source: Source = ANN) -> Position:
    return Position(*source, number, start, origin)


def test_numbers_that_follow_each_other_are_no_loss_and_a_jump_is_one() -> None:
    sources, sub = Sources(ME), membership()
    assert deliver(sources, sub, 1, 3) == 0
    assert deliver(sources, sub, 4, 4) == 0
    assert deliver(sources, sub, 7, 9) == 2
    assert deliver(sources, sub, 10, 10) == 0


def test_what_was_withdrawn_is_no_loss() -> None:
    sources, sub = Sources(ME), membership()
    assert deliver(sources, sub, 1, 3) == 0
    assert deliver(sources, sub, 6, 6, after=3) == 0
    assert deliver(sources, sub, 10, 10, after=8) == 2


def test_known_numbers_came_already() -> None:
    sources, sub = Sources(ME), membership()
    deliver(sources, sub, 1, 3)
    assert deliver(sources, sub, 1, 3) is None
    assert deliver(sources, sub, 3, 3) is None
    assert deliver(sources, sub, 4, 4) == 0


def test_what_came_before_a_membership_is_not_lost_to_it() -> None:
    sources, sub = Sources(ME), membership()
    sources.begin(sub, [position(5)])
    assert deliver(sources, sub, 6, 6) == 0


@pytest.mark.parametrize(
    ("position", "lost"),
    [
        (position(5), 5),
        (position(5, start=3, origin="earlier"), 5),
        (position(5, start=3, origin="before I joined"), 2),
        (position(5, source=Source(ME, 0)), 0),
    ],
)
def test_what_is_lost_of_a_sender_that_was_never_heard_of(position: Position, lost: int) -> None:
    sources, sub = Sources(ME), membership(epochs=("earlier",))
    assert sum(count for _, count in sources.compare(sub, [position])) == lost
    assert sources.compare(sub, [position]) == []  # once


@pytest.mark.parametrize(("origin", "lost"), [("earlier", 5), ("before I joined", 0)])
def test_a_mark_of_a_sender_that_was_never_heard_of(origin: str, lost: int) -> None:
    sources, sub = Sources(ME), membership(epochs=("earlier",))
    assert sources.mark(sub, ANN, 5, origin) == lost
    assert sources.mark(sub, ANN, 5, origin) == 0
    assert deliver(sources, sub, 6, 6) == 0


def test_a_mark_behind_which_everything_is_known_says_nothing_new() -> None:
    sources, sub = Sources(ME), membership()
    deliver(sources, sub, 1, 8)
    assert sources.mark(sub, ANN, 5, "earlier") == 0
    assert deliver(sources, sub, 6, 8) is None  # they come again
    assert deliver(sources, sub, 9, 9) == 0


def test_own_messages_are_compared_only_by_who_hears_itself() -> None:
    own = position(3, source=Source(ME, 0))
    assert Sources(ME).compare(membership(), [own]) == []
    assert Sources(ME).compare(membership(echo=True), [own]) == [(Source(ME, 0), 3)]


def test_everything_that_was_sent_to_this_very_instance_was_for_it() -> None:
    sources, sub = Sources(ME), membership()
    assert sources.deliver(sub, ANN, ME, 4, 5, 5) == 4
    assert sources.deliver(sub, Source("bob#1", 0), "me", 4, 5, 5) == 0


def test_what_was_sent_between_two_memberships_is_not_lost() -> None:
    sources = Sources(ME)
    deliver(sources, membership(1), 1, 3)
    again = membership(2)
    assert deliver(sources, again, 2, 3) is None  # but is still known
    assert deliver(sources, again, 8, 8) == 0
    assert deliver(sources, again, 10, 10) == 1


def test_when_sources_are_forgotten_no_loss_is_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swergio.hub.sources.MAX_SOURCES", 3)
    sources, sub = Sources(ME), membership(epochs=("earlier",))
    deliver(sources, sub, 1, 5)
    for number in range(2):
        sources.begin(sub, [position(1, source=Source(f"other#{number}", 0))])
    deliver(sources, sub, 6, 6)  # heard of again, so that others are forgotten first
    sources.begin(sub, [position(1, source=Source("other#2", 0))])
    assert deliver(sources, sub, 8, 8) == 1

    for number in range(3, 9):
        sources.begin(sub, [position(1, source=Source(f"other#{number}", 0))])
    assert sources.deliver(sub, ANN, ME, 8, 9, 9) == 0
    assert sources.mark(sub, Source("other#0", 0), 7, "earlier") == 0
    assert sources.compare(sub, [position(7, source=Source("other#1", 0))]) == []
