"""
Arrays on the wire: what stands for each of them in a body, and what travels beside it.

In the body an array is a msgpack extension of type 1. Its data is msgpack again, ``[dtype, shape]``:

- *dtype* is a name: ``"float32"``, ``"datetime64[ns]"``, ``"U12"``, ``"bfloat16"``; for a structured array it is a
  list with ``[name, dtype, shape]`` for each field, in their order.
- *shape* is a list of sizes, or nil for a NumPy scalar, which is not an array of shape ``[]``.

The segment beside the body holds the elements in C order, little-endian, without padding inside structured ones.

A name is looked up in tables of this module. ``numpy.dtype`` never sees the text of a peer: it would accept
``"i8,(3)O"``, elements that hold pointers. A sender converts to the dtype that it got by parsing its own description
with the receiver's function, so that whatever leaves it passes the receiver's checks.

Importing this module imports no NumPy: a hub handles bodies without it.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgpack

from swergio.codec.frames import ALIGNMENT
from swergio.errors import MissingExtra

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
    Elements: TypeAlias = Array | bytes  # what a segment will hold: an array that is not copied yet, or a copy

ARRAY: Final = 1  # the msgpack extension type

MAX_DIMENSIONS = 32  # of NumPy 1; later ones take 64
MAX_NESTING = 8  # of structured dtypes in each other
MAX_ITEM = 2**31 - 1  # bytes of one element: NumPy 1 counts them in a C int, and adds up fields without checking
MAX_DESCRIPTION = 64 * 1024  # bytes
_MAX_REMEMBERED = 1024  # bytes of a description that is kept; a peer chooses what is remembered, so it is bounded

_NUMBERS = {
    "bool": "?",
    "int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8",
    "uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8",
    "float16": "f2", "float32": "f4", "float64": "f8",
    "complex64": "c8", "complex128": "c16",
}  # fmt: skip
_ML_DTYPES = frozenset({
    "bfloat16",
    "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz",
    "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
})  # fmt: skip
# A unit must be there: without one, NumPy (1.26, 2.4) casts big-endian to little-endian and swaps no byte.
_TIME = re.compile(r"(datetime|timedelta)64(\[(?:[1-9][0-9]{0,8})?(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])")
_TEXT = re.compile(r"[SU][1-9][0-9]{0,9}")


class _Description(NamedTuple):
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    size: int  # bytes of the segment
    scalar: bool


def encode(value: Any) -> tuple[Any, Elements | None]:
    """
    Return what stands for an array in its body, and its elements as they travel.

    What is not copied yet is for the caller to copy, before anybody can change it.

    Takes NumPy arrays and scalars, PyTorch tensors on any device, and whatever has ``__array__``,
    ``__array_interface__`` or ``__dlpack__`` (JAX and TensorFlow arrays). A NumPy scalar that is a number becomes a
    Python number, without a segment; another scalar (complex, datetime64) stays what it is.

    Raises:
        TypeError: ``value`` neither is nor exposes an array (the text is the name of its type), or it is masked.
        ValueError: its dtype or shape does not travel.
        MissingExtra: NumPy or ml_dtypes is not installed. Besides, whatever ``value`` raises when it is converted.
    """
    np = sys.modules.get("numpy")
    if np is not None:
        if type(value) is np.ndarray:
            return _flatten(value, value.shape)
        if isinstance(value, np.generic):
            return _encode_scalar(value)
    array = _exposed(value)
    extension, elements = _flatten(array, array.shape)
    # Copied at once: what `__array__` returned may be memory that the next object's returns too.
    return extension, elements.tobytes()


def size_of(elements: Elements) -> int:
    """
    Return how many bytes of a segment they take.
    """
    return len(elements) if isinstance(elements, bytes) else elements.nbytes


def size_of_all(several: Sequence[Elements]) -> int:
    """
    Return how many bytes segments take one after another, each aligned.
    """
    size = 0
    for elements in several:
        size += -size % ALIGNMENT + size_of(elements)
    return size


def copy_all(several: Sequence[Elements], into: memoryview) -> list[memoryview]:
    """
    Copy elements one behind the other, each aligned, and return the segments.

    ``into`` begins at a multiple of 64 and has the size that `size_of_all` says.
    """
    segments, at = [], 0
    for elements in several:
        begin = at + -at % ALIGNMENT
        into[at:begin] = bytes(begin - at)
        at = begin + size_of(elements)
        segment = into[begin:at]
        _copy(elements, segment)
        segments.append(segment)
    return segments


def _copy(elements: Elements, segment: memoryview) -> None:
    if isinstance(elements, bytes):
        segment[:] = elements
    elif elements.nbytes:
        np = sys.modules["numpy"]
        # This lets other threads run meanwhile; what memoryviews and `tobytes` copy holds them up.
        np.copyto(np.ndarray(elements.shape, elements.dtype, segment), elements)


def decode(payload: bytes, segment: memoryview) -> Any:
    """
    Return the array that ``payload`` describes: a read-only view of ``segment``, which it keeps alive as a whole.

    Raises:
        ValueError: the description is malformed or names what does not travel, or the segment is not of its size.
        MissingExtra: NumPy or ml_dtypes is not installed.
    """
    parse = _parse if len(payload) <= _MAX_REMEMBERED else _parse.__wrapped__
    dtype, shape, size, scalar = parse(payload)
    if segment.nbytes != size:
        raise ValueError(f"an array of {size:,} bytes with a segment of {segment.nbytes:,}")
    np = sys.modules["numpy"]  # parsing imported it; an import statement costs another 0.2 µs
    # np.ndarray(buffer=) is 0.1 µs quicker, but keeps the object under the view without exporting its buffer: a
    # bytearray resized later would leave the array pointing at freed memory.
    array = np.frombuffer(segment.toreadonly(), dtype)
    if len(shape) != 1:
        array = array.reshape(shape)
    return array[()] if scalar else array


def _flatten(array: Array, shape: tuple[int, ...] | None) -> tuple[msgpack.ExtType, Array]:
    extension, wire = _describe(array.dtype, shape)
    return extension, array if wire is None else array.astype(wire)


def _encode_scalar(scalar: np.generic) -> tuple[Any, Elements | None]:
    # Datetimes are left out since the .item() of some units is an int.
    if scalar.dtype.kind not in "mM":
        number = scalar.item()
        if isinstance(number, (bool, int, float)):
            return number, None
    import numpy as np

    return _flatten(np.asarray(scalar), None)


def _exposed(value: Any) -> Array:
    torch = sys.modules.get("torch")
    if isinstance(value, getattr(torch, "Tensor", ())):
        return _from_torch(value, torch)
    by_array = hasattr(value, "__array__") or hasattr(value, "__array_interface__")
    # The class numpy.ndarray has an __array__ too.
    if isinstance(value, type) or not (by_array or hasattr(value, "__dlpack__")):
        raise TypeError(_type_name(type(value)))
    _require_numpy()
    import numpy as np

    if isinstance(value, np.ma.MaskedArray):
        raise TypeError("a masked array: send .filled(), or its data and its mask as two arrays")
    return np.asarray(value) if by_array else np.from_dlpack(value)


def _from_torch(tensor: Any, torch: Any) -> Array:
    _require_numpy()  # torch works without it, and says less clearly that it is missing
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in _ML_DTYPES:
        array: Array = tensor.numpy(force=True)
        return array
    # Tensor.numpy() knows none of these; their bits travel as integers of the same width.
    bits = torch.uint8 if tensor.element_size() == 1 else torch.int16
    array = tensor.detach().cpu().contiguous().view(bits).numpy()
    return array.view(_plain_dtype(name))


def _type_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


@lru_cache(maxsize=1024)
def _describe(dtype: np.dtype[Any], shape: tuple[int, ...] | None) -> tuple[msgpack.ExtType, np.dtype[Any] | None]:
    # The extension, and what to convert to first if the elements are not laid out as they travel.
    payload = msgpack.packb((_name_of(dtype), shape))
    wire = _parse(payload).dtype
    return msgpack.ExtType(ARRAY, payload), None if wire == dtype else wire


def _name_of(dtype: np.dtype[Any]) -> str | list[Any]:
    if dtype.names is not None:
        return [_field_of(name, dtype[name]) for name in dtype.names]
    if dtype.kind in "SU":
        return f"{dtype.kind}{dtype.itemsize // (4 if dtype.kind == 'U' else 1)}"
    return dtype.name


def _field_of(name: str, dtype: np.dtype[Any]) -> list[Any]:
    base, shape = dtype.subdtype or (dtype, ())
    return [name, _name_of(base), shape]


@lru_cache(maxsize=1024)
def _parse(payload: bytes) -> _Description:
    if len(payload) > MAX_DESCRIPTION:
        raise ValueError(f"an array whose description takes {len(payload):,} bytes, above {MAX_DESCRIPTION:,}")
    described = msgpack.unpackb(payload)
    if type(described) is not list or len(described) != 2:
        raise ValueError("an array that is not described by dtype and shape")
    _require_numpy()
    dtype = _dtype(described[0])
    scalar = described[1] is None
    shape = () if scalar else _dimensions(described[1])
    return _Description(dtype, shape, math.prod(shape) * dtype.itemsize, scalar)


def _dimensions(shape: Any) -> tuple[int, ...]:
    if type(shape) is not list:
        raise ValueError("an array without a shape")
    if len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"an array of {len(shape)} dimensions, above {MAX_DIMENSIONS}")
    for size in shape:
        # reshape would take -1 for "the rest"
        if type(size) is not int or size < 0:
            raise ValueError(f"an array with a dimension of {size!r:.40}")
    return tuple(shape)


def _dtype(name: Any, depth: int = 0) -> np.dtype[Any]:
    if type(name) is str:
        return _plain_dtype(name)
    if type(name) is list and depth < MAX_NESTING:
        return _structured_dtype(name, depth)
    raise ValueError(f"an array of a dtype that is not a name, nor fields nested at most {MAX_NESTING} deep")


def _structured_dtype(fields: list[Any], depth: int) -> np.dtype[Any]:
    layout = []
    size = 0
    for field in fields:
        if type(field) is not list or len(field) != 3 or type(field[0]) is not str or not field[0]:
            raise ValueError("an array with a field that is not described by name, dtype and shape")
        dtype = _dtype(field[1], depth + 1)
        shape = _dimensions(field[2])
        size += math.prod(shape) * dtype.itemsize
        layout.append((field[0], dtype, shape))
    if not 0 < size <= MAX_ITEM:
        raise ValueError(f"an array with elements of {size:,} bytes")
    import numpy as np

    return np.dtype(layout)


def _plain_dtype(name: str) -> np.dtype[Any]:
    if name in _ML_DTYPES:
        return _ml_dtype(name)
    if name in _NUMBERS:
        code = _NUMBERS[name]
    elif time := _TIME.fullmatch(name):
        code = ("M8" if time[1] == "datetime" else "m8") + time[2]
    elif _TEXT.fullmatch(name) and int(name[1:]) * 4 <= MAX_ITEM:
        code = name
    else:
        travels = "booleans, numbers, datetimes with a unit, text of fixed length and structures"
        raise ValueError(f"an array of dtype {name!r:.40}; those that travel are {travels}")
    import numpy as np

    return np.dtype("<" + code)


def _ml_dtype(name: str) -> np.dtype[Any]:
    import numpy as np

    try:
        import ml_dtypes

        kind: type[Any] = getattr(ml_dtypes, name)
    except (ImportError, AttributeError) as exc:
        raise MissingExtra(f"an array of {name} needs ml_dtypes", remedy="Run: pip install -U ml_dtypes") from exc
    return np.dtype(kind)


def _require_numpy() -> None:
    try:
        import numpy  # noqa: F401, ICN001 - only to see whether it is there
    except ImportError as exc:
        raise MissingExtra("arrays need NumPy", remedy="Run: pip install 'swergio[numpy]'") from exc
