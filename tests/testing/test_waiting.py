"""What tests wait with: a failure says what is missing, superfluous or out of order."""

from __future__ import annotations

import re
import threading

import pytest

from swergio.testing import Inbox, eventually


def inbox_of(*items: object) -> Inbox:
    inbox = Inbox()
    for item in items:
        inbox.put(item)
    return inbox


@pytest.mark.parametrize(
    ("came", "sentence"),
    [
        (range(1, 99), "98 of 100 messages came in 0.01 s; missing 99, 100"),
        ([*range(1, 101), 7], "101 of 100 messages came in 0.01 s; twice: 7"),
        ([*range(1, 101), "x"], "101 of 100 messages came in 0.01 s; not expected: 'x'"),
        ([2, 1, *range(3, 101)], "100 of 100 messages came in 0.01 s; reordered: 2 came where 1 was expected"),
        (range(1, 51), "missing 51, 52, 53, 54, 55, 56, 57, 58, 59, 60 and 40 more"),
    ],
)
def test_a_failure_says_what_is_wrong(came: object, sentence: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(sentence)):
        inbox_of(*came).expect(range(1, 101), 0.01)  # type: ignore[misc]


def test_what_is_expected_is_waited_for_in_any_order_if_that_does_not_matter() -> None:
    inbox = inbox_of(3)
    thread = threading.Thread(target=lambda: list(map(inbox.put, (1, 2))))
    thread.start()
    inbox.expect([1, 2, 3], ordered=False)
    thread.join()


def test_a_count_and_a_condition_are_waited_for_until_the_deadline() -> None:
    with pytest.raises(AssertionError, match=r"1 of 2 items came in 0.01 s: \['x'\]"):
        inbox_of("x").wait(2, 0.01)
    with pytest.raises(AssertionError, match=r"not within 0.01 s: pigs fly"):
        eventually(lambda: False, "pigs fly", 0.01)
    assert eventually(lambda: "now", "it is now") == "now"
