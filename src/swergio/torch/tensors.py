"""What travels, as tensors, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

Device = torch.device | str | None


def tensor_of(array: Array) -> torch.Tensor | None:
    """
    Return a copy of an array as a tensor; None if torch has no such dtype (text, dates, structures).

    A copy, since arrays arrive read-only, and a module may write into its input.
    """
    if array.dtype.kind in "biufc":
        return torch.tensor(array)
    # bfloat16 and the float8 of ml_dtypes are unknown to torch.tensor; their bits travel as integers.
    dtype = getattr(torch, array.dtype.name, None)
    if not isinstance(dtype, torch.dtype):
        return None
    return torch.tensor(array.view(np.uint8 if array.dtype.itemsize == 1 else np.int16)).view(dtype)


def is_differentiable(tensor: torch.Tensor) -> bool:
    """
    Whether there are gradients by such a tensor.
    """
    return tensor.is_floating_point() or tensor.is_complex()


class Like(Protocol):
    """
    What a gradient belongs to: a tensor, or what was kept of one.
    """

    @property
    def shape(self) -> torch.Size: ...  # noqa: D102
    @property
    def dtype(self) -> torch.dtype: ...  # noqa: D102
    @property
    def device(self) -> torch.device: ...  # noqa: D102


def cotangent_of(path: str, value: Any, like: Like) -> torch.Tensor | None:
    """
    Return a gradient that came, for the tensor that it belongs to: on its device, and in its dtype. None stays None.

    Raises:
        ValueError: it has another shape; a gradient is never broadcast.
        TypeError: it is no number and no array of numbers.
    """
    if value is None:
        return None
    if isinstance(value, torch.Tensor):
        tensor: torch.Tensor | None = value
    elif isinstance(value, float | int | complex) and not isinstance(value, bool):
        tensor = torch.tensor(value, dtype=like.dtype)
    else:
        tensor = tensor_of(value) if isinstance(value, np.ndarray) else None
    if tensor is None:
        raise TypeError(f"{path} is a {type(value).__name__}, and a gradient is a number or an array of numbers")
    if tensor.shape != like.shape:
        raise ValueError(f"{path} has the shape {tuple(tensor.shape)}, and what it belongs to {tuple(like.shape)}")
    return tensor.to(like.device, like.dtype)
