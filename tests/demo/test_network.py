from __future__ import annotations

from collections.abc import Callable

import numpy as np

from swergio.demo.climate import Array, days, features, sky, sun
from swergio.demo.network import Network

SOME = [40, 130, 220, 310]


def test_a_forecast_lies_between_zero_and_the_sky() -> None:
    forecast, _ = Network(seed=3).forward(features(SOME))
    assert forecast.shape == (4, 24)
    assert (forecast >= 0).all()
    assert (forecast <= sky(SOME)).all()


def test_both_gradients_are_exact() -> None:
    network, x, towards = Network(seed=3), features(SOME), np.random.default_rng(0).normal(size=(4, 24))
    _, trace = network.forward(x)
    grad_x, gradients = network.backward(towards, trace)

    def value() -> float:
        return float((network.forward(x)[0] * towards).sum())

    for array, exact in [(x, grad_x), *zip(network.weights, gradients, strict=True)]:
        assert np.allclose(exact, finite_differences(value, array), atol=1e-7)


def finite_differences(value: Callable[[], float], array: Array, width: float = 1e-5) -> Array:
    slopes = np.empty_like(array)
    for i in np.ndindex(array.shape):
        before = array[i]
        array[i] = before + width
        above = value()
        array[i] = before - width
        slopes[i] = (above - value()) / (2 * width)
        array[i] = before
    return slopes


def test_a_trace_stays_as_it_was_when_the_weights_move_on() -> None:
    network, x = Network(), features(SOME)
    forecast, trace = network.forward(x)
    expected, gradients = network.backward(forecast, trace)
    network.update(gradients)
    assert np.array_equal(network.backward(forecast, trace)[0], expected)
    assert not np.array_equal(network.forward(x)[0], forecast)


def test_updates_make_the_error_smaller() -> None:
    network, training = Network(), days(held_out=False)
    errors = []
    for _ in range(100):
        forecast, trace = network.forward(features(training))
        errors.append(np.mean((forecast - sun(training)) ** 2))
        network.update(network.backward(2 * (forecast - sun(training)) / len(training), trace)[1])
    assert errors[-1] < 0.7 * errors[0]


def test_a_restart_forgets_what_was_learned() -> None:
    network, x = Network(seed=1), features(SOME)
    before, trace = network.forward(x)
    network.update(network.backward(before, trace)[1])
    network.restart(1)
    assert np.array_equal(network.forward(x)[0], before)
    network.restart(2)
    assert not np.array_equal(network.forward(x)[0], before)
