"""Gradients of components that have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swergio
from swergio.estimators import SPSA, FiniteDifferences, ScoreFunction, serve
from swergio.testing import Inbox, gradcheck
from tests.bridges.conftest import Make, over_wires

X = np.random.default_rng(0).normal(size=(2, 3))
G = np.random.default_rng(1).normal(size=2)


def model(x: Any) -> Any:
    return np.sin(x[:, 0]) * x[:, 1] + x[:, 2] ** 2


def exact(x: Any, gradient: Any) -> Any:
    parts = [np.cos(x[:, 0]) * x[:, 1], np.sin(x[:, 0]), 2 * x[:, 2]]
    return np.stack(parts, 1) * gradient[:, None]


def process_of(make: Make, estimator: Any, **how: Any) -> Any:
    front = make("front")
    serve(front, estimator, "x", "y", **how)
    front.start()
    return make("trainer").start().process("x", "y")


# -- the formulas -----------------------------------------------------------------------------------------------------


def estimate(estimator: Any, function: Any, x: Any, seed: int = 0) -> Any:
    probes = estimator.probes(x, np.random.default_rng(seed))
    return estimator.gradient(x, probes, np.array([function(probe) for probe in probes]), function(x))


def cubic(x: Any) -> Any:
    return x[0] ** 3 + x[0] * x[1] - 2 * x[2]


POINT = np.array([1.5, -2.0, 1e4])
SLOPE = np.array([3 * 1.5**2 - 2, 1.5, -2])


@pytest.mark.parametrize(
    ("estimator", "accuracy", "probes"),
    [
        (FiniteDifferences(), 1e-5, 6),
        (FiniteDifferences(central=False), 1e-3, 3),
        (SPSA(pairs=4000), 0.4, 8000),
        (SPSA(step=1e-3, pairs=4000), 0.4, 8000),
        (ScoreFunction(sigma=0.01, samples=20000), 0.15, 20000),
        (ScoreFunction(sigma=0.01, samples=20000, antithetic=False), 0.15, 20000),
    ],
)
def test_a_gradient_is_found(estimator: Any, accuracy: float, probes: int) -> None:
    assert estimator.probes(POINT, np.random.default_rng(0)).shape == (probes, 3)
    assert np.abs(estimate(estimator, cubic, POINT) - SLOPE).max() < accuracy


def test_few_probes_are_right_in_the_mean() -> None:
    for estimator in (SPSA(), ScoreFunction(samples=2)):
        found = [estimate(estimator, cubic, POINT, seed) for seed in range(3000)]
        deviation = np.std(found, axis=0) / np.sqrt(3000)
        assert np.all(np.abs(np.mean(found, axis=0) - SLOPE) < 4 * deviation + 0.1)


def test_a_score_function_has_a_slope_where_the_outcome_jumps() -> None:
    # The mean of a step under a normal distribution rises as its density.
    estimator = ScoreFunction(sigma=0.5, samples=40000)
    found = estimate(estimator, lambda x: float(x[0] > 0), np.array([0.2]))
    density = np.exp(-(0.4**2) / 2) / np.sqrt(2 * np.pi) / 0.5
    assert found[0] == pytest.approx(density, rel=0.05)


@pytest.mark.parametrize(
    "make_one",
    [
        lambda: FiniteDifferences(step=0),
        lambda: SPSA(step=-1),
        lambda: SPSA(pairs=0),
        lambda: ScoreFunction(sigma=float("nan")),
        lambda: ScoreFunction(samples=5),
    ],
)
def test_what_makes_no_estimator_is_refused(make_one: Any) -> None:
    with pytest.raises(swergio.ConfigurationError, match="expected"):
        make_one()


# -- the node ---------------------------------------------------------------------------------------------------------


@over_wires
def test_a_function_becomes_a_node_with_a_gradient(make: Make) -> None:
    process = process_of(make, FiniteDifferences(), function=model)
    y, pullback = process.vjp(X)
    np.testing.assert_array_equal(y, model(X))
    np.testing.assert_allclose(pullback(G), exact(X, G), rtol=1e-6)
    assert gradcheck(process, X, rtol=1e-5).checked == 6


@over_wires
@pytest.mark.parametrize("face", ["plain", "asyncio"])
def test_workers_share_the_probes(make: Make, face: str) -> None:
    asked = Inbox()

    def simulate(message: swergio.Message) -> Any:
        asked.put((message.meta["day"], message.attempt))
        return model(message.data)

    for _ in range(3):
        worker = make("worker")
        worker.on("simulations", group="simulators")(simulate)
        worker.start()
    front: Any = make("front", face)
    inner = front._inner if face == "asyncio" else front
    serve(inner, FiniteDifferences(), "x", "y", workers="simulations", timeout=20)
    front.start()
    process = make("trainer").start().process("x", "y")
    y, pullback = process.vjp(X, meta={"day": 3})
    np.testing.assert_array_equal(y, model(X))
    assert len(asked.items) == 1  # nothing is probed before a gradient is wanted
    np.testing.assert_allclose(pullback(G), exact(X, G), rtol=1e-6)
    assert asked.items == [(3, 0)] * 13
    assert len(process(X, meta={"day": 3})) == 2
    assert len(asked.items) == 14


def test_structures_have_gradients_where_they_have_floats(make: Make) -> None:
    def mix(x: Any) -> Any:
        assert x["mode"] == "fast"
        return {"sum": x["speed"] * x["load"][0], "name": "mix"}

    process = process_of(make, FiniteDifferences(), function=mix)
    speed = np.array([1, 2], np.float32)
    _, pullback = process.vjp({"speed": speed, "load": [3.0, 7], "mode": "fast"})
    gradient = pullback({"sum": np.ones(2), "name": None})
    assert gradient["speed"].dtype == np.float32
    np.testing.assert_allclose(gradient["speed"], [3, 3], rtol=1e-2)
    assert gradient["load"] == [pytest.approx(3, rel=1e-2), None]
    assert gradient["mode"] is None


def test_a_simulator_is_optimised_with_noisy_gradients(make: Make) -> None:
    process = process_of(make, SPSA(step=0.1), function=lambda x: float(((x - [1, -2]) ** 2).sum()), seed=0)
    x = np.zeros(2)
    for step in range(60):
        _, pullback = process.vjp(x)
        x = x - 0.2 / (1 + 0.1 * step) * pullback(1.0)
    np.testing.assert_allclose(x, [1, -2], atol=0.1)


def test_what_fails_is_told(make: Make) -> None:
    worker, front = make("worker"), make("front")
    worker.on("simulations")(lambda message: 1 / message.data[0] if message.data[0] else None)
    worker.start()
    serve(front, FiniteDifferences(step=1.0, central=False), "x", "y", workers="simulations", timeout=10)
    serve(front, FiniteDifferences(step=1e-9), "a", "b", function=lambda x: x)
    front.start()
    trainer = make("trainer").start()
    _, pullback = trainer.process("x", "y").vjp(np.array([-1.0]))
    with pytest.raises(swergio.PassFailed, match="the product is a NoneType, and should be a number"):
        pullback(1.0)
    _, pullback = trainer.process("x", "y").vjp(np.array([2.0]))
    with pytest.raises(swergio.PassFailed, match=r"the gradient has the shape \(2,\), and \(\) was expected"):
        pullback(np.ones(2))
    _, pullback = trainer.process("a", "b").vjp(np.ones(2, np.float32))
    with pytest.raises(swergio.PassFailed, match="a step that is lost in the rounding of float32"):
        pullback(np.ones(2))


def test_what_computes_the_product_must_be_said(make: Make) -> None:
    both: list[Any] = [{}, {"function": model, "workers": "simulations"}]
    for how in both:
        with pytest.raises(swergio.ConfigurationError, match="one of them"):
            serve(make("front"), SPSA(), "x", "y", **how)
