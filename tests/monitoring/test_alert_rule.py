"""The rule of an alert, by itself: what it tells, and what it keeps quiet about."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swergio import ConfigurationError
from swergio.alerts import Band, Change, Gauge

counts = st.integers(1, 5)
bands = st.builds(Band, low=st.just(-1.0), high=st.just(1.0), patience=counts, recovery=counts)
figures = st.floats(-2, 2) | st.sampled_from([math.nan, math.inf, -math.inf])


def changes(gauge: Gauge, values: list[float]) -> list[tuple[int, Change]]:
    told = [(at, gauge.judge(value, at, float(at))) for at, value in enumerate(values)]
    return [(at, change) for at, change in told if change is not None]


def test_an_excursion_is_told_once_and_so_is_its_end() -> None:
    gauge = Gauge(Band(high=1.0, patience=3, recovery=2))
    values = [0.5, 2.0, 2.0, 0.5, 2.0, 2.0, 3.0, 4.0, 0.5, 2.0, 0.5, 0.25, 0.5]
    assert changes(gauge, values) == [
        (6, Change("out", 3.0, 6, 6.0, 4, 4.0)),
        (11, Change("in", 0.25, 11, 11.0, 10, 10.0)),
    ]
    assert not gauge.out


def test_the_mean_of_a_window_is_judged_when_there_are_so_many_values() -> None:
    gauge = Gauge(Band(high=1.0, patience=1, recovery=1, window=4))
    told = changes(gauge, [9.0, 0.0, 0.0, 0.0, -5.0, 0.0, 0.0, 3.0, 0.0])
    assert [(at, change.state, change.value) for at, change in told] == [(3, "out", 2.25), (4, "in", -1.25)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_outside_of_any_band(value: float) -> None:
    for band in (Band(low=0.0, patience=1), Band(high=0.0, patience=1)):
        assert changes(Gauge(band), [value])[0][1].state == "out"


def test_a_number_of_numpy_is_one() -> None:
    gauge = Gauge(Band(high=1.0, patience=1, recovery=1))
    told = changes(gauge, [np.float64(value) for value in (0.5, 2.0, 2.0, 0.5)])
    assert [(at, change.state) for at, change in told] == [(1, "out"), (3, "in")]


@given(bands, st.lists(figures, max_size=60))
def test_it_tells_of_leaving_and_coming_back_in_turn(band: Band, values: list[float]) -> None:
    states = [change.state for _, change in changes(Gauge(band), values)]
    assert states == ["out", "in"] * (len(states) // 2) + ["out"] * (len(states) % 2)


@given(bands, st.lists(figures, max_size=60))
def test_it_tells_at_the_end_of_a_row_and_at_the_first_such_row(band: Band, values: list[float]) -> None:
    inside = [band.holds(value) for value in values]
    told = changes(Gauge(band), values)
    for at, change in told:
        length = band.patience if change.state == "out" else band.recovery
        assert change.since_step is not None
        assert change.step == at
        row = inside[change.since_step : at + 1]
        assert row == [change.state == "in"] * length
    out, begun = False, 0
    for at in [*(at for at, _ in told), len(values)]:
        length, against = (band.recovery, True) if out else (band.patience, False)
        quiet = inside[begun:at]  # no row of that length ends before what was told
        assert not any(quiet[i : i + length] == [against] * length for i in range(len(quiet) - length + 1))
        out, begun = not out, at + 1


@given(bands, st.lists(st.floats(-1, 1), max_size=200))
def test_values_inside_never_tell(band: Band, values: list[float]) -> None:
    assert changes(Gauge(band), values) == []


@given(st.integers(2, 5), st.integers(0, 30))
def test_outliers_that_are_fewer_than_the_patience_never_tell(patience: int, rows: int) -> None:
    values = ([5.0] * (patience - 1) + [0.0]) * rows
    assert changes(Gauge(Band(high=1.0, patience=patience)), values) == []


@given(st.integers(1, 8), st.lists(st.floats(-100, 100), max_size=60))
def test_a_window_judges_as_the_means_would_be_judged(window: int, values: list[float]) -> None:
    means = [sum(values[at - window + 1 : at + 1]) / window for at in range(window - 1, len(values))]
    by_window = changes(Gauge(Band(high=1.0, window=window)), values)
    by_means = changes(Gauge(Band(high=1.0)), means)
    assert [(at - window + 1, change.state) for at, change in by_window] == [(at, c.state) for at, c in by_means]
    assert all(later > earlier for (earlier, _), (later, _) in pairwise(by_window))


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({}, "a band without bounds"),
        ({"low": math.nan}, "low=nan; expected a finite number"),
        ({"high": "1"}, "high='1'; expected a finite number"),
        ({"low": True}, "low=True; expected a finite number"),
        ({"low": 2.0, "high": 1.0}, "a band from 2 to 1; expected low no larger than high"),
        ({"high": 1.0, "patience": 0}, "patience=0; expected a number of values, 1 to 10000"),
        ({"high": 1.0, "recovery": 1.5}, "recovery=1.5; expected a number of values"),
        ({"high": 1.0, "window": 10**6}, "window=1000000; expected a number of values"),
    ],
)
def test_a_band_that_makes_no_sense_is_refused(wrong: dict[str, float], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Band(**wrong)  # type: ignore[arg-type]
