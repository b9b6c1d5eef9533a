"""
Lossy members of a log: overtaken, counted, and never given more than their window.
"""

from __future__ import annotations

import pytest

from swergio.hub.log import LOSSY_SHARE
from swergio.hub.positions import Position
from swergio.transport import Mode
from tests.hub.logs import a_log, append, member, take


def test_a_lossy_member_is_overtaken_when_it_lags_more_than_its_share() -> None:
    log = a_log(limit=1000)
    cursor = member(log, mode=Mode.LOSSY)
    for _ in range(10):
        append(log)

    assert not log.full
    assert log.held <= 1000 // LOSSY_SHARE
    assert take(log, cursor) == [8, 9]


def test_what_a_lossy_member_missed_is_told_once() -> None:
    log = a_log(limit=1000)
    cursor = member(log, mode=Mode.LOSSY)
    for sender in ("a", "a", "b", "a", "a", "a"):
        append(log, sender=sender)
    assert take(log, cursor) == [4, 5]

    assert log.take_missed(cursor) == [Position("a", 0, 3, 0, None), Position("b", 0, 1, 0, None)]
    assert log.take_missed(cursor) == []


def test_a_lossy_member_can_be_overtaken_again_before_it_takes_anything() -> None:
    log = a_log(limit=1000)
    cursor = member(log, mode=Mode.LOSSY)
    for _ in range(500):
        append(log)

    assert log.held <= 250
    assert take(log, cursor) == [498, 499]
    assert [position.number for position in log.take_missed(cursor)] == [498]


def test_the_newest_entry_stays_for_a_lossy_member_however_large() -> None:
    log = a_log(limit=1000)
    cursor = member(log, mode=Mode.LOSSY)
    append(log)
    append(log, 5000)
    assert take(log, cursor) == [1]


def test_a_lossy_member_that_consumes_nothing_is_given_no_more_than_its_window() -> None:
    log = a_log(limit=1000)
    cursor = member(log, mode=Mode.LOSSY)
    given = []
    for _ in range(50):
        append(log)
        given += take(log, cursor, window=300)

    assert given == [0, 1, 2]
    log.consume(cursor, 2)  # entries that are not in the log any more
    assert take(log, cursor, window=300) == [48, 49]


def test_a_lossy_member_holds_nobody_back_while_a_reliable_one_does() -> None:
    log = a_log(limit=400)
    reliable, lossy = member(log), member(log, "lossy", Mode.LOSSY)
    for _ in range(4):
        append(log)
    assert log.full
    assert log.held == 400

    take(log, reliable)
    log.consume(reliable, 4)
    log.trim()
    assert not log.full
    assert take(log, lossy) == [3]


@pytest.mark.parametrize("mode", [Mode.LOSSY, Mode.OBSERVER])
def test_a_lossy_member_that_was_overtaken_can_become_reliable(mode: Mode) -> None:
    log = a_log(limit=1000)
    cursor = member(log, mode=mode)
    for _ in range(20):
        append(log)

    log.change(cursor, Mode.RELIABLE, echo=False)
    assert take(log, cursor) == [18, 19]
    assert log.held == 200
    log.consume(cursor, 20)
    log.trim()
    assert log.held == 0


def test_a_reliable_member_that_becomes_lossy_frees_the_room_and_keeps_its_window() -> None:
    log = a_log(limit=300)
    cursor = member(log)
    for _ in range(3):
        append(log)
    assert take(log, cursor, window=200) == [0, 1]
    assert log.full

    log.change(cursor, Mode.LOSSY, echo=False)
    assert not log.full
    assert log.held == 100
    append(log)
    assert take(log, cursor, window=200) == []  # it has not consumed what it was given
    log.consume(cursor, 2)
    assert take(log, cursor, window=200) == [3]


def test_an_observer_does_not_miss_direct_messages_that_it_was_not_given_in_time() -> None:
    log = a_log(limit=400)
    cursor = member(log, mode=Mode.OBSERVER)
    append(log)
    append(log, direct=True)
    append(log)

    assert take(log, cursor) == [2]
    assert [position.number for position in log.take_missed(cursor)] == [1]
