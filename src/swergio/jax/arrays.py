"""What JAX counts as an array, and as a number with a gradient."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def is_numeric(leaf: Any) -> bool:
    """
    Whether a leaf is an array of what JAX computes with, traced or not. Numbers of Python are none.
    """
    if not isinstance(leaf, jax.Array | np.ndarray | np.generic):
        return False
    return bool(jnp.issubdtype(leaf.dtype, np.number) or jnp.issubdtype(leaf.dtype, np.bool_))


def is_differentiable(leaf: Any) -> bool:
    """
    Whether there are gradients by a leaf: an array (or what is like one) or a number of Python, with fractions.
    """
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, float) if dtype is None else bool(jnp.issubdtype(dtype, np.inexact))


def shaped(like: Any) -> Any:
    """
    Return the ``jax.ShapeDtypeStruct`` of an array or of what is like one.
    """
    return jax.ShapeDtypeStruct(jnp.shape(like), jnp.result_type(like))  # type: ignore[no-untyped-call]  # JAX's own


def fitted(path: str, value: Any, like: Any) -> Any:
    """
    Return an array that came, in the dtype that is expected.

    Raises:
        TypeError: it is no number and no array of numbers.
        ValueError: it has another shape; nothing is broadcast.
    """
    array = np.asarray(value)
    if not is_numeric(array):
        raise TypeError(f"{path} is a {type(value).__name__}, and should be a number or an array of numbers")
    if array.shape != like.shape:
        raise ValueError(f"{path} has the shape {array.shape}, and {like.shape} was expected")
    return array.astype(like.dtype)
