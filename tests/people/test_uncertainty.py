"""The items that a model is least sure of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swergio
from swergio.people import most_uncertain

SURE, SPLIT, EVEN, TWO = [0.9, 0.05, 0.05], [0.5, 0.45, 0.05], [0.4, 0.3, 0.3], [0.49, 0.49, 0.02]


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("entropy", [2, 1, 3, 0]),  # 1.089, 0.856, 0.777 and 0.394 nats
        ("margin", [3, 1, 2, 0]),  # 0, 0.05, 0.1 and 0.85
        ("confidence", [2, 3, 1, 0]),  # 0.4, 0.49, 0.5 and 0.9
    ],
)
def test_each_measure_has_an_order_of_its_own(by: Any, order: list[int]) -> None:
    probabilities = [SURE, SPLIT, EVEN, TWO]

    assert most_uncertain(probabilities, 9, by) == order
    assert most_uncertain(np.array(probabilities), 2, by) == order[:2]
    assert most_uncertain(probabilities, 0, by) == []


@pytest.mark.parametrize("by", ["entropy", "margin", "confidence"])
def test_of_two_classes_the_one_is_enough(by: Any) -> None:
    chance = np.random.default_rng(0).random(50)

    assert most_uncertain(chance, 50, by) == list(np.argsort(abs(chance - 0.5)))
    assert most_uncertain([0.2, 1.0, 0.8, 0.0], 4, by) == [0, 2, 1, 3]


@pytest.mark.parametrize(
    ("probabilities", "n", "by", "expected"),
    [
        ([[0.5, 0.6]], 1, "entropy", "row 0 of the probabilities"),
        ([[0.5, 0.5], [1.5, -0.5]], 1, "entropy", "row 1 of the probabilities"),
        ([[np.nan, 0.5]], 1, "margin", "row 0"),
        ([0.5, 1.5], 1, "margin", "row 1"),
        ([[1.0]], 1, "entropy", r"shape \(1, 1\)"),
        ([["a", "b"]], 1, "entropy", "no array of numbers"),
        ([0.5], -1, "entropy", "n=-1"),
        ([0.5], 1, "guess", "by='guess'"),
    ],
)
def test_what_is_refused(probabilities: Any, n: int, by: Any, expected: str) -> None:
    with pytest.raises(swergio.ConfigurationError, match=expected):
        most_uncertain(probabilities, n, by)
