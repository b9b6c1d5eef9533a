"""
Arrays on the wire: every dtype that travels arrives bit for bit, the others are refused at the sender.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from swergio.codec import pack, unpack_body
from swergio.codec.arrays import MAX_DESCRIPTION, MAX_NESTING, _parse, decode
from swergio.errors import MissingExtra, UnsupportedBody

NUMBERS = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
    "complex64", "complex128",
]  # fmt: skip
ML_DTYPES = [
    "bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
    "float8_e5m2fnuz", "float8_e8m0fnu",
]  # fmt: skip
PLAIN = [np.dtype(name) for name in NUMBERS]
TIMES = [np.dtype(f"<{kind}8{unit}") for kind in "Mm" for unit in ("[Y]", "[25s]", "[ms]", "[ns]", "[as]")]
TEXTS = [np.dtype(name) for name in ("S1", "S7", "<U1", "<U12")]
STRUCTURES = [
    np.dtype([("x", "<f8"), ("y", "?")]),
    np.dtype([("position", "<f4", (2, 3)), ("name", "<U5"), ("at", "<M8[us]")]),
    np.dtype([("outer", [("inner", "<c8"), ("größe", "S3", (2,))]), ("flag", "i1")]),
]
PACKED = PLAIN + TIMES + TEXTS + STRUCTURES
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def there_and_back(value: Any) -> Any:
    body, segments = pack(value)
    return unpack_body(body, [memoryview(segment) for segment in segments])


@st.composite
def packed_arrays(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    # Any bits at all, so NaNs with payloads, NaT and denormals are among them. Only a bool has bits that mean nothing.
    dtype = draw(st.sampled_from(PACKED))
    shape = draw(SHAPES)
    count = int(np.prod(shape, dtype=int))
    bits = draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
    if dtype == np.dtype(bool):
        bits = bytes(byte & 1 for byte in bits)
    return np.frombuffer(bits, dtype).reshape(shape)


def as_it_is(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array


def in_fortran_order(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array(array, order="F")


def every_second(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array


def with_negative_strides(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array[::-1].copy()[::-1] if array.ndim else array


def big_endian(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.byteswap().view(array.dtype.newbyteorder(">"))


def misaligned(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.ndarray(array.shape, array.dtype, bytearray(b"?" + array.tobytes()), 1)


LAYOUTS = [as_it_is, in_fortran_order, every_second, with_negative_strides, big_endian, misaligned]


@settings(deadline=None, max_examples=400)
@given(packed_arrays(), st.sampled_from(LAYOUTS))
def test_an_array_arrives_bit_for_bit_in_whatever_layout_it_was(array: Any, layout: Any) -> None:
    arrived = there_and_back(layout(array))

    assert type(arrived) is np.ndarray
    assert (arrived.shape, arrived.dtype) == (array.shape, array.dtype)
    assert arrived.tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", PACKED, ids=str)
def test_each_dtype_arrives_as_itself(dtype: np.dtype[Any]) -> None:
    # The property above draws dtypes; this one leaves none out.
    array = np.frombuffer(bytes([1] * dtype.itemsize * 6), dtype).reshape(2, 3)
    arrived = there_and_back(array)

    assert (arrived.dtype, arrived.tobytes()) == (dtype, array.tobytes())


@pytest.mark.parametrize("name", ML_DTYPES)
def test_the_small_floats_of_ml_dtypes_arrive_as_themselves(name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(getattr(ml_dtypes, name))
    bits = bytes(range(256))
    array = np.frombuffer(bits, dtype).reshape(4, -1)
    arrived = there_and_back({"weights": array.T})["weights"].T

    assert (arrived.dtype, arrived.shape, arrived.tobytes()) == (dtype, array.shape, bits)
    assert type(there_and_back(array[0, 0])) is float


def test_padding_inside_a_structure_stays_at_home() -> None:
    padded = np.zeros(3, np.dtype([("flag", "i1"), ("value", "<f8")], align=True))
    padded.view("u1")[:] = 0xEE  # what an uninitialised array might hold
    padded["flag"], padded["value"] = 1, [1.0, 2.0, 3.0]
    body, segments = pack(padded)
    arrived = unpack_body(body, [memoryview(segments[0])])

    assert len(segments[0]) == 3 * 9
    assert arrived.dtype == np.dtype([("flag", "i1"), ("value", "<f8")])
    assert arrived["value"].tolist() == [1.0, 2.0, 3.0]


def test_fields_that_overlap_arrive_side_by_side() -> None:
    union = np.dtype({"names": ["whole", "low"], "formats": ["<u4", "<u2"], "offsets": [0, 0]})
    arrived = there_and_back(np.array([(0x00010002, 2)], union))

    assert arrived.tolist() == [(0x00010002, 2)]


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        (np.bool_(True), True),  # noqa: FBT003
        (np.int8(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float16(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.str_("é"), "é"),
        (np.bytes_(b"\0a"), b"\0a"),
    ],
)
def test_a_numpy_scalar_with_a_python_type_arrives_as_that(scalar: Any, expected: Any) -> None:
    arrived = there_and_back([scalar])[0]

    assert type(arrived) is type(expected)
    assert arrived == expected


@pytest.mark.parametrize(
    "scalar",
    [
        np.complex64(1 - 2j),
        np.datetime64("2026-11-23T02:03:04.000000005", "ns"),
        np.timedelta64(7, "D"),
        np.array([(1, 2.0)], "<i4,<f8")[0],
    ],
    ids=repr,
)
def test_another_numpy_scalar_stays_one(scalar: np.generic) -> None:
    arrived = there_and_back([scalar])[0]

    assert type(arrived) is type(scalar)
    assert (arrived.dtype, arrived) == (scalar.dtype, scalar)
    assert there_and_back({np.datetime64("2026-11-23"): 1}) == {np.datetime64("2026-11-23"): 1}


def test_a_decoded_array_is_a_read_only_view_of_what_was_received() -> None:
    body, (raw,) = pack(np.arange(12.0).reshape(3, 4))
    received = bytearray(64) + raw
    arrived = unpack_body(body, [memoryview(received)[64:]])

    assert np.shares_memory(arrived, np.frombuffer(received, "u1"))
    assert not arrived.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        arrived.flags.writeable = True
    with pytest.raises(BufferError):  # the memory stays as long as the array lives
        received.extend(bytes(4096))


class ByArray:
    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.array


class ByInterface:
    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array
        self.__array_interface__ = array.__array_interface__


class ByDlpack:
    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("kind", [ByArray, ByInterface, ByDlpack])
def test_whatever_exposes_an_array_is_taken_for_it(kind: Any) -> None:
    array = np.arange(6, dtype="f4").reshape(2, 3)
    arrived = there_and_back({"tensor": kind(array)})["tensor"]

    assert (arrived.dtype, arrived.tolist()) == (array.dtype, array.tolist())


def test_an_object_that_fails_to_become_an_array_is_named_with_its_reason() -> None:
    class Traced:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise RuntimeError("traced arrays have no value\nand a long story")

    with pytest.raises(UnsupportedBody) as caught:
        pack({"x": [1, Traced()]})
    assert (caught.value.path, caught.value.reason) == ("data['x'][1]", "traced arrays have no value")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_tensor_that_records_gradients_or_lives_elsewhere_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    # What torch.Tensor does, for those who have no torch: __array__ refuses, numpy(force=True) does it all.
    class Tensor:
        dtype = "torch.float32"

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

        def numpy(self, *, force: bool = False) -> Any:
            return np.ones(2, "f4") if force else self.__array__()

    torch = ModuleType("torch")
    monkeypatch.setattr(torch, "Tensor", Tensor, raising=False)
    monkeypatch.setitem(sys.modules, "torch", torch)

    assert there_and_back(Tensor()).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "complex64", "bfloat16", "float8_e4m3fn"])
def test_torch_tensors_arrive(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.ones(3, 2, dtype=torch.float32).T.to(getattr(torch, dtype))
    tensor.requires_grad_(tensor.is_floating_point() and tensor.element_size() > 1)
    arrived = there_and_back([tensor, tensor[0, 0]])

    assert arrived[0].dtype.name == dtype
    assert arrived[0].astype("c8").tolist() == [[1.0] * 3] * 2
    assert arrived[1].shape == ()


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", "bfloat16"])
def test_jax_arrays_arrive(dtype: str) -> None:
    jax = pytest.importorskip("jax")
    arrived = there_and_back(jax.numpy.ones((2, 3), dtype))

    assert (arrived.dtype.name, arrived.shape) == (dtype, (2, 3))
    assert arrived.astype("f4").tolist() == [[1.0] * 3] * 2


def nested(depth: int) -> Any:
    return np.dtype([("x", nested(depth - 1))]) if depth else np.dtype("f4")


REFUSED = {
    "object": np.array([None, {}], object),
    "an object in a structure": np.zeros(2, np.dtype([("x", "f4"), ("deep", [("o", "O")])])),
    "a time without unit": np.zeros(2, ">m8"),
    "raw bytes": np.zeros(2, "V8"),
    "long double": np.zeros(2, np.longdouble),
    "long double scalar": np.longdouble(1),
    "long double complex": np.zeros(2, np.clongdouble),
    "no fields": np.zeros(2, np.dtype([])),
    "no bytes": np.zeros(2, np.dtype([("x", "f4", (0,))])),
    "nested too deep": np.zeros(2, nested(MAX_NESTING + 1)),
    "too many fields": np.zeros(2, np.dtype([(f"field{i:040}", "f4") for i in range(MAX_DESCRIPTION // 40)])),
    "masked": np.ma.masked_array([1.0, 2.0], [True, False]),
}
if hasattr(np.dtypes, "StringDType"):
    REFUSED["variable strings"] = np.array(["a", "bc"], np.dtypes.StringDType())
    REFUSED["too many dimensions"] = np.zeros((1,) * 33)


@pytest.mark.parametrize("array", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_travel_is_refused_at_the_sender(array: Any) -> None:
    with pytest.raises(UnsupportedBody) as caught:
        pack({"good": np.zeros(3), "bad": [array]})
    assert caught.value.path == "data['bad'][0]"


def test_a_missing_numpy_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    body, (raw,) = pack(np.zeros(2))
    _parse.cache_clear()
    monkeypatch.setitem(sys.modules, "numpy", None)

    with pytest.raises(MissingExtra, match=r"pip install 'swergio\[numpy\]'"):
        pack([ByArray(None)])
    with pytest.raises(MissingExtra, match=r"pip install 'swergio\[numpy\]'"):
        unpack_body(body, [memoryview(raw)])


def test_missing_ml_dtypes_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    _parse.cache_clear()
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)

    with pytest.raises(MissingExtra, match="pip install -U ml_dtypes"):
        decode(msgpack.packb(["bfloat16", [1]]), memoryview(b"ab"))
