"""Which items a model is least sure of: those that are worth a person's time."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from swergio.errors import ConfigurationError, MissingExtra

By: TypeAlias = Literal["entropy", "margin", "confidence"]


def most_uncertain(probabilities: Any, n: int, by: By = "entropy") -> list[int]:
    """
    Return the indices of the items that a classifier is least sure of, the least sure first.

    What is compared, for the probabilities p of an item's classes:

    - ``"entropy"``: -sum p ln p, the highest first (C. E. Shannon, "A Mathematical Theory of Communication", 1948);
    - ``"margin"``: the highest p less the second, the lowest first (T. Scheffer et al., "Active Hidden Markov Models
      for Information Extraction", 2001);
    - ``"confidence"``: the highest p, the lowest first (D. D. Lewis and W. A. Gale, "A Sequential Algorithm for
      Training Text Classifiers", 1994).

    For two classes the three agree. B. Settles compares them in "Active Learning Literature Survey" (2009).

    Args:
        probabilities: Of shape (items, classes), each row of sum 1 (within 0.001); or of shape (items,), of one of two
            classes.
        n: How many; if there are fewer items, all of them.
        by: What is compared. Where it is the same for two items, the earlier one comes first.

    Raises:
        ConfigurationError: these are no probabilities, or there is no such comparison.
        MissingExtra: NumPy is not installed.
    """
    p = _checked(probabilities)
    if type(n) is not int or n < 0:
        raise ConfigurationError(f"n={n!r}", "a number of items")
    return [int(index) for index in _certainty(p, by).argsort(kind="stable")[:n]]


def _certainty(p: Any, by: str) -> Any:
    import numpy as np

    ordered = np.sort(p, axis=1)
    if by == "entropy":
        # 0 ln 0 is 0, its limit. Rounding keeps rows that are permutations of each other in their order.
        return (p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1).round(12)
    if by == "margin":
        return (ordered[:, -1] - ordered[:, -2]).round(12)
    if by == "confidence":
        return ordered[:, -1]
    raise ConfigurationError(f"by={by!r}", "'entropy', 'margin' or 'confidence'")


def _checked(probabilities: Any) -> Any:
    try:
        import numpy as np
    except ImportError as exc:
        raise MissingExtra("most_uncertain needs NumPy", remedy="Run: pip install 'swergio[numpy]'") from exc
    try:
        p = np.asarray(probabilities, np.float64)
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(f"probabilities that are no array of numbers ({exc})") from exc
    if p.ndim == 1:
        p = np.stack([p, 1 - p], axis=1)
    if p.ndim != 2 or p.shape[1] < 2:
        raise ConfigurationError(f"probabilities of shape {p.shape}", "(items, classes), or (items,) of one of two")
    wrong = np.flatnonzero(~((p >= 0).all(axis=1) & (abs(p.sum(axis=1) - 1) <= 1e-3)))
    if len(wrong):
        raise ConfigurationError(f"row {wrong[0]} of the probabilities, {p[wrong[0]]}", "numbers from 0 on, of sum 1")
    return p
