"""
Bodies: the ``data`` of messages, to msgpack and back.

Arrays travel out of band: the k-th extension of type 1 in a body (or in a block of bodies) stands for its k-th
segment of raw bytes (`swergio.codec.arrays`). Aware datetimes travel as msgpack timestamps and arrive in UTC; tuples
arrive as lists, except as keys of dicts, where they arrive as tuples.
"""

from __future__ import annotations

import datetime as dt
import reprlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import msgpack

from swergio.codec import arrays
from swergio.codec.frames import Buffer
from swergio.errors import MissingExtra, UnsupportedBody

MAX_DEPTH = 1024  # msgpack's own

_MAX_KEPT = 1024 * 1024

Space: TypeAlias = Callable[[int], memoryview | None]
"""Returns memory of so many bytes for segments, or None; it may be used again when the last view of it is gone."""

_Packer: TypeAlias = "tuple[Callable[[object], bytes], list[arrays.Elements]]"

# Packers that nobody uses now. Making one costs 0.3 µs, twice what `pack` takes with one of these. One per thread would
# be as quick, but a packer that is entered again while it packs (an `__array__` or a finalizer that sends) mixes two
# bodies up; what is taken off this stack has one owner. list.pop and list.append are atomic.
_idle: list[_Packer] = []


def pack(value: object, space: Space | None = None) -> tuple[bytes, Sequence[Buffer]]:
    """
    Return ``value`` as msgpack, and the raw bytes of its arrays in their order of appearance.

    Both hold the value as it is now: changing it afterwards changes nothing. Arrays are copied exactly once: into what
    ``space`` gives for all of them together, or into bytes of their own. May be called from any thread.

    Raises:
        UnsupportedBody: a part of ``value`` cannot travel; the error names its path.
        MissingExtra: an array needs NumPy or ml_dtypes, which is not installed.
    """
    try:
        packer = _idle.pop()
    except IndexError:
        packer = _new_packer()
    pack_one, segments = packer
    try:
        body = pack_one(value)
    except (MissingExtra, MemoryError):
        raise
    except Exception as exc:
        raise _unsupported(value, exc) from exc
    taken: Sequence[Buffer] = ()
    if segments:
        taken = _copied(segments, space)
        segments.clear()
    if len(body) <= _MAX_KEPT:  # a packer never gives back the memory of the largest body that it packed
        _idle.append(packer)
    return body, taken


def _copied(several: list[arrays.Elements], space: Space | None) -> Sequence[Buffer]:
    into = None if space is None else space(arrays.size_of_all(several))
    if into is not None:
        return arrays.copy_all(several, into)
    return [elements if isinstance(elements, bytes) else elements.tobytes() for elements in several]


def unpack_block(block: Buffer, segments: Sequence[memoryview]) -> list[Any]:
    """
    Return the bodies in ``block``, one msgpack array of them.

    Arrays are read-only views of their ``segments`` and keep the memory under them alive. Nothing is copied.

    Raises:
        ValueError: the block is malformed, or its arrays and the segments do not match. Nothing else is raised.
        MissingExtra: (a ValueError too) an array needs NumPy or ml_dtypes, which is not installed.
    """
    bodies = unpack_body(block, segments)
    if type(bodies) is not list:
        raise ValueError(f"a block of bodies that is a {type(bodies).__name__}")
    return bodies


def unpack_body(body: Buffer, segments: Sequence[memoryview]) -> Any:
    """
    Return the one body in ``body``, whose arrays have exactly these ``segments``. As `unpack_block` otherwise.
    """
    try:
        try:
            return _unpack(body, segments, None)
        except TypeError:
            # An unhashable key: what was a tuple when it was sent. Looking at each key makes dicts cost twice as much,
            # so it is left to the few blocks that need it.
            return _unpack(body, segments, _with_tuples_for_keys)
    except MissingExtra:
        raise
    except Exception as exc:  # msgpack lets OverflowError and TypeError escape, NumPy more
        raise ValueError(str(exc) or type(exc).__name__) from exc


def _new_packer() -> _Packer:
    segments: list[arrays.Elements] = []

    def encode(value: object) -> Any:
        stand_in, segment = arrays.encode(value)
        if segment is not None:
            segments.append(segment)
        return stand_in

    return msgpack.Packer(default=encode, datetime=True).pack, segments


def _unpack(body: Buffer, segments: Sequence[memoryview], pairs_hook: Callable[..., Any] | None) -> Any:
    rest = iter(segments)

    def decode(code: int, payload: bytes) -> Any:
        if code != arrays.ARRAY:
            return msgpack.ExtType(code, payload)  # an application's own
        segment = next(rest, None)
        if segment is None:
            raise ValueError(f"more arrays than the {len(segments)} that came")
        return arrays.decode(payload, segment)

    # One unpackb for each block, never an Unpacker: one that is used again after an error has crashed (CVE-2026-57585).
    # It bounds what a length may claim by the bytes that are there.
    value = msgpack.unpackb(
        body, ext_hook=decode, object_pairs_hook=pairs_hook, strict_map_key=False, timestamp=3
    )  # fmt: skip
    if next(rest, None) is not None:
        raise ValueError(f"fewer arrays than the {len(segments)} that came")
    return value


def _with_tuples_for_keys(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    return {_tuples(key): value for key, value in pairs}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if type(value) is list else value


def _unsupported(body: object, exc: Exception) -> UnsupportedBody:
    # If every part can travel now, another thread changed the body while it was packed.
    path, reason = _locate(body) or ("data", f"{type(exc).__name__}: {exc}")
    return UnsupportedBody(path if len(path) <= 120 else f"{path[:60]}...{path[-40:]}", reason)


def _locate(body: object) -> tuple[str, str] | None:
    # Walks as msgpack does, so that the first fault found is the one it met. On a stack of its own: the depth may be
    # the fault.
    pack_one, segments = _new_packer()
    holders: list[object] = []  # the containers around, outermost first
    unseen = [iter([("data", body)])]
    while unseen:
        for path, part in unseen[-1]:
            if any(part is holder for holder in holders):
                return path, "it contains itself"
            if len(holders) > MAX_DEPTH:
                return path, f"it is nested deeper than {MAX_DEPTH} levels"
            if isinstance(part, dict | list | tuple):
                holders.append(part)
                unseen.append(_parts(path, part))
                break
            try:
                pack_one(part)
            except Exception as exc:  # noqa: BLE001 - `pack` raises what this returns
                return path, _reason(part, exc)
            segments.clear()
        else:
            unseen.pop()
            del holders[-1:]
    return None


def _parts(path: str, holder: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterator[tuple[str, object]]:
    if isinstance(holder, dict):
        for key, value in holder.items():
            yield f"a key of {path}", key
            yield f"{path}[{reprlib.repr(key)}]", value
    else:
        for index, value in enumerate(holder):
            yield f"{path}[{index}]", value


def _reason(part: object, exc: Exception) -> str:
    match part:
        case int():
            return "an int outside -2**63 to 2**64 - 1"
        case str() if isinstance(exc, UnicodeError):
            return "text with a lone surrogate, which has no UTF-8"
        case dt.datetime() if part.utcoffset() is None:
            return "a naive datetime, which is another moment elsewhere: give it a time zone"
        case dt.datetime():
            return f"{exc}, a subclass of datetime: convert it to a plain one"
        case _:
            return (str(exc) or type(exc).__name__).partition("\n")[0].rstrip(".")
