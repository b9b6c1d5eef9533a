"""Spaces and their values travel as data, and are the same on the other side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import data_equivalence

from swergio.codec import bodies
from swergio.errors import ConfigurationError, ProtocolError
from swergio.gymnasium.spaces import build, describe
from swergio.gymnasium.values import own, pack, unpack

BOX = spaces.Box(np.array([-1.0, -np.inf]), np.array([np.inf, 2.0]), dtype=np.float64)
SPACES: list[spaces.Space[Any]] = [
    BOX,
    spaces.Box(0, 255, (2, 3, 3), np.uint8),
    spaces.Box(-np.inf, 5, (2,), np.int32),
    spaces.Box(-1, 1, (), np.float32),
    spaces.Discrete(5),
    spaces.Discrete(3, start=-1),
    spaces.Discrete(3, dtype=np.int32),
    spaces.MultiBinary(4),
    spaces.MultiBinary([2, 3]),
    spaces.MultiDiscrete([3, 5], start=[1, -2]),
    spaces.MultiDiscrete(np.array([[2, 3], [4, 5]]), dtype=np.int32),
    spaces.Text(6, min_length=2, charset="xyz ä"),
    spaces.Tuple([spaces.Discrete(2), spaces.Tuple([BOX])]),
    spaces.Dict({"b": BOX, "a": spaces.Dict({"c": spaces.Discrete(2)})}),
    spaces.Sequence(spaces.Tuple([spaces.Discrete(4), BOX])),
    spaces.Sequence(BOX, stack=True),
    spaces.Graph(BOX, spaces.Discrete(3)),
    spaces.Graph(BOX, None),
    spaces.OneOf([spaces.Discrete(2), BOX]),
]
every = pytest.mark.parametrize("space", SPACES, ids=str)


def sent(data: Any) -> Any:
    """
    Return what arrives of data that is sent.
    """
    body, segments = bodies.pack(data)
    return bodies.unpack_body(body, [memoryview(segment) for segment in segments])


@every
def test_a_space_is_the_same_on_the_other_side(space: spaces.Space[Any]) -> None:
    other = build(sent(describe(space)))

    assert other == space
    assert type(other) is type(space)
    assert other.dtype == space.dtype
    space.seed(1)
    other.seed(1)
    for _ in range(5):
        assert same(other.sample(), space.sample())


@every
def test_a_value_is_the_same_on_the_other_side_and_can_be_written_to(space: spaces.Space[Any]) -> None:
    space.seed(2)
    for _ in range(5):
        value = space.sample()
        arrived = unpack(space, sent(pack(space, value, "observation")), "observation")

        assert same(arrived, value)
        assert arrived in space
        if isinstance(arrived, np.ndarray):
            assert arrived.flags.writeable


def same(one: Any, other: Any) -> bool:
    if isinstance(one, spaces.GraphInstance):
        return isinstance(other, spaces.GraphInstance) and all(
            data_equivalence(mine, theirs, exact=True) for mine, theirs in zip(one, other, strict=True)
        )
    return data_equivalence(one, other, exact=True)


def test_whether_integers_are_bounded_is_kept() -> None:
    box = build(sent(describe(spaces.Box(-np.inf, 5, (2,), np.int32))))

    assert isinstance(box, spaces.Box)
    assert not box.bounded_below.any()
    assert box.bounded_above.all()


def test_a_space_that_nobody_else_knows_is_named() -> None:
    class Own(spaces.Discrete):
        pass

    with pytest.raises(ConfigurationError, match="a space of type Own; expected one of Box, Discrete"):
        describe(spaces.Dict({"part": Own(3)}))


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        {"kind": "Cube"},
        {"kind": "Discrete", "n": "many", "start": 0, "dtype": "int64"},
        {"kind": "Discrete", "n": 2, "start": 0, "dtype": "object"},
        {"kind": "Box", "dtype": "V8", "low": 0, "high": 1, "bounded": [[True], [True]]},
        {"kind": "Box", "dtype": "float32", "low": [2.0], "high": [1.0], "bounded": [[True], [True]]},
        {"kind": "Tuple", "spaces": 3},
    ],
)
def test_what_describes_no_space_is_refused(told: Any) -> None:
    with pytest.raises(ProtocolError, match="a space described as"):
        build(told)


@pytest.mark.parametrize(
    ("space", "value"),
    [
        (spaces.Discrete(3), "one"),
        (spaces.Discrete(3), 0.5),
        (spaces.Tuple([BOX, BOX]), (1,)),
        (spaces.Dict({"a": BOX}), {"b": 1}),
        (spaces.OneOf([BOX]), (3, 1.0)),
    ],
)
def test_a_value_of_another_form_is_refused_by_either_side(space: spaces.Space[Any], value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"the action .*; expected a value of"):
        pack(space, value, "action")
    with pytest.raises(ProtocolError, match="an observation that is no value of"):
        unpack(space, value, "observation")


def test_arrays_of_an_info_can_be_written_to() -> None:
    array = np.arange(3.0)
    info = own(sent({"deep": [{"array": array}], "text": "x"}))
    info["deep"][0]["array"][:] = 0

    assert info["text"] == "x"
    assert array.sum() == 3
