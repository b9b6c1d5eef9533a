from __future__ import annotations

import numpy as np
import pytest

from swergio.demo.climate import HOURS, Array, days, sky, sun
from swergio.demo.rivals import best_constant_offset, best_hourly_offset, with_offset
from swergio.demo.simulation import Site, simulate

TRAINING = days(held_out=False)
SKY, SUN = sky(TRAINING), sun(TRAINING)
FORECAST = 0.52 * SKY  # the average clearness of the year, whatever the weather: as good as any to be set right


def cost(offset: Array | float) -> float:
    return float(simulate(Site(), with_offset(FORECAST, offset, SKY), SUN).cost.mean())


def test_a_promise_stays_between_nothing_and_the_sky() -> None:
    promise = with_offset(FORECAST, np.linspace(-0.5, 0.5, HOURS), SKY)
    assert (promise >= 0).all()
    assert (promise <= SKY).all()


def test_the_constant_offset_is_the_best_of_all() -> None:
    found = best_constant_offset(Site(), FORECAST, SKY, SUN)
    assert cost(found) <= min(cost(offset) for offset in np.linspace(-0.5, 0.5, 501)) + 1e-4


def test_no_change_of_one_hourly_offset_or_of_a_few_improves_it() -> None:
    found = best_hourly_offset(Site(), FORECAST, SKY, SUN)
    chance = np.random.default_rng(0)
    neighbours = [0.02 * np.eye(HOURS)[hour] * sign for hour in range(HOURS) for sign in (-1, 1)]
    neighbours += [chance.normal(0, 0.02, HOURS) * (chance.random(HOURS) < 0.2) for _ in range(100)]
    assert cost(found) <= min(cost(found + change) for change in neighbours) + 1e-4
    assert cost(found) < 0.75 * cost(best_constant_offset(Site(), FORECAST, SKY, SUN))


def test_an_offset_is_found_again() -> None:
    # A forecast that is right but for an offset at noon, when there is always sun enough not to be held at zero.
    shifted = SUN + 0.05 * np.eye(HOURS)[12]
    above = np.full_like(SKY, 2)
    offset = best_hourly_offset(Site(), shifted, above, SUN)
    assert offset[12] == pytest.approx(-0.05, abs=2e-3)
    assert with_offset(shifted, offset, above) == pytest.approx(SUN, abs=2e-3)
