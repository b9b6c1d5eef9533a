"""Spaces of Gymnasium as data: a dict with the name of the kind and what its constructor takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from swergio.errors import ConfigurationError, ProtocolError

# A peer's text never reaches numpy.dtype, which would make much more of it than numbers.
_DTYPES = {
    name: np.dtype(name)
    for name in (
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64",
    )
}  # fmt: skip


def describe(space: spaces.Space[Any]) -> dict[str, Any]:
    """
    Return what `build` makes an equal space of.

    Raises:
        ConfigurationError: the space is of a kind, or a subclass of one, that the other side could not know.
    """
    name = type(space).__name__
    kind = _KINDS.get(name)
    if kind is None or type(space) is not kind.type:
        raise ConfigurationError(
            f"a space of type {name}", f"one of {', '.join(_KINDS)}", "Wrap the environment so that it has such a one"
        )
    return {"kind": name, **kind.parts(space)}


def build(told: Any) -> spaces.Space[Any]:
    """
    Return the space that was described.

    Raises:
        ProtocolError: this describes no space.
    """
    try:
        return _KINDS[told["kind"]].build(told)
    except (TypeError, ValueError, LookupError, AssertionError, AttributeError) as exc:
        raise ProtocolError(f"a space described as {told!r:.200}: {exc!r}") from exc


class _Kind(NamedTuple):
    type: type[spaces.Space[Any]]
    parts: Callable[[Any], dict[str, Any]]
    build: Callable[[Any], spaces.Space[Any]]


def _box_parts(space: Any) -> dict[str, Any]:
    # Whether a side is bounded decides how samples are drawn; for integers the bounds alone do not tell.
    bounded = [space.bounded_below, space.bounded_above]
    return {"dtype": space.dtype.name, "low": space.low, "high": space.high, "bounded": bounded}


def _box(told: Any) -> Any:
    dtype = _DTYPES[told["dtype"]]
    box = spaces.Box(np.array(told["low"], dtype), np.array(told["high"], dtype), dtype=dtype.type)
    box.bounded_below, box.bounded_above = (np.array(side, bool).reshape(box.shape) for side in told["bounded"])
    return box


def _discrete_parts(space: Any) -> dict[str, Any]:
    return {"n": int(space.n), "start": int(space.start), "dtype": np.dtype(space.dtype).name}


def _discrete(told: Any) -> Any:
    return spaces.Discrete(told["n"], start=told["start"], dtype=_DTYPES[told["dtype"]].type)


def _multi_binary_parts(space: Any) -> dict[str, Any]:
    return {"n": space.n if isinstance(space.n, int) else list(space.shape)}


def _multi_discrete_parts(space: Any) -> dict[str, Any]:
    return {"nvec": space.nvec, "start": space.start, "dtype": np.dtype(space.dtype).name}


def _multi_discrete(told: Any) -> Any:
    return spaces.MultiDiscrete(np.array(told["nvec"]), _DTYPES[told["dtype"]].type, start=np.array(told["start"]))


def _text_parts(space: Any) -> dict[str, Any]:
    return {"min_length": space.min_length, "max_length": space.max_length, "charset": "".join(space.character_list)}


def _text(told: Any) -> Any:
    return spaces.Text(told["max_length"], min_length=told["min_length"], charset=told["charset"])


def _tuple_parts(space: Any) -> dict[str, Any]:
    return {"spaces": [describe(part) for part in space.spaces]}


def _dict_parts(space: Any) -> dict[str, Any]:
    return {"spaces": [[key, describe(part)] for key, part in space.spaces.items()]}


def _sequence_parts(space: Any) -> dict[str, Any]:
    return {"feature": describe(space.feature_space), "stack": space.stack}


def _sequence(told: Any) -> Any:
    return spaces.Sequence(build(told["feature"]), stack=bool(told["stack"]))


def _graph_parts(space: Any) -> dict[str, Any]:
    edge = None if space.edge_space is None else describe(space.edge_space)
    return {"node": describe(space.node_space), "edge": edge}


def _graph(told: Any) -> Any:
    return spaces.Graph(build(told["node"]), None if told["edge"] is None else build(told["edge"]))


_KINDS = {
    kind.type.__name__: kind
    for kind in (
        _Kind(spaces.Box, _box_parts, _box),
        _Kind(spaces.Discrete, _discrete_parts, _discrete),
        _Kind(spaces.MultiBinary, _multi_binary_parts, lambda told: spaces.MultiBinary(told["n"])),
        _Kind(spaces.MultiDiscrete, _multi_discrete_parts, _multi_discrete),
        _Kind(spaces.Text, _text_parts, _text),
        _Kind(spaces.Tuple, _tuple_parts, lambda told: spaces.Tuple(map(build, told["spaces"]))),
        _Kind(spaces.OneOf, _tuple_parts, lambda told: spaces.OneOf(map(build, told["spaces"]))),
        _Kind(spaces.Dict, _dict_parts, lambda told: spaces.Dict({key: build(part) for key, part in told["spaces"]})),
        _Kind(spaces.Sequence, _sequence_parts, _sequence),
        _Kind(spaces.Graph, _graph_parts, _graph),
    )
}
