"""Values of spaces as data, and back: what is a tuple, a NumPy number or a dict of arrays is one again."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
from gymnasium import spaces

from swergio.errors import ConfigurationError, ProtocolError

_WRONG = (TypeError, ValueError, LookupError, AttributeError)


def pack(space: spaces.Space[Any], value: Any, what: str) -> Any:
    """
    Return a value of a space as what a message can carry. Arrays keep their own dtype, whatever the space says.

    Raises:
        ConfigurationError: it has not the form of a value of this space; ``what`` says what it is.
    """
    try:
        return _encode(space, value)
    except _WRONG as exc:
        raise ConfigurationError(f"the {what} {value!r:.200} ({exc})", f"a value of {space}") from exc


def unpack(space: spaces.Space[Any], data: Any, what: str) -> Any:
    """
    Return the value that `pack` made data of. Its arrays are copies of their own, and can be written to.

    Raises:
        ProtocolError: it is none of this space.
    """
    try:
        return _decode(space, data)
    except _WRONG as exc:
        raise ProtocolError(f"an {what} that is no value of {space}: {data!r:.200} ({exc!r})") from exc


def own(data: Any) -> Any:
    """
    Return data that came in a message with arrays that can be written to.
    """
    if isinstance(data, np.ndarray):
        return data.copy()
    if isinstance(data, dict):
        return {key: own(value) for key, value in data.items()}
    return [own(value) for value in data] if isinstance(data, list) else data


def _encode(space: Any, value: Any) -> Any:
    return _ENCODERS.get(type(space), _array)(space, value)


def _array(_space: Any, value: Any) -> Any:
    return np.asarray(value)


def _encode_choice(space: Any, value: Any) -> Any:
    index, chosen = value
    return [operator.index(index), _encode(space.spaces[index], chosen)]


def _encode_sequence(space: Any, value: Any) -> Any:
    if space.stack:
        return _encode(space.stacked_feature_space, value)
    return [_encode(space.feature_space, one) for one in value]


def _encode_graph(_space: Any, value: Any) -> Any:
    return [None if part is None else np.asarray(part) for part in (value.nodes, value.edges, value.edge_links)]


def _decode(space: Any, data: Any) -> Any:
    return _DECODERS.get(type(space), _own_array)(space, data)


def _own_array(_space: Any, data: Any) -> Any:
    return np.array(data)


def _decode_choice(space: Any, data: Any) -> Any:
    index, chosen = data
    return np.int64(index), _decode(space.spaces[index], chosen)


def _decode_sequence(space: Any, data: Any) -> Any:
    if space.stack:
        return _decode(space.stacked_feature_space, data)
    return tuple(_decode(space.feature_space, one) for one in data)


def _decode_graph(_space: Any, data: Any) -> Any:
    nodes, edges, links = (None if part is None else np.array(part) for part in data)
    return spaces.GraphInstance(cast("Any", nodes), edges, links)


_Coder: TypeAlias = Callable[[Any, Any], Any]

# Of all others, values are arrays.
_ENCODERS: dict[type, _Coder] = {
    spaces.Discrete: lambda space, value: operator.index(value),
    spaces.Text: lambda space, value: str(value),
    spaces.Tuple: lambda space, value: [_encode(part, one) for part, one in zip(space.spaces, value, strict=True)],
    spaces.Dict: lambda space, value: {key: _encode(part, value[key]) for key, part in space.spaces.items()},
    spaces.OneOf: _encode_choice,
    spaces.Sequence: _encode_sequence,
    spaces.Graph: _encode_graph,
}
_DECODERS: dict[type, _Coder] = {
    spaces.Discrete: lambda space, data: np.dtype(space.dtype).type(operator.index(data)),
    spaces.Text: lambda space, data: str(data),
    spaces.Tuple: lambda space, data: tuple(_decode(part, one) for part, one in zip(space.spaces, data, strict=True)),
    spaces.Dict: lambda space, data: {key: _decode(part, data[key]) for key, part in space.spaces.items()},
    spaces.OneOf: _decode_choice,
    spaces.Sequence: _decode_sequence,
    spaces.Graph: _decode_graph,
}
