"""Bodies as vectors: the floats of a tree, one after another, for what thinks in vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from swergio.trees import beside, leaves, transform

if TYPE_CHECKING:
    import numpy.typing as npt

    Vector: TypeAlias = npt.NDArray[np.floating[Any]]


class Layout:
    """
    How the floats of one body, numbers and arrays, lie in a vector. All else (integers, text, None) stays as it is.

    Args:
        tree: The body. Its arrays are looked at now, and kept.
        path: What it is called in errors.

    Attributes:
        size: The length of the vector.
    """

    def __init__(self, tree: Any, path: str = "x") -> None:
        self._tree = tree
        self._path = path
        self._parts = [np.asarray(leaf) for _, leaf in leaves(tree, path) if _is_float(leaf)]
        self.size = sum(part.size for part in self._parts)
        self._dtype = np.result_type(*self._parts) if self._parts else np.dtype(float)

    @property
    def here(self) -> Vector:
        """
        The vector of the body itself.
        """
        return self.vector(self._tree)

    def vector(self, tree: Any, *, partial: bool = False) -> Vector:
        """
        Return the vector of a body of this layout, in the widest dtype of its floats.

        Args:
            tree: The body.
            partial: None counts as zero, as it does in gradients.

        Raises:
            ValueError: it has other keys, another length, or an array of another shape.
            TypeError: there is something else where a number should be.
        """
        known = iter(self._parts)
        parts = [
            _flat(path, part, next(known).shape, partial=partial)
            for path, leaf, part in beside(self._tree, tree, self._path)
            if _is_float(leaf)
        ]
        return np.concatenate(parts, dtype=self._dtype) if parts else np.zeros(0, self._dtype)

    def tree(self, vector: Vector, *, rest: bool = True) -> Any:
        """
        Return the body that a vector stands for, each array in the shape and dtype that it had.

        Args:
            vector: Of this layout's size.
            rest: Keep what is no float, which is None otherwise.

        Raises:
            ValueError: the vector has another size.
        """
        if np.shape(vector) != (self.size,):
            raise ValueError(f"a vector of the shape {np.shape(vector)} for {self._path}, which has {self.size} floats")
        bounds = np.cumsum([part.size for part in self._parts])[:-1]
        parts = iter(zip(self._parts, np.split(vector, bounds), strict=True)) if self._parts else iter(())

        def restored(leaf: Any) -> Any:
            if not _is_float(leaf):
                return leaf if rest else None
            like, part = next(parts)
            return float(part[0]) if isinstance(leaf, float) else part.reshape(like.shape).astype(like.dtype)

        return transform(restored, self._tree)


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, float) or getattr(getattr(leaf, "dtype", None), "kind", "") == "f"


def _flat(path: str, part: Any, shape: tuple[int, ...], *, partial: bool) -> Vector:
    if part is None and partial:
        return np.zeros(shape).ravel()
    array = np.asarray(part)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{path} is a {type(part).__name__}, and should be a number or an array of real numbers")
    if array.shape != shape:
        raise ValueError(f"{path} has the shape {array.shape}, and {shape} was expected")
    return array.ravel()
