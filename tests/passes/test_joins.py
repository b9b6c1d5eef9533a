"""Fan-in: what belongs together, and what is given up."""

from __future__ import annotations

import pytest

from swergio.passes.joins import Joins


def joins(max_waiting: int = 10, max_bytes: int = 1000) -> Joins[str]:
    return Joins(2, max_waiting, max_bytes)


def test_inputs_are_joined_by_their_pass_in_the_order_of_their_places() -> None:
    waiting = joins()
    assert waiting.put("x", 1, "b of x", 1, 10) is None
    assert waiting.put("y", 0, "a of y", 1, 10) is None
    assert waiting.put("x", 0, "a of x", 1, 10) == ["a of x", "b of x"]
    assert waiting.put("y", 1, "b of y", 1, 10) == ["a of y", "b of y"]
    assert len(waiting) == 0


def test_a_second_message_at_one_place_is_refused_and_the_first_stays() -> None:
    waiting = joins()
    waiting.put("x", 0, "first", 1, 10)
    with pytest.raises(ValueError, match="a second message"):
        waiting.put("x", 0, "second", 1, 10)
    assert waiting.put("x", 1, "b", 1, 10) == ["first", "b"]


def test_what_waits_too_long_is_given_up() -> None:
    waiting = joins()
    waiting.put("x", 0, "a", 1, 10)
    waiting.put("y", 1, "b", 1, 11)
    assert waiting.trim(9.9) == []
    assert [pending.inputs for pending in waiting.trim(10)] == [["a", None]]
    assert [pending.present for pending in waiting.trim(11)] == [["b"]]


@pytest.mark.parametrize("bounds", [{"max_waiting": 1}, {"max_bytes": 100}])
def test_the_oldest_makes_room(bounds: dict[str, int]) -> None:
    waiting = joins(**bounds)
    waiting.put("x", 0, "old", 60, 10)
    waiting.put("y", 0, "new", 60, 10)
    assert [pending.present for pending in waiting.trim(0)] == [["old"]]
    assert len(waiting) == 1


def test_completed_passes_take_no_room() -> None:
    waiting = joins(max_bytes=100)
    waiting.put("x", 0, "a", 90, 10)
    waiting.put("x", 1, "b", 90, 10)
    waiting.put("y", 0, "a", 90, 10)
    assert waiting.trim(0) == []
