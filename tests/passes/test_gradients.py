"""Sums, multiples and sizes of feedback."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from swergio.passes.gradients import add, scale, size_of


def test_structures_are_added_part_by_part() -> None:
    first = {"speed": np.array([1.0, 2.0]), "rest": [1, None, 2.5]}
    second = {"speed": np.array([10.0, 20.0]), "rest": (2, 4.0, None)}
    total = add(first, second)
    assert total["speed"].tolist() == [11, 22]
    assert total["rest"] == [3, 4.0, 2.5]


def test_no_gradient_adds_nothing() -> None:
    assert add(None, None) is None
    assert add(None, 3) == add(3, None) == 3


def test_what_was_added_is_not_changed() -> None:
    first = np.ones(2)
    first.flags.writeable = False  # as arrays arrive
    assert add(first, first).tolist() == [2, 2]
    assert first.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.ones(3), np.ones((1, 3))),  # NumPy would broadcast them
        (np.ones(3), 1.0),
        ({"a": 1}, {"b": 1}),
        ([1, 2], [1]),
    ],
)
def test_shapes_that_differ_are_refused(first: Any, second: Any) -> None:
    with pytest.raises(ValueError, match="cannot be added"):
        add(first, second)


@pytest.mark.parametrize("label", ["jazz", b"jazz", True, {"a": 1}, [1]])
def test_what_is_no_number_is_refused(label: Any) -> None:
    with pytest.raises(TypeError, match="cannot be added"):
        add(label, 1.0)


def test_multiples_reach_every_part() -> None:
    scaled = scale({"a": np.array([2.0]), "b": [4, None]}, 0.5)
    assert scaled["a"].tolist() == [1.0]
    assert scaled["b"] == [2.0, None]
    with pytest.raises(TypeError, match="str"):
        scale("jazz", 0.5)


def test_sizes_are_those_of_the_arrays() -> None:
    array = np.zeros((1000, 10))
    assert size_of(array) == 80_000
    assert 160_000 < size_of({"a": array, "b": [array, 1.0, "text"]}) < 160_200


def test_numpy_is_not_needed() -> None:
    program = "import sys, swergio.passes; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
