"""
The log of a room: what it keeps, what it drops, who holds it back.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swergio.hub.log import Budget, Log
from swergio.hub.positions import Position
from swergio.transport import Mode
from tests.hub.logs import EVERYTHING, LIMIT, a_log, append, member, take


def test_a_log_without_members_keeps_nothing() -> None:
    log = a_log()
    append(log)

    assert log.held == 0
    assert log.next == 1
    assert not log.full


def test_an_entry_stays_until_the_slowest_reliable_member_consumed_it() -> None:
    log = a_log()
    quick, slow = member(log, "quick"), member(log, "slow")
    for _ in range(3):
        append(log)
    for cursor in (quick, slow):
        assert take(log, cursor) == [0, 1, 2]

    log.consume(quick, 3)
    log.trim()
    assert log.held == 300
    assert log.consume(slow, 2)
    log.trim()
    assert log.held == 100
    assert log.slowest() == "slow"


def test_a_log_is_full_when_a_reliable_member_is_its_limit_behind() -> None:
    log = a_log(limit=300)
    cursor = member(log)
    append(log)
    append(log)
    assert not log.full
    append(log)
    assert log.full

    take(log, cursor)
    assert log.full  # given is not consumed
    log.consume(cursor, 1)
    assert not log.full


def test_the_last_member_that_leaves_takes_along_what_only_it_needed() -> None:
    log = a_log(limit=100)
    member(log)
    append(log)
    assert log.full
    log.remove("member")
    assert not log.full
    assert log.held == 0
    assert log._budget.used == 0


def test_a_member_is_given_what_fits_its_window_and_at_least_one_entry() -> None:
    log = a_log(limit=EVERYTHING)
    cursor = member(log)
    for cost in (500, 100, 100, 100):
        append(log, cost)

    assert take(log, cursor, window=200) == [0]
    log.consume(cursor, 1)
    assert take(log, cursor, window=200) == [1, 2]
    assert take(log, cursor, window=200) == []
    log.consume(cursor, 2)
    assert take(log, cursor, window=200) == [3]


def test_a_sender_does_not_get_its_own_messages_and_they_are_not_kept_for_it() -> None:
    log = a_log(limit=300)
    cursor = member(log, "sender")
    for _ in range(5):
        append(log, sender="sender")

    assert take(log, cursor) == []
    assert log.held == 0
    assert not log.full


def test_a_single_own_message_is_dropped_at_once() -> None:
    log = a_log(limit=EVERYTHING)
    member(log, "sender")
    append(log, sender="sender")
    assert log.held == 0


def test_own_messages_that_the_link_never_asked_for_are_passed_over_too() -> None:
    log = a_log(limit=EVERYTHING)
    cursor = member(log, "sender")
    append(log, sender="other")
    assert take(log, cursor) == [0]
    append(log, sender="sender")

    assert log.consume(cursor, 1)
    log.trim()
    assert log.held == 0


def test_own_messages_behind_others_are_passed_over_when_those_are_consumed() -> None:
    log = a_log()
    cursor = member(log, "sender")
    append(log, sender="other")
    append(log, sender="sender")
    append(log, sender="sender")
    assert take(log, cursor) == [0]

    assert log.consume(cursor, 1)
    log.trim()
    assert log.held == 0


def test_own_messages_before_others_do_not_shut_the_window() -> None:
    log = a_log(limit=EVERYTHING)
    cursor = member(log, "sender")
    append(log, sender="other")
    append(log, 5000, sender="sender")
    append(log, sender="other")

    assert take(log, cursor, window=150) == [0]
    log.consume(cursor, 1)
    assert take(log, cursor, window=150) == [2]


def test_with_echo_a_sender_gets_its_own_messages() -> None:
    log = a_log()
    cursor = member(log, "sender", echo=True)
    append(log, sender="sender")

    assert take(log, cursor) == [0]
    assert log.held == 100


def test_direct_messages_are_for_observers_and_hold_up_nobody_else() -> None:
    log = a_log(limit=100)
    reliable, observer = member(log), member(log, "observer", Mode.OBSERVER)
    append(log, direct=True)

    assert take(log, reliable) == []
    assert take(log, observer) == [0]
    assert not log.full
    log.consume(observer, 1)
    log.trim()
    assert log.held == 0


# -- resuming ---------------------------------------------------------------------------------------------------------


def test_a_member_resumes_at_the_offset_that_it_names() -> None:
    log = a_log()
    cursor = member(log)
    for _ in range(4):
        append(log, messages=10)
    take(log, cursor)

    assert log.resume(cursor, 20)
    assert take(log, cursor) == [20, 30]


@pytest.mark.parametrize("offset", [None, 0, 15, 10**6])
def test_an_offset_that_is_not_there_resumes_at_the_oldest_entry(offset: int | None) -> None:
    log = a_log()
    cursor = member(log)
    for _ in range(4):
        append(log, messages=10)
    take(log, cursor)
    log.consume(cursor, 20)
    log.trim()

    assert not log.resume(cursor, offset)
    assert cursor.covered == 20
    assert take(log, cursor) == [20, 30]


def test_what_a_lossy_member_did_not_receive_does_not_count_against_its_window() -> None:
    log = a_log(limit=EVERYTHING)
    cursor = member(log, mode=Mode.LOSSY)
    for _ in range(4):
        append(log)
    assert take(log, cursor, window=400) == [0, 1, 2, 3]

    log.resume(cursor, 1)
    assert take(log, cursor, window=400) == [1, 2, 3]
    log.consume(cursor, 4)
    assert cursor.in_flight == 0


def test_a_member_that_goes_back_behind_what_it_consumed_gets_it_again() -> None:
    log = a_log()
    member(log, "slow")
    cursor = member(log)
    for _ in range(3):
        append(log)
    take(log, cursor)
    log.consume(cursor, 3)

    assert log.resume(cursor, 1)
    assert cursor.consumed <= cursor.pushed
    assert take(log, cursor) == [1, 2]


def test_a_returning_member_gets_all_that_is_left() -> None:
    log = a_log()
    member(log, "other")
    append(log)
    append(log)

    cursor = log.add("member", Mode.RELIABLE, echo=False, at=log.base_index)
    assert take(log, cursor) == [0, 1]


def test_positions_are_those_before_an_entry() -> None:
    log = a_log()
    member(log)
    member(log, "observer", Mode.OBSERVER)
    append(log, sender="a", messages=3)
    append(log, sender="b")
    append(log, sender="a", messages=2)
    append(log, sender="c", direct=True)

    assert dict_of(log.positions_at(0)) == {"a": 0, "b": 0}
    assert dict_of(log.positions_at(2)) == {"a": 3, "b": 1}
    assert dict_of(log.positions_at(log.end_index)) == {"a": 5, "b": 1}


def dict_of(positions: list[Position]) -> dict[str, int]:
    return {position.sender: position.number for position in positions}


# -- after a restart, and memory --------------------------------------------------------------------------------------


def test_a_young_hub_keeps_what_comes_up_to_the_limit() -> None:
    log = a_log(limit=300)
    log.keep_all = True
    for _ in range(5):
        append(log)
    assert log.held == 300
    assert not log.full

    log.keep_all = False
    log.trim()
    assert log.held == 0


def test_in_a_young_hub_a_member_that_has_consumed_all_holds_nobody_back() -> None:
    log = a_log(limit=300)
    log.keep_all = True
    cursor = member(log)
    for _ in range(3):
        append(log)
    assert log.full
    take(log, cursor)
    log.consume(cursor, 3)
    assert not log.full


def test_when_memory_is_short_only_a_log_that_holds_nothing_takes_an_entry() -> None:
    budget = Budget(250)
    logs = [Log(name, number, LIMIT, budget) for number, name in enumerate("abc")]
    for log in logs:
        member(log)
    append(logs[0], 200)
    assert not logs[0].full
    append(logs[1], 200)
    assert budget.exhausted
    assert [log.full for log in logs] == [True, True, False]

    cursor = logs[0].cursors["member"]
    take(logs[0], cursor)
    log = logs[0]
    log.consume(cursor, 1)
    log.trim()
    assert budget.used == 200
    assert [log.full for log in logs] == [False, False, False]


def test_when_memory_is_short_lossy_members_and_returning_ones_keep_the_newest_entry_only() -> None:
    budget = Budget(1000)
    log = Log("room", 1, 10_000, budget)
    member(log, mode=Mode.LOSSY)
    for _ in range(9):
        append(log)
    assert log.held == 900
    append(log, 500)
    append(log, 500)
    assert log.held == 500
    assert not log.full


@given(
    st.lists(
        st.tuples(st.sampled_from(["append", "own", "direct", "take", "consume", "trim", "resume"]), st.integers(0, 3)),
        max_size=60,
    ),
    st.booleans(),
)
def test_whatever_happens_the_accounts_are_right(steps: list[tuple[str, int]], young: bool) -> None:
    log = a_log(limit=700)
    log.keep_all = young
    modes = [Mode.RELIABLE, Mode.RELIABLE, Mode.LOSSY, Mode.OBSERVER]
    cursors = [member(log, f"member{number}", mode) for number, mode in enumerate(modes)]
    received: list[list[int]] = [[] for _ in cursors]
    for step, number in steps:
        cursor = cursors[number]
        match step:
            case "append" | "own" | "direct":
                append(log, sender="sender" if step == "append" else cursor.instance, direct=step == "direct")
            case "take":
                received[number] += take(log, cursor, window=300)
            case "consume" if received[number]:
                log.consume(cursor, received[number][-1] + 1)
            case "trim":
                log.trim()
            case "resume" if received[number]:
                assert log.resume(cursor, received[number][-1] + 1) or not cursor.reliable
        entries = [log.entry(index) for index in range(log.base_index, log.end_index)]
        assert log.held == log._budget.used == sum(entry.cost for entry in entries)
        assert [entry.offset for entry in entries] == list(range(log.next - len(entries), log.next))
        for cursor, offsets in zip(cursors, received, strict=True):
            assert offsets == sorted(set(offsets))
            assert cursor.consumed <= cursor.pushed <= log.end_index
