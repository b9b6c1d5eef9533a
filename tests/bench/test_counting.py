"""
Bodies, and the count of those that came.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swergio.bench.counting import FORMS, PROBE, Tally, probe_of, ring_of

SIZE = 64


@pytest.mark.parametrize("form", FORMS)
def test_a_body_says_whose_it_is_and_has_its_size(form: str) -> None:
    ring = ring_of(form, SIZE, sender=3)
    size = {"array": 4 * len(ring[0]), "numbers": 4 * len(ring[0])}.get(form, len(ring[0]))

    assert [FORMS[form].read(body) for body in ring] == [(place, 3) for place in range(len(ring))]
    assert FORMS[form].read(probe_of(form, SIZE, 7)) == (PROBE, 7)
    assert size == SIZE


def counted(numbers: list[int], expected: int, form: str = "text") -> tuple[int, int, int, bool]:
    """
    Return how many are lost, duplicated and reordered, and whether the end was noticed.
    """
    ring, ends = ring_of(form, SIZE), []
    tally = Tally(form, SIZE, 1, lambda: ends.append(True))
    tally.expect(expected)
    tally.take(probe_of(form, SIZE))
    for number in numbers:
        tally.take(ring[number % len(ring)])
    return tally.lost, tally.duplicated, tally.reordered, bool(ends)


@pytest.mark.parametrize("form", ["text", "bytes", "array", "packed", "numbers"])
@pytest.mark.parametrize(
    ("numbers", "result"),
    [
        ([0, 1, 2, 3, 4, 5], (0, 0, 0, True)),
        ([0, 1, 3, 4, 5], (1, 0, 0, False)),
        ([0, 1, 2, 2, 3, 4, 5], (0, 1, 0, True)),
        ([0, 1, 3, 2, 4, 5], (0, 0, 1, True)),
        ([0, 1, 2, 3, 4], (1, 0, 0, False)),
        ([], (6, 0, 0, False)),
    ],
)
def test_what_is_wrong_is_counted(form: str, numbers: list[int], result: tuple[int, int, int, bool]) -> None:
    assert counted(numbers, 6, form) == result


@given(st.integers(1, 300), st.randoms(use_true_random=False))
def test_whatever_is_done_to_the_messages_is_noticed(count: int, chance: Any) -> None:
    numbers = list(range(count))
    lost = {chance.randrange(count) for _ in range(chance.randrange(4))}
    doubled = {chance.randrange(count) for _ in range(chance.randrange(4))} - lost
    came = [number for number in numbers if number not in lost for _ in range(1 + (number in doubled))]

    assert counted(came, count) == (len(lost), len(doubled), 0, not lost)


def test_senders_are_counted_apart() -> None:
    rings, ends = [ring_of("text", SIZE, sender) for sender in (0, 1)], []
    tally = Tally("text", SIZE, 2, lambda: ends.append(True))
    tally.expect(4)
    for body in (rings[0][0], rings[1][0], rings[1][1]):
        tally.take(body)
    assert (tally.lost, ends) == (1, [])

    tally.take(rings[0][1])
    assert (tally.lost, tally.duplicated, tally.reordered, ends) == (0, 0, 0, [True])
