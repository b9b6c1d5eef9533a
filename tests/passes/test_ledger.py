"""The ledger: what is owed on the messages that were sent on, and how a record ends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swergio.passes.ledger import SPARE_BYTES, SPARE_RECORDS, Ledger
from swergio.passes.records import Record, Terms

EACH = Terms(0)
ALL = Terms(None)


class Book:
    """
    A ledger with short words for what a component does with it.
    """

    def __init__(self, **bounds: int) -> None:
        self.ledger: Ledger[str] = Ledger(**bounds)

    def open(
        self, id: str, members: str | None = "ab", terms: Terms = EACH, size: int = 0, deadline: float = 10
    ) -> list[str]:
        outstanding = None if members is None else set(members)
        record = Record(f"owner of {id}", "room", terms, outstanding, size, 0.0, deadline)
        displaced = self.ledger.open(record, lambda: id)
        assert displaced is not None
        return [record.id for record in displaced]

    def match(self, id: str, sender: str) -> bool | None:
        match = self.ledger.match(id, sender)
        return None if match is None else match[1]

    def refuse(self, id: str, sender: str) -> bool | None:
        refused = self.ledger.refuse(id, sender)
        return None if refused is None else refused[1]

    def left(self, instance: str, room: str = "room") -> list[str]:
        return [record.id for record in self.ledger.left(room, instance)]

    def expire(self, now: float) -> list[str]:
        return [record.id for record in self.ledger.expire(now)]


def test_what_was_not_sent_is_not_recorded() -> None:
    ledger: Ledger[str] = Ledger()
    assert ledger.open(Record("owner", "room", EACH, None, 10, 0.0, 10.0), lambda: None) is None
    assert (len(ledger), ledger.bytes) == (0, 0)


def test_feedback_on_an_unknown_message_matches_nothing() -> None:
    book = Book()
    book.open("x")
    assert book.match("y", "a") is None
    assert book.refuse("y", "a") is None


# -- each as it comes


def test_each_gradient_is_applied_also_when_everyone_has_answered() -> None:
    book = Book()
    book.open("x", "ab")
    assert book.match("x", "a") is True
    assert book.ledger.owed == 1
    assert book.match("x", "b") is True
    assert book.ledger.owed == 0
    assert book.match("x", "a") is True  # a label after a reward
    assert book.expire(10) == []
    assert book.match("x", "a") is None


def test_without_knowing_the_members_a_record_stays_for_more() -> None:
    book = Book()
    book.open("x", None)
    assert [book.match("x", sender) for sender in "abcabc"] == [True] * 6
    assert book.expire(10) == []  # it had what it wanted, so that nobody need be told
    assert book.match("x", "a") is None


def test_a_member_that_leaves_after_another_answered_owes_nothing_any_more() -> None:
    book = Book()
    book.open("x", "ab")
    book.match("x", "a")
    assert book.left("b") == []
    assert book.ledger.owed == 0


@pytest.mark.parametrize(("size", "kept"), [(0, SPARE_RECORDS), (SPARE_BYTES // 4, 4)])
def test_what_everyone_has_answered_is_kept_within_small_bounds(size: int, kept: int) -> None:
    book = Book()
    for number in range(2 * SPARE_RECORDS):
        book.open(str(number), "a", size=size)
        book.match(str(number), "a")
    assert len(book.ledger) == kept
    assert book.ledger.bytes == kept * size
    assert book.match("0", "a") is None
    assert book.match(str(2 * SPARE_RECORDS - 1), "a") is True


def test_a_record_fails_when_the_last_member_who_could_answer_leaves() -> None:
    book = Book()
    book.open("x", "ab")
    assert book.left("a") == []
    assert book.left("c") == []
    assert book.left("b", "another room") == []
    assert book.left("b") == ["x"]
    assert book.match("x", "a") is None


# -- sums


def test_a_sum_is_due_with_the_last_of_n() -> None:
    book = Book()
    book.open("x", "abc", Terms(2))
    assert [book.match("x", sender) for sender in "abc"] == [False, True, None]


def test_a_sum_of_all_is_due_when_each_member_answered() -> None:
    book = Book()
    book.open("x", "ab", ALL)
    assert [book.match("x", sender) for sender in "aab"] == [False, False, True]


def test_a_sum_of_n_outlives_members_that_it_does_not_need() -> None:
    book = Book()
    book.open("x", "abc", Terms(2))
    assert book.left("a") == []
    assert book.match("x", "b") is False  # the one that left is not counted as if it had answered
    assert book.left("c") == ["x"]


def test_a_sum_of_all_fails_with_the_first_that_leaves() -> None:
    book = Book()
    book.open("x", "ab", ALL)
    record = book.ledger.get("x")
    assert record is not None
    assert book.left("b") == ["x"]
    assert record.missing == ["b"]


def test_a_member_that_answered_may_leave() -> None:
    book = Book()
    book.open("x", "ab", ALL)
    book.match("x", "a")
    assert book.left("a") == []
    assert book.match("x", "b") is True


@pytest.mark.parametrize("terms", [Terms(2, partial=True), Terms(None, partial=True)])
def test_a_partial_sum_goes_on_with_those_who_are_left(terms: Terms) -> None:
    book = Book()
    book.open("x", "ab", terms)
    assert book.left("a") == []
    assert book.match("x", "b") is True


@pytest.mark.parametrize("terms", [Terms(2, partial=True), Terms(None, partial=True)])
def test_a_partial_sum_ends_when_nobody_is_left(terms: Terms) -> None:
    book = Book()
    book.open("x", "ab", terms)
    book.match("x", "a")
    assert book.left("b") == ["x"]


def test_strict_terms_need_everyone_who_has_not_answered() -> None:
    book = Book()
    book.open("x", "ab", Terms(1, strict=True))
    assert book.left("b") == ["x"]


def test_who_is_not_expected_any_more_may_leave() -> None:
    book = Book()
    book.open("x", "ab", Terms(1, strict=True))
    record = book.ledger.get("x")
    assert record is not None
    book.ledger.expect(record, {"a"})
    assert book.left("b") == []
    assert book.left("a") == ["x"]


# -- refusals


@pytest.mark.parametrize("terms", [EACH, Terms(2), ALL])
def test_a_refusal_fails_the_record(terms: Terms) -> None:
    book = Book()
    book.open("x", "ab", terms)
    assert book.refuse("x", "a") is True
    assert book.match("x", "b") is None


def test_a_partial_sum_goes_on_after_a_refusal_of_one() -> None:
    book = Book()
    book.open("x", "abc", Terms(3, partial=True))
    assert book.refuse("x", "a") is False
    assert book.match("x", "b") is False
    assert book.match("x", "c") is True


# -- bounds


def test_old_records_make_room_and_are_told() -> None:
    book = Book(max_records=2)
    assert [book.open(id) for id in "xyz"] == [[], [], ["x"]]
    assert book.match("x", "a") is None


def test_records_that_had_feedback_make_room_first_and_silently() -> None:
    book = Book(max_records=3)
    book.open("x", "ab")
    book.open("y", "ab")
    book.open("z", "a")
    book.match("y", "a")
    book.match("z", "a")
    assert book.open("1") == []
    assert book.match("z", "a") is None  # everyone had answered
    assert book.open("2") == []
    assert book.match("y", "b") is None  # something had come
    assert book.open("3") == ["x"]


def test_a_sum_that_is_not_complete_is_told_when_it_makes_room() -> None:
    book = Book(max_records=1)
    book.open("x", "ab", Terms(2))
    book.match("x", "a")
    assert book.open("y") == ["x"]


def test_the_newest_record_is_kept_whatever_its_size() -> None:
    book = Book(max_bytes=100)
    book.open("x", size=60)
    assert book.open("y", size=1000) == ["x"]
    assert book.ledger.bytes == 1000
    assert book.open("z", size=10) == ["y"]


def test_what_is_past_its_deadline_is_told_unless_it_had_feedback() -> None:
    book = Book()
    book.open("x", deadline=5)
    book.open("y", deadline=5)
    book.open("sum", terms=Terms(2), deadline=5)
    book.open("late", deadline=6)
    book.match("y", "a")
    book.match("sum", "a")
    assert book.expire(4.9) == []
    assert book.expire(5) == ["x", "sum"]
    assert book.expire(6) == ["late"]
    assert (len(book.ledger), book.ledger.bytes) == (0, 0)


def test_closing_takes_what_is_open() -> None:
    book = Book()
    book.open("x", size=5)
    book.open("y", size=5)
    assert book.ledger.close("x") is True
    assert book.ledger.close("x") is False
    assert [record.id for record in book.ledger.close_all()] == ["y"]
    assert book.ledger.bytes == 0


# -- whatever happens

TERMS = st.builds(Terms, st.sampled_from([0, 1, 2, None]), partial=st.booleans(), strict=st.booleans())
MEMBERS = st.sampled_from("abc")
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), TERMS, st.none() | st.sets(MEMBERS, min_size=1), st.integers(0, 60)),
        st.tuples(st.sampled_from(["match", "refuse"]), st.integers(0, 9), MEMBERS),
        st.tuples(st.just("left"), MEMBERS),
        st.tuples(st.just("expire")),
    ),
    max_size=40,
)


@given(EVENTS)
def test_every_record_ends_once_and_the_bounds_hold(events: list[tuple[Any, ...]]) -> None:
    ledger: Ledger[int] = Ledger(max_records=3, max_bytes=100)
    records: list[Record[int]] = []
    ended: list[str] = []  # those whose end somebody was told of
    for now, (what, *how) in enumerate(events):
        before = {record.id for record in records if ledger.get(record.id)}
        match what:
            case "open":
                terms, members, size = how
                record = Record(now, "room", terms, members, size, now, now + 5.0)
                records.append(record)
                displaced = ledger.open(record, lambda id=str(now): id)  # type: ignore[misc]
                assert displaced is not None
                assert record not in displaced
                told = [old.id for old in displaced]
            case "match":
                match = ledger.match(str(how[0]), how[1])
                told = [match[0].id] if match and match[1] and match[0].terms.count != 0 else []
            case "refuse":
                refused = ledger.refuse(str(how[0]), how[1])
                told = [refused[0].id] if refused and refused[1] else []
            case "left":
                told = [record.id for record in ledger.left("room", how[0])]
            case _:
                told = [record.id for record in ledger.expire(now)]
        after = {record.id for record in records if ledger.get(record.id)}
        ended += told
        assert set(told) <= before | {str(now)}
        assert not set(told) & after
        silent = before - after - set(told)
        assert all(record.got for record in records if record.id in silent)
        open_ = [record for record in records if record.id in after]
        assert len(ledger) == len(open_) <= 3
        assert ledger.bytes == sum(record.size for record in open_)
        assert ledger.bytes <= 100 or len(open_) == 1
    assert len(ended) == len(set(ended))
