"""The judgement: what the forecasts of both trainings, and those of the rivals, cost in the weeks held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swergio.demo.climate import Array, Days, days, sky, sun
from swergio.demo.rivals import best_constant_offset, best_hourly_offset, with_offset
from swergio.demo.simulation import Site, simulate

TITLES = {
    "accuracy": "accuracy",
    "constant_offset": "+ constant offset",
    "hourly_offset": "+ hourly offsets",
    "process": "process",
}


@dataclass(frozen=True, slots=True)
class Score:
    """
    How forecasts did on the days held out.

    Attributes:
        forecast_error: The root of the mean squared error over all hours, in W/m².
        cost: What the site paid per day, in ordinary prices of a kWh.
        promise: The forecast of each of the 24 hours, on average over the days, in kWh.
    """

    forecast_error: float
    cost: float
    promise: Array


def judge(accuracy: Array, process: Array) -> dict[str, Score]:
    """
    Score the forecasts of the two trainings and of the two rivals, whose offsets are fitted here.

    Args:
        accuracy, process: Forecasts for `every_day` of the year, shape (364, 24).
    """
    site, training, held_out = Site(), days(held_out=False), days(held_out=True)
    past = (site, accuracy[training - 1], sky(training), sun(training))
    plain, above = accuracy[held_out - 1], sky(held_out)
    promises = {
        "accuracy": plain,
        "constant_offset": with_offset(plain, best_constant_offset(*past), above),
        "hourly_offset": with_offset(plain, best_hourly_offset(*past), above),
        "process": process[held_out - 1],
    }
    return {name: score(site, promises[name], held_out) for name in TITLES}


def score(site: Site, promise: Array, of: Days) -> Score:
    """
    Score what was promised of the given days, shape (days, 24).
    """
    error = 1000 * np.sqrt(np.mean((promise - sun(of)) ** 2))
    return Score(float(error), float(simulate(site, promise, sun(of)).cost.mean()), promise.mean(axis=0))


def mean_score(scores: list[Score]) -> Score:
    """
    Average the scores of several seeds.
    """
    errors, costs, promises = zip(*((s.forecast_error, s.cost, s.promise) for s in scores), strict=True)
    return Score(float(np.mean(errors)), float(np.mean(costs)), np.mean(promises, axis=0))
