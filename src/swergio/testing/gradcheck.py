"""Whether the gradients that come back through live components are those of what the components compute."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swergio.errors import MissingExtra, SwergioError
from swergio.messages import Phase
from swergio.passes import Process
from swergio.testing.blame import Suspect, Tolerance, suspects
from swergio.trees import leaves, transform

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Leaves = dict[str, Array]


log = logging.getLogger("swergio.testing")


@dataclass(frozen=True, slots=True)
class GradientReport:
    """
    The outcome of `gradcheck`.

    Attributes:
        checked: How many entries of the input were compared.
        entry: The one that is furthest off for its tolerance, such as ``x[0, 2]`` or ``x['speed'][1]``.
        expected, got: The finite difference and the gradient there.
    """

    checked: int
    entry: str
    expected: float
    got: float


class GradientMismatch(AssertionError):
    """
    A gradient that came back is not the derivative of the process.

    Attributes:
        report: What was compared.
        wrong: How many entries are off.
        suspects: The components whose gradients are wrong by themselves, and those that could not be checked.
    """

    def __init__(self, report: GradientReport, wrong: int, suspects: Sequence[Suspect] = ()) -> None:
        self.report = report
        self.wrong = wrong
        self.suspects = tuple(suspects)
        super().__init__(
            f"{wrong} of {report.checked} gradients are wrong; the worst is that of {report.entry}: "
            f"got {report.got:.9g}, and the finite difference is {report.expected:.9g}"
            + "".join(f"\n  {suspect}" for suspect in self.suspects)
        )

    @property
    def blamed(self) -> tuple[str, ...]:
        """
        The instances whose gradients are wrong.
        """
        return tuple(suspect.component for suspect in self.suspects if not suspect.unchecked)


def gradcheck(
    process: Process,
    x: Any,
    *,
    eps: float = 1e-6,
    rtol: float = 1e-4,
    atol: float = 1e-7,
    cotangent: Any = None,
    samples: int | None = None,
    seed: int = 0,
    meta: Mapping[str, Any] | None = None,
    timeout: float = 30.0,
) -> GradientReport:
    """
    Compare the gradient that a process returns with central differences through its live components.

    If they differ, each component on the way is checked by itself, and those whose gradients are wrong are named
    (`Suspect`). For that, the component of the process looks into the rooms in between, and leaves them again.

    Every pass is one of `Phase.VALIDATE`; components that change their weights in that phase, or that draw random
    numbers, are no function and fail. Components that compute in single precision want ``eps=1e-2, rtol=1e-2``.

    Args:
        process: A process of the plain face.
        x: The input: a number, an array of floats, or dicts and lists of them. It is left as it is.
        eps: The step of the differences, to each side.
        rtol, atol: An entry is wrong if it is further off than ``atol + rtol * abs(expected)``.
        cotangent: What is pulled back, in the shape of the product; by default drawn at random.
        samples: Compare only so many entries of ``x``, drawn at random; by default all.
        seed: Of what is drawn.
        meta: Handed to every pass.
        timeout: Seconds for each half of a pass.

    Returns:
        What was compared.

    Raises:
        GradientMismatch: an entry is wrong; names the worst one, and whose gradient is wrong.
        TypeError: the input or the product holds other things than floats.
        ValueError: the gradient or ``cotangent`` is not in the shape of what it belongs to.
        PassError: a pass did not succeed.
    """
    try:
        import numpy as np
    except ImportError as exc:
        raise MissingExtra("gradcheck needs NumPy", remedy="Run: pip install 'swergio[numpy]'") from exc

    draw = np.random.default_rng(seed)
    point = _Point(process, x, meta, timeout)
    product = point.product()
    if cotangent is None:
        cotangent = transform(lambda leaf: draw.normal(size=np.shape(leaf)), product)
    point.weights = _leaves_like("the cotangent", cotangent, dict(_leaves(product, "y")), "y")
    entries = [(path, index) for path, leaf in point.leaves.items() for index in np.ndindex(leaf.shape)]
    if samples is not None and samples < len(entries):
        entries = [entries[i] for i in sorted(draw.choice(len(entries), samples, replace=False))]
    # The gradient comes last: should a component learn from it after all, the differences are those of one process.
    expected = [point.difference(path, index, eps) for path, index in entries]
    gradient = point.gradient(cotangent)
    got = [float(gradient[path][index]) for path, index in entries]
    report, wrong = _compare([_name(*entry) for entry in entries], expected, got, rtol, atol)
    if wrong:
        tolerance = Tolerance(eps, rtol, atol)
        raise GradientMismatch(report, wrong, point.suspects(cotangent, tolerance, draw))
    return report


class _Point:
    """
    An input that can be moved, and what the process makes of it.
    """

    def __init__(self, process: Process, x: Any, meta: Mapping[str, Any] | None, timeout: float) -> None:
        self.tree = transform(_movable, x)
        self.leaves: Leaves = dict(_leaves(self.tree, "x"))
        self.weights: Leaves = {}
        self._process = process
        self._meta = meta
        self._timeout = timeout
        if not any(leaf.size for leaf in self.leaves.values()):
            raise ValueError("the input has no entries to compare")

    def product(self) -> Any:
        """
        Return what comes out.
        """
        x = transform(_sendable, self.tree)
        return self._process(x, phase=Phase.VALIDATE, meta=self._meta, timeout=self._timeout)

    def difference(self, path: str, index: tuple[int, ...], eps: float) -> float:
        """
        Return the central difference of the weighted product by one entry.
        """
        leaf = self.leaves[path]
        here = leaf[index]
        leaf[index] = here + eps
        above, top = float(leaf[index]), self._outcome()
        leaf[index] = here - eps
        below, bottom = float(leaf[index]), self._outcome()
        leaf[index] = here
        return (top - bottom) / (above - below)  # the step that was taken; in single precision it is not 2 * eps

    def _outcome(self) -> float:
        product = _leaves_like("a later product", self.product(), self.weights, "y")
        return sum(float((self.weights[path] * leaf).sum()) for path, leaf in product.items())

    def gradient(self, cotangent: Any) -> Leaves:
        """
        Return what is pulled back, by the paths of the input.
        """
        x = transform(_sendable, self.tree)
        _, pullback = self._process.vjp(x, phase=Phase.VALIDATE, meta=self._meta, timeout=self._timeout)
        return _leaves_like("the gradient", pullback(transform(_sendable, cotangent), self._timeout), self.leaves, "x")

    def suspects(self, cotangent: Any, tolerance: Tolerance, draw: np.random.Generator) -> list[Suspect]:
        """
        Return whose gradients are wrong.
        """
        x, g = (transform(_sendable, tree) for tree in (self.tree, cotangent))
        try:
            return suspects(self._process, x, g, tolerance=tolerance, draw=draw, meta=self._meta, timeout=self._timeout)
        except (SwergioError, TimeoutError) as exc:  # what was found is not to be hidden by that
            log.warning("it cannot be said whose gradient is wrong: %s", exc)
            return []


def _compare(
    names: list[str], expected: list[float], got: list[float], rtol: float, atol: float
) -> tuple[GradientReport, int]:
    excess = [abs(g - e) - atol - rtol * abs(e) for e, g in zip(expected, got, strict=True)]
    excess = [math.inf if math.isnan(part) else part for part in excess]
    worst = max(range(len(names)), key=excess.__getitem__)
    report = GradientReport(len(names), names[worst], expected[worst], got[worst])
    return report, sum(part > 0 for part in excess)


def _name(path: str, index: tuple[int, ...]) -> str:
    return path + (f"[{', '.join(map(str, index))}]" if index else "")


def _leaves(tree: Any, path: str) -> Iterator[tuple[str, Array]]:
    for place, leaf in leaves(tree, path):
        yield place, _real(leaf, place)


def _leaves_like(what: str, tree: Any, like: Leaves, path: str) -> Leaves:
    if tree is None:
        raise ValueError(f"{what} is None: a component on the way has none")
    parts = dict(_leaves(tree, path))
    found = {path: leaf.shape for path, leaf in parts.items()}
    wanted = {path: leaf.shape for path, leaf in like.items()}
    if found != wanted:
        raise ValueError(f"{what} has the shapes {found}, and {wanted} were expected")
    return parts


def _real(value: Any, path: str) -> Array:
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{path} is of the type {array.dtype}, and gradcheck compares real numbers")
    return array


def _movable(value: Any) -> Array:
    import numpy as np

    array = np.array(float(value) if isinstance(value, int) else value)
    if array.dtype.kind != "f":
        raise TypeError(f"gradcheck moves floats, and the input holds values of the type {array.dtype}")
    return array


def _sendable(leaf: Any) -> Any:
    return float(leaf) if getattr(leaf, "ndim", 0) == 0 else leaf
