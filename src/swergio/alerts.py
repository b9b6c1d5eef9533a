"""The rule of an alert: when a figure has left its band, and when it is back. Values in, changes out; no clock.

Theory of operation. A `Gauge` is *in* its band at first. Each value is judged to be inside or outside; with a window it
is the mean of the newest values that is judged, once there are so many.

=====  ============================================  =====  ====================================
state  judged                                        then   tells
=====  ============================================  =====  ====================================
in     outside, the last of ``patience`` in a row    out    that it left, at the first of these
out    inside, the last of ``recovery`` in a row     in     that it is back, since the first
=====  ============================================  =====  ====================================

Anything else changes nothing. So an excursion is told once, however long it lasts, and not ended by one good value
within it; nor do single outliers begin one. What is no number counts as outside, as does an infinite value: a loss that
diverges ends there.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

from swergio.errors import ConfigurationError

MAX_WINDOW = 10_000


@dataclass(frozen=True, slots=True)
class Band:
    """
    Where a figure should be, and how long it must be elsewhere to matter.

    Attributes:
        low, high: The smallest and the largest value that are inside; None: there is no such bound.
        patience: So many values outside, in a row, are an excursion.
        recovery: So many inside, in a row, end it.
        window: The mean of so many values is judged.

    Raises:
        ConfigurationError: one of them makes no sense.
    """

    low: float | None = None
    high: float | None = None
    patience: int = 3
    recovery: int = 3
    window: int = 1

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            _check_bound(name, getattr(self, name))
        if self.low is None and self.high is None:
            raise ConfigurationError("a band without bounds", "low=, high= or both")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ConfigurationError(f"a band from {self.low:g} to {self.high:g}", "low no larger than high")
        for name in ("patience", "recovery", "window"):
            count = getattr(self, name)
            if type(count) is not int or not 1 <= count <= MAX_WINDOW:
                raise ConfigurationError(f"{name}={count!r}", f"a number of values, 1 to {MAX_WINDOW}")

    def holds(self, value: float) -> bool:
        """
        Whether a value is inside.
        """
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return bool(low <= value <= high and math.isfinite(value))  # NumPy's bools are neither True nor False


def _check_bound(name: str, bound: object) -> None:
    if bound is None:
        return
    if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound):
        raise ConfigurationError(f"{name}={bound!r}", "a finite number, or None")


class Change(NamedTuple):
    """
    A figure left its band, or is back.

    Attributes:
        state: Which of the two.
        value: What was judged last: the value, or the mean of the window.
        step, time: Those of the value that made the change certain.
        since_step, since: Those of the first value of the row.
    """

    state: Literal["out", "in"]
    value: float
    step: int | None
    time: float
    since_step: int | None
    since: float


class Gauge:
    """
    One figure of one component, and whether it is in its band.

    Args:
        band: The band.

    Attributes:
        out: Whether it has left the band.
    """

    __slots__ = ("_band", "_row", "_since", "_values", "out")

    def __init__(self, band: Band) -> None:
        self.out = False
        self._band = band
        self._values: deque[float] = deque(maxlen=band.window)
        self._row = 0  # values in a row that speak against the present state
        self._since: tuple[int | None, float] = (None, 0.0)

    def judge(self, value: float, step: int | None = None, time: float = 0.0) -> Change | None:
        """
        Take the next value; return the change that it makes certain, if it does.
        """
        band = self._band
        self._values.append(value)
        if len(self._values) < band.window:
            return None
        judged = sum(self._values) / band.window
        if band.holds(judged) is not self.out:
            self._row = 0
            return None
        if not self._row:
            self._since = (step, time)
        self._row += 1
        if self._row < (band.recovery if self.out else band.patience):
            return None
        self.out = not self.out
        self._row = 0
        return Change("out" if self.out else "in", judged, step, time, *self._since)
