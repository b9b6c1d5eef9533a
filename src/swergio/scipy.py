"""
SciPy: a process as what is to be minimised. ``pip install 'swergio[scipy]'``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from swergio.errors import ConfigurationError, MissingExtra, PassFailed
from swergio.messages import Phase
from swergio.passes import Process

try:
    import numpy as np

    from swergio.vectors import Layout
except ImportError as exc:
    raise MissingExtra("swergio.scipy needs SciPy and NumPy", remedy="Run: pip install 'swergio[scipy]'") from exc

if TYPE_CHECKING:
    import numpy.typing as npt

    Vector: TypeAlias = npt.NDArray[np.float64]

__all__ = ["Objective", "objective"]


class Objective:
    """
    A process as a function of a vector, and its gradient; made by `objective`.

    ``fun`` and ``jac`` of the same point cost one pass: both halves are done at once, and the last point is kept.

    Attributes:
        passes: How many passes it took so far.
    """

    def __init__(
        self,
        process: Process,
        *,
        like: Any,
        loss: Callable[[Any], tuple[float, Any]] | None,
        phase: Phase,
        meta: Mapping[str, Any] | None,
        timeout: float | None,
    ) -> None:
        self.passes = 0
        self._process = process
        self._layout = None if like is None else Layout(like)
        self._loss = loss
        self._phase = phase
        self._meta = meta
        self._timeout = timeout
        self._last: tuple[Vector, float, Vector] | None = None

    def __iter__(self) -> Iterator[Callable[[Any], Any]]:
        """
        Iterate over ``fun`` and ``jac``.
        """
        return iter((self.fun, self.jac))

    @property
    def x0(self) -> Vector:
        """
        The vector of the body that `objective` was told to be like.

        Raises:
            ConfigurationError: it was told none.
        """
        if self._layout is None:
            raise ConfigurationError("an objective of vectors has no x0", remedy="Say objective(process, like=body)")
        return self._layout.here.astype(float)

    def restore(self, x: Any) -> Any:
        """
        Return the body that a vector stands for, such as the ``x`` of a result.

        Raises:
            ValueError: the vector is not of the body's size.
        """
        vector = np.array(x, float)
        return vector if self._layout is None else self._layout.tree(vector)

    def fun(self, x: Any) -> float:
        """
        Return the value at a point.

        Raises:
            PassError: the pass did not succeed, or there is no gradient.
            ValueError: what came out is not one number, and there is no loss.
        """
        return self._at(x)[1]

    def jac(self, x: Any) -> Vector:
        """
        Return the gradient at a point, a vector. Raises as `fun`.
        """
        return self._at(x)[2].copy()

    def _at(self, x: Any) -> tuple[Vector, float, Vector]:
        here = np.array(x, float)
        if self._last is None or not np.array_equal(self._last[0], here):
            self._last = (here, *self._pass(here))
        return self._last

    def _pass(self, here: Vector) -> tuple[float, Vector]:
        body = self.restore(here)
        self.passes += 1
        product, pullback = self._process.vjp(body, phase=self._phase, meta=self._meta, timeout=self._timeout)
        value, cotangent = _one_number(product) if self._loss is None else self._loss(product)
        came = pullback(cotangent, self._timeout)
        if came is None:
            raise PassFailed(self._process.source, "a component on the way has no gradient")
        layout = self._layout or Layout(body)
        return float(value), layout.vector(came, partial=True).astype(float)


def objective(
    process: Process,
    *,
    like: Any = None,
    loss: Callable[[Any], tuple[float, Any]] | None = None,
    phase: Phase = Phase.VALIDATE,
    meta: Mapping[str, Any] | None = None,
    timeout: float | None = None,
) -> Objective:
    """
    Return the ``fun`` and ``jac`` of a process, for ``scipy.optimize.minimize`` and whatever takes such.

    ::

        fun, jac = swergio.scipy.objective(trainer.process("settings", "cost"))
        best = scipy.optimize.minimize(fun, x0, jac=jac)

    Args:
        process: A process of the plain face.
        like: A body like those that the process takes, such as ``{"angle": 0.7, "weights": np.ones((3, 2))}``, whose
            floats are what is looked for: `Objective.x0` is its vector, and `Objective.restore` makes a body of one.
            Without it, the vector itself is sent.
        loss: Returns the value of a product and its gradient, ``loss(y) -> (value, gradient)``. Without it the product
            is the value: a number, or an array of one.
        phase: By default the components leave their weights as they are.
        meta: What the components are to know about each pass.
        timeout: Seconds for each half of a pass; by default the setting ``pass_timeout``.

    Raises:
        ConfigurationError: the process is one of the asyncio face; or ``like`` has no floats.
    """
    if not isinstance(process, Process):
        raise ConfigurationError(f"an objective of a {type(process).__name__}", "a process of swergio.Component")
    made = Objective(process, like=like, loss=loss, phase=phase, meta=meta, timeout=timeout)
    if like is not None and not made.x0.size:
        raise ConfigurationError(f"an objective like {like!r:.60}", "a body with floats to look for")
    return made


def _one_number(product: Any) -> tuple[float, Any]:
    array = np.asarray(product)
    if array.size != 1 or array.dtype.kind not in "fiu":
        what = f"an array of the shape {array.shape}" if array.dtype.kind in "fiu" else f"a {type(product).__name__}"
        raise ValueError(f"what came out is {what}, and not one number to minimise: say loss=")
    return float(array.item()), np.ones_like(array, float) if isinstance(product, np.ndarray) else 1.0
