"""How messages look on a terminal, and as JSON.

What comes from others may hold anything, also the control sequences of a terminal: none is printed.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sized
from datetime import datetime
from itertools import islice
from typing import Any

import typer

from swergio.errors import CorruptBody, MissingExtra
from swergio.messages import Kind, Message

ITEMS = 6
LONGEST_TEXT = 500
DEPTH = 4


def line(message: Message) -> str:
    """
    Return a message as one line for people.
    """
    who = message.sender if message.to is None else f"{message.sender} → {message.to}"
    what = message.type if message.kind is Kind.MESSAGE else f"{message.type} {_kind(message)}"
    try:
        data = readable(message.data)
    except (MissingExtra, CorruptBody) as exc:
        data = f"({exc})"
    parts = (
        typer.style(_clock(message.time), dim=True),
        typer.style(printable(message.room), fg="cyan"),
        printable(who),
        typer.style(printable(what), fg="magenta" if message.kind else "green"),
        data,
    )
    return "  ".join(parts)


def _clock(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except (OverflowError, ValueError, OSError):  # it is the sender's clock
        return "--:--:--.---"


def _kind(message: Message) -> str:
    return message.kind.name.lower().replace("_", " ")


def record(message: Message) -> str:
    """
    Return a message as one line of JSON.
    """
    told = {
        name: getattr(message, name)
        for name in ("time", "room", "sender", "to", "type", "id", "root", "parent", "attempt")
    }
    told["kind"] = _kind(message)
    told["phase"] = message.phase.name.lower() if message.phase else None
    try:
        told["data"] = message.data
    except (MissingExtra, CorruptBody) as exc:
        told["error"] = str(exc)
    return as_json(told)


def readable(value: Any) -> str:
    """
    Return data as one line for people: arrays by their statistics and first values, whatever is long cut.
    """
    return _text(value) if isinstance(value, str) else _nested(value, DEPTH)


def printable(text: str) -> str:
    """
    Return text with its control characters spelled out.
    """
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _text(text: str) -> str:
    return printable(text[:LONGEST_TEXT]) + ("…" if len(text) > LONGEST_TEXT else "")


def _nested(value: Any, depth: int) -> str:
    match value:
        case str():
            return f'"{_text(value)}"'
        case bytes():
            return f"{len(value)} bytes"
        case dict() if depth:
            items = [f"{_nested(key, 0)}: {_nested(value[key], depth - 1)}" for key in islice(value, ITEMS)]
            return f"{{{_listed(items, value)}}}"
        case list() if depth:
            items = [_nested(item, depth - 1) for item in value[:ITEMS]]
            return f"[{_listed(items, value)}]"
        case dict() | list():
            return "…"
    return _array(value) if hasattr(value, "dtype") else _text(str(value))


def _listed(shown: list[str], values: Sized) -> str:
    return ", ".join(shown) + (f", … {len(values)} in all" if len(values) > len(shown) else "")


def _array(array: Any) -> str:
    values = array.reshape(-1)
    first = [f"{item:.6g}" if isinstance(item, float) else _text(str(item)) for item in values[:ITEMS].tolist()]
    more = ", …" if values.size > ITEMS else ""
    return f"{array.dtype.name} {array.shape}{_statistics(values)} [{', '.join(first)}{more}]"


def _statistics(values: Any) -> str:
    """
    Return the range and mean of an array of real numbers, infinite and missing ones apart.
    """
    try:
        numbers = values.astype("float64", casting="same_kind" if values.dtype.kind != "V" else "unsafe")
    except (TypeError, ValueError):
        return ""
    finite = numbers[abs(numbers) < math.inf]
    text = f" min {finite.min():.6g} mean {finite.mean():.6g} max {finite.max():.6g}" if finite.size else ""
    missing = numbers.size - finite.size
    return text + (f" ({missing} not finite)" if missing else "")


def as_json(value: Any) -> str:
    """
    Return data as JSON: arrays as objects of dtype, shape and values; bytes in base64; NaN and infinity as text.
    """
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, default=_spelled)


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {key if isinstance(key, str) else str(key): _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value


def _spelled(value: Any) -> Any:
    if hasattr(value, "dtype"):
        return {"dtype": value.dtype.name, "shape": list(value.shape), "values": _finite(value.tolist())}
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else str(value)
