"""A small neural network in NumPy, trained with Adam: from 29 features to 24 hours of sun."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from swergio.demo.climate import FEATURES, HOURS, Array

HIDDEN = 24
RATE = 0.01
DECAY = 0.3


class Trace(NamedTuple):
    """
    What a forward pass leaves behind for its backward pass, weights included: they may have changed by then.
    """

    x: Array
    hidden: Array
    clear: Array
    first: Array
    second: Array


class Network:
    """
    One hidden layer; its outputs say how clear each hour will be, from 0 to 1.

    The forecast is that part of the extraterrestrial irradiance, so none is promised at night, and never more than
    there is above the clouds.
    """

    def __init__(self, seed: int = 0) -> None:
        self.restart(seed)

    def restart(self, seed: int) -> None:
        """
        Forget everything that was learned, and begin from random weights.
        """
        draw = np.random.default_rng(seed).normal
        self.weights = [
            draw(0, FEATURES**-0.5, (FEATURES, HIDDEN)),
            np.zeros(HIDDEN),
            draw(0, HIDDEN**-0.5, (HIDDEN, HOURS)),
            np.zeros(HOURS),
        ]
        self.steps = 0
        self.means = [np.zeros_like(w) for w in self.weights]
        self.squares = [np.zeros_like(w) for w in self.weights]

    def forward(self, x: Array) -> tuple[Array, Trace]:
        """
        Return the forecast, shape (days, 24), for features ``x`` of shape (days, 29), and the trace for `backward`.
        """
        first, first_bias, second, second_bias = self.weights
        hidden = np.tanh(x @ first + first_bias)
        clear = 1 / (1 + np.exp(-(hidden @ second + second_bias)))
        return x[:, -HOURS:] * clear, Trace(x, hidden, clear, first, second)

    def backward(self, grad: Array, trace: Trace) -> tuple[Array, list[Array]]:
        """
        Return the gradient by the features and those by the weights, given ``grad``, the one by the forecast.
        """
        x, hidden, clear, first, second = trace
        at_output = grad * x[:, -HOURS:] * clear * (1 - clear)
        at_hidden = at_output @ second.T * (1 - hidden**2)
        grad_x = at_hidden @ first.T
        grad_x[:, -HOURS:] += grad * clear
        return grad_x, [x.T @ at_hidden, at_hidden.sum(0), hidden.T @ at_output, at_output.sum(0)]

    def update(self, gradients: list[Array]) -> None:
        """
        Take one step of Adam, with decoupled weight decay. The arrays of a trace stay as they were.
        """
        self.steps += 1
        for i, grad in enumerate(gradients):
            self.means[i] += 0.1 * (grad - self.means[i])
            self.squares[i] += 0.001 * (grad**2 - self.squares[i])
            mean = self.means[i] / (1 - 0.9**self.steps)
            deviation = np.sqrt(self.squares[i] / (1 - 0.999**self.steps)) + 1e-8
            self.weights[i] = self.weights[i] - RATE * (mean / deviation + DECAY * self.weights[i])
