"""The claim of the demo, without its rooms: the same model and the same days, trained in one process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np
import pytest

from swergio.demo import STEPS
from swergio.demo.climate import Array, days, every_day, features, sun
from swergio.demo.judge import Score, judge, mean_score
from swergio.demo.network import Network
from swergio.demo.simulation import Site, gradient, simulate

pytestmark = pytest.mark.long

Scores: TypeAlias = Callable[[int], dict[str, Score]]


def train(goal: str, seed: int) -> Array:
    network, site = Network(seed), Site()
    for step in range(STEPS):
        drawn = np.random.default_rng([seed, step]).choice(days(held_out=False), 64, replace=False)
        forecast, trace = network.forward(features(drawn))
        slope = 2 * (forecast - sun(drawn))
        if goal == "process":
            slope = gradient(site, simulate(site, forecast, sun(drawn)))
        network.update(network.backward(slope / len(drawn), trace)[1])
    return network.forward(features(every_day()))[0]


@pytest.fixture(scope="module")
def scores() -> Scores:
    """
    What the models of a seed are worth; each is trained once.
    """
    return cache(lambda seed: judge(accuracy=train("accuracy", seed), process=train("process", seed)))


@pytest.mark.parametrize("seed", range(5))
def test_training_for_the_process_beats_both_rivals(scores: Scores, seed: int) -> None:
    cost = {name: score.cost for name, score in scores(seed).items()}
    assert cost["process"] <= 0.7 * cost["constant_offset"]
    assert cost["process"] < cost["hourly_offset"]


@pytest.mark.parametrize("seed", range(5))
def test_training_for_accuracy_has_the_smaller_error_all_the_same(scores: Scores, seed: int) -> None:
    error = {name: score.forecast_error for name, score in scores(seed).items()}
    assert error["accuracy"] < 0.85 * error["process"]


def test_the_mean_over_five_seeds_holds_with_a_margin(scores: Scores) -> None:
    cost = {name: mean_score([scores(seed)[name] for seed in range(5)]).cost for name in scores(0)}
    assert cost["process"] <= 0.66 * cost["constant_offset"]
    assert cost["process"] <= 0.98 * cost["hourly_offset"]
