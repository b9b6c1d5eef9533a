from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from swergio.demo.climate import HOURS, Array
from swergio.demo.simulation import Site, gradient, prices, simulate

SITE = Site()
DAYS = arrays(float, (3, HOURS), elements=st.floats(0, 1.2, allow_subnormal=False))
PROMISES = arrays(float, (3, HOURS), elements=st.floats(-0.3, 1.5, allow_subnormal=False))


def night_but(**hours: float) -> Array:
    """
    A day without sun but in the given hours: ``night_but(h8=0.5)``.
    """
    day = np.zeros(HOURS)
    for hour, value in hours.items():
        day[int(hour[1:])] = value
    return day


def mixed_days() -> tuple[Array, Array]:
    """
    Days whose promises are wrong in every way; none lies within 1e-7 kWh of a kink of the cost.
    """
    chance = np.random.default_rng(1)
    sun = chance.uniform(0, 1, (500, HOURS))
    return sun + chance.normal(0, 0.3, (500, 1)) + chance.normal(0, 0.2, (500, HOURS)), sun


def test_prices_are_those_of_the_issue() -> None:
    assert SITE.shortage.tolist() == [1.5] * 7 + [4] * 3 + [1.5] * 6 + [6] * 4 + [1.5] * 4
    assert SITE.surplus.tolist() == [0.6] * 11 + [3] * 3 + [0.6] * 10
    assert prices(1, (2, 4, 5)).tolist() == [1, 1, 5, 5] + [1] * 20


def test_a_perfect_forecast_costs_nothing() -> None:
    sun = np.random.default_rng(0).uniform(0, 1, (5, HOURS))
    outcome = simulate(SITE, sun, sun)
    assert not outcome.cost.any()
    assert (outcome.energy == SITE.capacity).all()


def test_the_battery_gives_what_the_sun_falls_short_and_the_rest_is_bought() -> None:
    outcome = simulate(SITE, night_but(h8=0.65), night_but(h8=0.3))
    assert outcome.flow[8] == -0.25
    assert outcome.rest[8] == pytest.approx(-0.1)
    lost = 0.25 / 0.95 - 0.25
    assert outcome.cost == pytest.approx(0.1 * 4 + lost)


def test_the_battery_takes_in_what_comes_beyond_and_the_rest_is_sold_off() -> None:
    # The morning makes room for 0.25 / 0.95 kWh, which a surplus of 0.25 / 0.95² fills: more than its power allows.
    outcome = simulate(SITE, night_but(h8=0.25), night_but(h12=0.4))
    assert outcome.flow[12] == 0.25
    assert outcome.rest[12] == pytest.approx(0.15)
    lost = 0.25 / 0.95 - 0.25 + 0.25 * 0.05
    assert outcome.cost == pytest.approx(0.15 * 3 + lost)


def test_an_empty_battery_gives_nothing_more() -> None:
    outcome = simulate(SITE, np.full(HOURS, 0.25), np.zeros(HOURS))
    assert outcome.flow.sum() == pytest.approx(-0.8 * 0.95)
    assert outcome.energy[-1] == pytest.approx(0)
    assert outcome.rest[4:].tolist() == [-0.25] * 20


def test_a_full_battery_takes_nothing() -> None:
    outcome = simulate(SITE, np.zeros(HOURS), night_but(h12=0.2))
    assert not outcome.flow.any()
    assert outcome.cost == pytest.approx(0.2 * 3)


@given(PROMISES, DAYS)
def test_energy_and_power_are_bounded_and_nothing_appears_or_vanishes(promise: Array, sun: Array) -> None:
    outcome = simulate(SITE, promise, sun)
    assert outcome.energy.min() >= -1e-12
    assert outcome.energy.max() <= SITE.capacity + 1e-12
    assert np.abs(outcome.flow).max() <= SITE.power
    assert np.allclose(sun - promise, outcome.flow + outcome.rest, atol=1e-12)
    lost = (outcome.flow - np.diff(outcome.energy)).sum(axis=-1)
    taken, gave = np.clip(outcome.flow, 0, None), np.clip(-outcome.flow, 0, None)
    assert np.allclose(lost, (taken * 0.05 + gave * (1 / 0.95 - 1)).sum(axis=-1), atol=1e-12)


@given(PROMISES, DAYS)
def test_no_promise_earns_anything(promise: Array, sun: Array) -> None:
    assert simulate(SITE, promise, sun).cost.min() >= -1e-12


def test_the_gradient_is_exact() -> None:
    promise, sun = mixed_days()
    exact = gradient(SITE, simulate(SITE, promise, sun))
    width = 1e-7
    for hour in range(HOURS):
        step = width * np.eye(HOURS)[hour]
        rise = simulate(SITE, promise + step, sun).cost - simulate(SITE, promise - step, sun).cost
        assert np.allclose(exact[:, hour], rise / (2 * width), atol=1e-6)


def test_the_gradient_knows_of_every_case() -> None:
    """
    The days of the gradient's test meet each limit of the battery, in both directions.
    """
    promise, sun = mixed_days()
    outcome = simulate(SITE, promise, sun)
    at_power, absorbed = np.abs(outcome.flow) == SITE.power, outcome.rest == 0
    for direction in (outcome.rest > 0, outcome.rest < 0):
        assert (direction & at_power).any()
        assert (direction & ~at_power).any()
    assert (absorbed & (outcome.flow > 0)).any()
    assert (absorbed & (outcome.flow < 0)).any()


def test_any_number_of_leading_dimensions_is_simulated_at_once() -> None:
    chance = np.random.default_rng(2)
    sun, promise = chance.uniform(0, 1, (4, HOURS)), chance.uniform(0, 1, (3, 1, HOURS))
    together = simulate(SITE, promise + np.zeros((4, 1)), sun)
    assert together.cost.shape == (3, 4)
    assert together.cost[1, 2] == pytest.approx(simulate(SITE, promise[1, 0], sun[2]).cost)
