"""Arithmetic on feedback: numbers, arrays of any framework, and dicts, lists or tuples of them.

NumPy is not imported: arrays bring their own arithmetic. None stands for "no gradient" everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NO_NUMBERS = (str, bytes, bytearray, bool)


def add(first: Any, second: Any) -> Any:
    """
    Return the sum of two gradients of one shape. None adds nothing.

    Raises:
        ValueError: their shapes, keys or lengths differ; nothing is broadcast, since a gradient has its input's shape.
        TypeError: they are no numbers.
    """
    if first is None or second is None:
        return second if first is None else first
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        if first.keys() != second.keys():
            raise ValueError(f"gradients with the keys {sorted(first)} and {sorted(second)} cannot be added")
        return {key: add(value, second[key]) for key, value in first.items()}
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        if len(first) != len(second):
            raise ValueError(f"gradients of {len(first)} and {len(second)} parts cannot be added")
        return [add(*pair) for pair in zip(first, second, strict=True)]
    _check_numeric(first)
    _check_numeric(second)
    if _shape(first) != _shape(second):
        raise ValueError(f"gradients of the shapes {_shape(first)} and {_shape(second)} cannot be added")
    return first + second


def scale(value: Any, factor: float) -> Any:
    """
    Return ``factor`` times a gradient, at any depth. None stays None.

    Raises:
        TypeError: it is no number.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {key: scale(part, factor) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [scale(part, factor) for part in value]
    _check_numeric(value)
    return value * factor


def size_of(value: Any) -> int:
    """
    Return an estimate of the bytes that ``value`` keeps in memory; what is neither array nor text counts as 32.
    """
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values()), 32)
    if isinstance(value, list | tuple):
        return sum(map(size_of, value), 32)
    return 32


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(getattr(value, "shape", ()))


def _check_numeric(value: Any) -> None:
    if isinstance(value, (*_NO_NUMBERS, Mapping, list, tuple)):
        raise TypeError(f"feedback of the type {type(value).__name__} cannot be added or scaled")
