"""
Bodies: what a message may carry, what is refused at `send`, and how it is named.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import struct
import subprocess
import sys
import threading
from collections import OrderedDict, defaultdict
from typing import Any, NamedTuple

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swergio.codec import pack, unpack_block, unpack_body
from swergio.codec.bodies import MAX_DEPTH
from swergio.codec.frames import Buffer
from swergio.errors import UnsupportedBody


def views(segments: Any) -> list[memoryview]:
    return [memoryview(segment) for segment in segments]


def there_and_back(value: Any) -> Any:
    body, segments = pack(value)
    return unpack_body(body, views(segments))


def block_of(values: list[Any]) -> tuple[bytes, list[Buffer]]:
    packed = [pack(value) for value in values]
    head = b"\xdc" + len(values).to_bytes(2, "big")
    return head + b"".join(body for body, _ in packed), [raw for _, segments in packed for raw in segments]


def comparable(value: Any) -> Any:
    """What must be the same on both sides: floats and arrays by their bits, times as moments, tuples as lists."""
    if isinstance(value, float):
        return "float", struct.pack("<d", value)
    if isinstance(value, np.ndarray):
        return "array", value.dtype, value.shape, value.tobytes()
    if isinstance(value, list | tuple):
        return "list", [comparable(part) for part in value]
    if isinstance(value, dict):
        return "dict", [(key, comparable(part)) for key, part in value.items()]
    return type(value), value


ZONES = st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=-7, minutes=-30)), dt.timezone(dt.timedelta(hours=14))])
YEARS = {"min_value": dt.datetime(2, 1, 1), "max_value": dt.datetime(9998, 12, 31)}  # noqa: DTZ001 - given their zone below
NAMES = st.text(max_size=8)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(),
    st.binary(),
    st.datetimes(**YEARS, timezones=ZONES),  # type: ignore[arg-type]
)
ARRAYS = st.binary(max_size=64).map(lambda bits: np.frombuffer(bits, "u1").reshape(1, -1))
KEYS = st.one_of(NAMES, st.integers(-(2**63), 2**64 - 1), st.binary(max_size=4), st.tuples(st.integers(0, 9), NAMES))
BODIES = st.recursive(
    PLAIN | ARRAYS,
    lambda parts: st.one_of(st.lists(parts), st.tuples(parts, parts), st.dictionaries(KEYS, parts)),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.lists(BODIES, max_size=5))
def test_bodies_arrive_as_they_were(bodies: list[Any]) -> None:
    block, segments = block_of(bodies)

    assert comparable(unpack_block(block, views(segments))) == comparable(bodies)


def test_what_arrives_as_something_else() -> None:
    class Color(enum.IntEnum):
        RED = 7

    class Point(NamedTuple):
        x: int
        y: int

    zone = dt.timezone(dt.timedelta(hours=5))
    sent = [(1, 2), Point(3, 4), Color.RED, bytearray(b"a"), memoryview(b"b"), OrderedDict(k=1), defaultdict(int)]
    moment = dt.datetime(1969, 12, 31, 23, 59, 59, 999999, zone)

    assert there_and_back(sent) == [[1, 2], [3, 4], 7, b"a", b"b", {"k": 1}, {}]
    assert there_and_back(moment) == moment
    assert there_and_back(moment).tzinfo == dt.UTC


def test_keys_of_dicts_may_be_more_than_text() -> None:
    body = {1: "a", None: "b", b"c": "d", (2, ("e", 3)): {(): [{(0,): 1}]}}

    assert there_and_back(body) == body
    assert there_and_back({(1, 2): np.arange(3)})[1, 2].tolist() == [0, 1, 2]


def test_extensions_of_an_application_pass_through() -> None:
    value = msgpack.ExtType(5, b"mine")

    assert there_and_back([value, np.zeros(2)])[0] == value


def test_a_body_is_the_value_at_the_moment_of_sending() -> None:
    value: dict[str, Any] = {"array": np.arange(4.0), "list": [1, bytearray(b"abc")]}
    body, segments = pack(value)
    value["array"][:] = -1
    value["list"][1][:] = b"xyz"
    value["list"].append(2)
    arrived = unpack_body(body, views(segments))

    assert arrived["array"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert arrived["list"] == [1, b"abc"]


def test_arrays_take_their_segments_in_order_of_appearance() -> None:
    body, segments = pack({"a": [np.full(1, 1)], "b": {"c": np.full(1, 2), "d": [np.full(1, 3)]}})

    assert [np.frombuffer(raw, "i8")[0] for raw in segments] == [1, 2, 3]
    assert pack("no array") == (msgpack.packb("no array"), ())
    assert unpack_body(body, views(segments))["b"]["d"][0][0] == 3


class Ordinary:
    pass


class Moment(dt.datetime):
    pass


itself: list[Any] = [1]
itself.append({"again": (itself,)})
deep: list[Any] = []
for _ in range(2000):
    deep = [deep]

UNSUPPORTED = {
    "set": ({"batch": [0, 1, 2, {3}]}, "data['batch'][3]", "set"),
    "alone": ({1}, "data", "set"),
    "class": ([Ordinary], "data[0]", "type"),
    "class of arrays": ([np.ndarray], "data[0]", "type"),
    "instance": ({"a": (Ordinary(),)}, "data['a'][0]", f"{__name__}.Ordinary"),
    "decimal": ({7: decimal.Decimal(1)}, "data[7]", "decimal.Decimal"),
    "complex": ([1j], "data[0]", "complex"),
    "date": ([dt.date(2026, 11, 23)], "data[0]", "datetime.date"),
    "65 bits": ({"n": 2**64}, "data['n']", "an int outside"),
    "65 bits, negative": ([-(2**63) - 1], "data[0]", "an int outside"),
    "naive": ([dt.datetime(2026, 11, 23)], "data[0]", "a naive datetime"),  # noqa: DTZ001 - that is the fault
    "subclass": ([Moment(2026, 11, 23, tzinfo=dt.UTC)], "data[0]", f"{__name__}.Moment, a subclass of datetime"),
    "surrogate": (["fine", "\ud800"], "data[1]", "text with a lone surrogate"),
    "key": ({"a": {frozenset(): 1}}, "a key of data['a']", "frozenset"),
    "part of a key": ({(1, 2j): 1}, "a key of data[1]", "complex"),
    "strided bytes": ([memoryview(b"abcd")[::2]], "data[0]", "memoryview"),
    "object array": ({"x": np.array([{}])}, "data['x']", "an array of dtype 'object'"),
    "long double": ([np.longdouble(1)], "data[0]", "an array of dtype"),
    "itself": (itself, "data[1]['again'][0]", "it contains itself"),
    "deep": (deep, "data[0][0][0]", f"it is nested deeper than {MAX_DEPTH} levels"),
}


@pytest.mark.parametrize(("value", "path", "reason"), UNSUPPORTED.values(), ids=UNSUPPORTED.keys())
def test_what_cannot_travel_is_named_with_its_path(value: Any, path: str, reason: str) -> None:
    with pytest.raises(UnsupportedBody) as caught:
        pack(value)

    assert caught.value.reason.startswith(reason)
    assert caught.value.path.startswith(path) if reason.endswith("levels") else caught.value.path == path
    assert len(caught.value.path) < 120


def test_an_error_reads_as_a_sentence() -> None:
    with pytest.raises(UnsupportedBody, match=r"^cannot send data\['batch'\]\[3\]: set\. A body may hold None, bool"):
        pack({"batch": [1, 2, 3, set()]})


def test_nesting_goes_as_deep_as_msgpack_does() -> None:
    value: list[Any] = []
    for _ in range(MAX_DEPTH - 2):  # one level is left for the block
        value = [value]
    (arrived,) = unpack_block(b"\x91" + pack(value)[0], [])

    assert pack(arrived) == pack(value)  # comparing the lists themselves is too deep for Python
    with pytest.raises(UnsupportedBody, match="nested"):
        pack([[[value]]])


def test_a_failure_leaves_nothing_behind() -> None:
    for _ in range(3):
        with pytest.raises(UnsupportedBody):
            pack([np.zeros(2), {1}])
        assert pack([1]) == (b"\x91\x01", ())


def test_an_object_that_packs_while_it_is_packed_mixes_nothing_up() -> None:
    inner = []

    class Sender:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            inner.append(there_and_back(["inner", np.zeros(3)]))
            return np.ones(2)

    arrived = there_and_back(["before", np.full(1, 7), Sender(), "after"])

    assert [arrived[0], arrived[1][0], arrived[2].tolist(), arrived[3]] == ["before", 7, [1.0, 1.0], "after"]
    assert [inner[0][0], inner[0][1].tolist()] == ["inner", [0.0] * 3]


def test_threads_do_not_share_a_packer() -> None:
    faults: list[Any] = []

    class Slow:  # lets another thread run in the middle of a body
        def __init__(self, value: float) -> None:
            self.value = value

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            gate.wait(timeout=30)
            return np.full(3, self.value)

    def work(number: int) -> None:
        for turn in range(50):
            arrived = there_and_back([number, turn, Slow(number), np.full(2, turn), number])
            seen = [arrived[0], arrived[1], arrived[2][0], arrived[3][0], arrived[4]]
            if seen != [number, turn, number, turn, number]:
                faults.append(arrived)

    gate = threading.Barrier(4)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not gate.broken
    assert faults == []


def test_one_body_alone_decodes_from_any_kind_of_buffer() -> None:
    body, (raw,) = pack({"x": np.arange(3)})
    for buffer in (body, bytearray(body), memoryview(b"head" + body)[4:]):
        assert unpack_body(buffer, [memoryview(raw)])["x"].tolist() == [0, 1, 2]


def test_bodies_without_arrays_need_no_numpy() -> None:
    program = """if True:
        import sys
        from swergio.codec import pack, unpack_body
        from swergio.errors import UnsupportedBody
        assert unpack_body(pack({"a": [1, "b"]})[0], []) == {"a": [1, "b"]}
        try:
            pack({"a": {1}})
        except UnsupportedBody as exc:
            print(exc.path)
        assert not {"numpy", "ml_dtypes", "torch", "jax"} & set(sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "data['a']\n"
