"""What is counted of messages that were sent on: each ends once, one way or the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swergio.passes.ledger import SPARE_RECORDS, Ledger
from swergio.passes.records import Record, Terms
from swergio.passes.tallies import NEWEST, Tally


def opened(ledger: Ledger[str], tally: Tally, id: str, terms: Terms, members: set[str] | None) -> Record[str]:
    record = Record("owner", "room", terms, members, 0, 0.0, 10.0, tally=tally)
    ledger.open(record, lambda: id)
    return record


@pytest.mark.parametrize("terms", [Terms(0), Terms(2), Terms(None), Terms(2, partial=True)])
def test_a_message_is_closed_once_when_all_that_was_owed_has_come(terms: Terms) -> None:
    ledger: Ledger[str] = Ledger()
    tally = Tally("node", ("a",), "b")
    opened(ledger, tally, "1", terms, {"x", "y"})
    ledger.match("1", "x")
    assert (tally.closed, len(ledger.waiting())) == (0, 1)
    ledger.match("1", "y")
    assert (tally.closed, len(ledger.waiting())) == (1, 0)
    ledger.match("1", "y")  # a label after a reward
    assert tally.closed == 1
    ledger.expire(20.0)
    assert tally.closed == 1


def test_where_it_is_not_known_who_could_answer_the_first_feedback_closes() -> None:
    ledger: Ledger[str] = Ledger()
    tally = Tally("node", ("a",), "b")
    for number in range(2 * SPARE_RECORDS):
        opened(ledger, tally, str(number), Terms(), None)
        ledger.match(str(number), "x")
        ledger.match(str(number), "x")
    assert (tally.closed, len(ledger.waiting())) == (2 * SPARE_RECORDS, 0)


def test_a_message_that_fails_is_not_closed() -> None:
    ledger: Ledger[str] = Ledger()
    tally = Tally("node", ("a",), "b")
    opened(ledger, tally, "1", Terms(), {"x"})
    opened(ledger, tally, "2", Terms(None), {"x", "y"})
    opened(ledger, tally, "3", Terms(1), {"x"})
    assert len(ledger.left("room", "x")) == 3
    assert (tally.closed, ledger.waiting()) == (0, [])


@given(st.lists(st.floats(0, 100), max_size=2 * NEWEST))
def test_quantiles_are_of_the_newest_times(times: list[float]) -> None:
    tally = Tally("node", ("a",), "b")
    tally.times.extend(times)
    p0, p50, p99 = tally.quantiles(0.0, 0.5, 0.99)
    newest = sorted(times[-NEWEST:])
    if not newest:
        assert (p0, p50, p99) == (None, None, None)
        return
    assert p0 == newest[0]
    assert p50 is not None
    assert p99 is not None
    assert sum(time <= p50 for time in newest) >= len(newest) / 2 >= sum(time < p50 for time in newest)
    assert p50 <= p99 <= newest[-1]
    assert sum(time > p99 for time in newest) <= len(newest) / 100
