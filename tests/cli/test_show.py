"""
How data looks on a terminal, and as JSON.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from swergio.cli.show import as_json, readable


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain text", "plain text"),
        ("bell \a and\nnewline", r"bell \x07 and\nnewline"),
        ("x" * 1000, "x" * 500 + "…"),
        (None, "None"),
        (b"\x00\x01", "2 bytes"),
        ({"a": [1, "two", {"three": 3.5}]}, '{"a": [1, "two", {"three": 3.5}]}'),
        (list(range(10)), "[0, 1, 2, 3, 4, 5, … 10 in all]"),
        ([[[[[[1]]]]]], "[[[[…]]]]"),
        (np.arange(6.0).reshape(2, 3), "float64 (2, 3) min 0 mean 2.5 max 5 [0, 1, 2, 3, 4, 5]"),
        (np.arange(100), "int64 (100,) min 0 mean 49.5 max 99 [0, 1, 2, 3, 4, 5, …]"),
        (np.array([1, np.nan, np.inf], "f4"), "float32 (3,) min 1 mean 1 max 1 (2 not finite) [1, nan, inf]"),
        (np.array([True, False]), "bool (2,) min 0 mean 0.5 max 1 [True, False]"),
        (np.array([]), "float64 (0,) []"),
        (np.array(1 + 2j), "complex128 () [(1+2j)]"),
        (np.array(["a\x1b"]), r"str64 (1,) [a\x1b]"),
        ({"grad": np.zeros(2, "f2")}, '{"grad": float16 (2,) min 0 mean 0 max 0 [0, 0]}'),
    ],
)
def test_readable(value: Any, shown: str) -> None:
    assert readable(value) == shown


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ({"a": [1, 2.5, None, "x"]}, {"a": [1, 2.5, None, "x"]}),
        ([float("nan"), float("-inf")], ["nan", "-inf"]),
        ({1: "one"}, {"1": "one"}),
        (b"\xff", {"base64": "/w=="}),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02 00:00:00+00:00"),
        (np.array([[1.5, np.nan]], "f4"), {"dtype": "float32", "shape": [1, 2], "values": [[1.5, "nan"]]}),
        (np.array([1j]), {"dtype": "complex128", "shape": [1], "values": ["1j"]}),
    ],
)
def test_as_json(value: Any, meant: Any) -> None:
    assert json.loads(as_json(value)) == meant
