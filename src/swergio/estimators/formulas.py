"""How a gradient is made of outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from swergio.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]


class Estimator(Protocol):
    """
    Makes a gradient of outcomes; another one is any object with these two methods.
    """

    def probes(self, x: Array, draw: np.random.Generator) -> Array:
        """
        Return the inputs to be tried, one in each row.

        Args:
            x: The input, a vector.
            draw: Where random numbers come from.
        """

    def gradient(self, x: Array, probes: Array, outcomes: Array, here: float) -> Array:
        """
        Return the gradient at ``x``, a vector.

        Args:
            x: The input.
            probes: What was tried: as it was asked for, but in the precision in which it was sent.
            outcomes: One for each row of the probes.
            here: That at ``x``.
        """


@dataclass(frozen=True, slots=True)
class FiniteDifferences:
    """
    One entry after the other is moved: exact but for rounding, with 2n probes for n entries.

    Nocedal and Wright, Numerical Optimization, 2nd ed. (2006), section 8.1.

    Args:
        step: How far, in units of the entry if that is above 1. By default what balances error and rounding there, for
            functions that are computed in the precision of the input: its cube root, 6e-6 for float64; the square root
            if ``central`` is false. A function with noise wants more.
        central: Move to both sides. Otherwise there are n probes, and an error in proportion to the step.
    """

    step: float | None = None
    central: bool = True

    def __post_init__(self) -> None:
        _check_above_0("step", self.step)

    def probes(self, x: Array, draw: np.random.Generator) -> Array:
        """
        See `Estimator.probes`.
        """
        step = self.step or np.finfo(x.dtype).eps ** (1 / 3 if self.central else 1 / 2)
        moves = np.diag(step * np.maximum(1, np.abs(x)))
        return np.concatenate([x + moves, x - moves]) if self.central else x + moves

    def gradient(self, x: Array, probes: Array, outcomes: Array, here: float) -> Array:
        """
        See `Estimator.gradient`.
        """
        if self.central:
            above, below = np.split(probes, 2)
            top, bottom = np.split(outcomes, 2)
        else:
            above, below, top, bottom = probes, x, outcomes, np.asarray(here)
        distances = np.diagonal(above - below)
        if not np.all(distances):
            raise ConfigurationError(
                f"a step that is lost in the rounding of {x.dtype}", remedy="Say step=, a larger one"
            )
        return np.asarray((top - bottom) / distances)


@dataclass(frozen=True, slots=True)
class SPSA:
    """
    All entries are moved at once, each to a random side: two probes for any number of entries, and noise in return.

    Simultaneous perturbation: Spall, Multivariate Stochastic Approximation Using a Simultaneous Perturbation Gradient
    Approximation, IEEE Transactions on Automatic Control 37(3), 1992.

    Args:
        step: How far.
        pairs: How many pairs of probes; their mean is taken.
    """

    step: float = 0.01
    pairs: int = 1

    def __post_init__(self) -> None:
        _check_above_0("step", self.step)
        _check_count("pairs", self.pairs)

    def probes(self, x: Array, draw: np.random.Generator) -> Array:
        """
        See `Estimator.probes`.
        """
        moves = self.step * draw.choice([-1.0, 1.0], (self.pairs, x.size))
        return np.concatenate([x + moves, x - moves])

    def gradient(self, x: Array, probes: Array, outcomes: Array, here: float) -> Array:
        """
        See `Estimator.gradient`.
        """
        above, below = np.split(probes, 2)
        top, bottom = np.split(outcomes, 2)
        return np.asarray(((top - bottom)[:, None] / (above - below)).mean(0))


@dataclass(frozen=True, slots=True)
class ScoreFunction:
    """
    Probes are drawn from a normal distribution around the input, and count by how much better they turned out.

    It is the gradient of the mean outcome under that distribution, which has one even where the outcome jumps. The
    likelihood ratio of Williams, Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement
    Learning, Machine Learning 8, 1992 (REINFORCE), for the mean of a normal distribution, with the outcome at the input
    as the baseline: the Gaussian smoothing of Nesterov and Spokoiny, Random Gradient-Free Minimization of Convex
    Functions, Foundations of Computational Mathematics 17, 2017.

    Args:
        sigma: The standard deviation.
        samples: How many probes.
        antithetic: Draw half of them, and take their mirror images beside them: less noise where the outcome is smooth.
            Salimans and others, Evolution Strategies as a Scalable Alternative to Reinforcement Learning, 2017.
    """

    sigma: float = 0.1
    samples: int = 100
    antithetic: bool = True

    def __post_init__(self) -> None:
        _check_above_0("sigma", self.sigma)
        _check_count("samples", self.samples)
        if self.antithetic and self.samples % 2:
            raise ConfigurationError(f"samples={self.samples} in pairs", "an even number, or antithetic=False")

    def probes(self, x: Array, draw: np.random.Generator) -> Array:
        """
        See `Estimator.probes`.
        """
        moves = self.sigma * draw.normal(size=(self.samples // 2 if self.antithetic else self.samples, x.size))
        return np.concatenate([x + moves, x - moves]) if self.antithetic else x + moves

    def gradient(self, x: Array, probes: Array, outcomes: Array, here: float) -> Array:
        """
        See `Estimator.gradient`.
        """
        return np.asarray(((outcomes - here)[:, None] * (probes - x)).mean(0) / self.sigma**2)


def _check_above_0(name: str, value: float | None) -> None:
    if value is not None and not 0 < value < np.inf:
        raise ConfigurationError(f"{name}={value!r}", "a number above 0")


def _check_count(name: str, value: int) -> None:
    if type(value) is not int or value < 1:
        raise ConfigurationError(f"{name}={value!r}", "a whole number above 0")
