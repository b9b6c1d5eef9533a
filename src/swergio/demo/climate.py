"""A typical meteorological year of Greensboro, NC, hour by hour: what the demo's weather and its sun come from.

The file and its source are described in ``data/README.md``. Day ``d`` is counted from 0 (1 January); hour ``h`` covers
``h:00`` to ``h + 1:00`` local standard time. The year is put together from months of different years, so the first day
of a month does not follow from the day before it; these eleven days are kept, as the same bad luck for everyone.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

HOURS = 24
WEATHER = ("clearness", "cloud cover", "humidity", "pressure change", "temperature")
FEATURES = len(WEATHER) + HOURS
EVENING = slice(16, 20)  # the forecast is made at 20:00: nothing later may enter it
MORNING = 7

Array: TypeAlias = NDArray[np.float64]
Days: TypeAlias = "Sequence[int] | NDArray[np.int64]"


@dataclass(frozen=True, slots=True)
class Climate:
    """
    The columns of the file, each of shape (365 days, 24 hours).

    ``extraterrestrial`` and ``sun`` are the horizontal irradiance above the atmosphere and on the ground (GHI) in
    kW/m²; ``cloud`` and ``humidity`` are fractions, ``temperature`` is in °C, ``pressure`` in mbar.
    """

    extraterrestrial: Array
    sun: Array
    cloud: Array
    temperature: Array
    humidity: Array
    pressure: Array


@cache
def climate() -> Climate:
    """
    Read the year, once per process.
    """
    packed = files("swergio.demo").joinpath("data/greensboro.csv.gz").read_bytes()
    table = np.loadtxt(gzip.decompress(packed).decode().splitlines(), delimiter=",", skiprows=1)
    scale = (1000, 1000, 10, 10, 100, 1)
    return Climate(*(table / scale).T.reshape(len(scale), -1, HOURS).copy())


def every_day() -> NDArray[np.int64]:
    """
    All days that can be forecast: those that have an evening before them, which day 0 has not.
    """
    return np.arange(1, len(climate().sun))


def days(*, held_out: bool) -> NDArray[np.int64]:
    """
    The days of every third week if ``held_out``, else those of the other weeks, which are for training.
    """
    every = every_day()
    return np.asarray(every[(every // 7 % 3 == 2) == held_out])


def features(of: Days) -> Array:
    """
    What is known on the evening before each day: shape (days, 29).

    Five columns of weather, each with mean 0 and deviation 1 over the training days, in the order of `WEATHER`; then
    the 24 hours of the day's extraterrestrial irradiance, which astronomy knows in advance.
    """
    known, usual = (evening_before(climate(), some) for some in (of, days(held_out=False)))
    return np.hstack([(known - usual.mean(0)) / usual.std(0), sky(of)])


def sky(of: Days) -> Array:
    """
    The extraterrestrial irradiance of each day, in kW/m²: shape (days, 24).
    """
    return climate().extraterrestrial[of]


def sun(of: Days) -> Array:
    """
    What the sun then gave on the ground (GHI), in kW/m²: shape (days, 24).
    """
    return climate().sun[of]


def evening_before(year: Climate, of: Days) -> Array:
    """
    What the evening before each day knows of the weather, in the order of `WEATHER`: shape (days, 5).

    The clearness is that of the whole day then ending, the pressure change the one since its morning.
    """
    eve, until = np.asarray(of) - 1, slice(0, EVENING.stop)
    clearness = year.sun[eve, until].sum(1) / year.extraterrestrial[eve, until].sum(1)
    pressure_change = year.pressure[eve, EVENING.stop - 1] - year.pressure[eve, MORNING]
    cloud, humidity, temperature = (x[eve, EVENING].mean(1) for x in (year.cloud, year.humidity, year.temperature))
    return np.stack([clearness, cloud, humidity, pressure_change, temperature], axis=1)
