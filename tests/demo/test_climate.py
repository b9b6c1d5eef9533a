from __future__ import annotations

from dataclasses import replace

import numpy as np

from swergio.demo.climate import FEATURES, climate, days, evening_before, every_day, features, sky, sun


def test_the_year_is_whole_and_as_its_source_has_it() -> None:
    year = climate()
    assert all(getattr(year, name).shape == (365, 24) for name in year.__slots__)
    # Sums over the source file, in its own units.
    assert round(1000 * year.extraterrestrial.sum()) == 3_027_693
    assert round(1000 * year.sun.sum()) == 1_566_203
    assert (year.cloud.min(), year.cloud.max()) == (0, 1)
    assert (year.temperature.min(), year.temperature.max()) == (-16.7, 35.6)
    assert (year.humidity.min(), year.humidity.max()) == (0.11, 1)
    assert (year.pressure.min(), year.pressure.max()) == (965, 1007)


def test_the_sun_shines_by_day_and_brightest_about_noon() -> None:
    assert not sun(every_day())[:, :4].any()
    assert sun(every_day()).mean(axis=0).argmax() in {11, 12}


def test_every_third_week_is_held_out_and_no_day_is_in_both() -> None:
    training, held_out = days(held_out=False), days(held_out=True)
    assert np.array_equal(np.union1d(training, held_out), every_day())
    assert not np.intersect1d(training, held_out).size
    assert held_out[:8].tolist() == [14, 15, 16, 17, 18, 19, 20, 35]


def test_features_are_standardised_on_the_training_days_alone() -> None:
    weather = features(days(held_out=False))[:, :5]
    assert np.allclose(weather.mean(axis=0), 0)
    assert np.allclose(weather.std(axis=0), 1)


def test_features_end_in_the_known_profile_of_the_sky() -> None:
    known = features([100, 200])
    assert known.shape == (2, FEATURES)
    assert np.array_equal(known[:, 5:], sky([100, 200]))


def test_nothing_after_the_evening_before_is_known() -> None:
    year = climate()
    changed = {}
    for name in ("sun", "cloud", "temperature", "humidity", "pressure"):
        changed[name] = getattr(year, name).copy()
        changed[name][100, 20:] += 1
        changed[name][101:] += 1
    assert np.array_equal(evening_before(replace(year, **changed), [101]), evening_before(year, [101]))
