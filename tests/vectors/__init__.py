"""
The test vectors of the wire: what stands in the JSON files of this folder, as Python values and back.

In them, what JSON has no form for is a map of one key: ``{"bin": hex}``, ``{"float": number}`` (or its name, as text),
``{"map": [[key, value], ...]}``, ``{"ext": [type, hex]}`` and ``{"time": [seconds, nanoseconds]}``. A frame is its op,
its header, and its payload: ``{"msgpack": value}``, ``{"batch": {...}}`` or ``{"bin": hex}``.

``WRITE_VECTORS=1 pytest tests/vectors`` writes the files anew. After version 1 was released, only new entries may come
of it.
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import msgpack

from swergio.codec.batch import Batch, assemble
from swergio.codec.frames import Frame, Op, encode, join, parse

FOLDER = Path(__file__).parent
BATCHES = (Op.PUBLISH, Op.DELIVER, Op.WILL)
PLACES = (Op.PUBLISH_LENT, Op.DELIVER_LENT, Op.RETURN)


def load(name: str) -> Any:
    """
    Return the vectors of a file.
    """
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def checked(name: str, vectors: list[dict[str, Any]]) -> None:
    """
    Compare what the code makes with a file, or write it there.
    """
    if os.environ.get("WRITE_VECTORS"):
        lines = ",\n".join(f" {json.dumps(vector, ensure_ascii=False)}" for vector in vectors)
        (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n", "utf-8")
    assert load(name) == json.loads(json.dumps(vectors))


def plain(value: Any) -> Any:
    """
    Return a value of msgpack as JSON has it.
    """
    match value:
        case bytes():
            value = {"bin": value.hex()}
        case float():
            value = {"float": value if abs(value) < float("inf") else str(value)}
        case msgpack.ExtType():
            value = {"ext": [value.code, value.data.hex()]}
        case msgpack.Timestamp():
            value = {"time": [value.seconds, value.nanoseconds]}
        case dict():
            value = {"map": [[plain(key), plain(item)] for key, item in value.items()]}
        case list():
            value = [plain(item) for item in value]
    return value


def packed(value: Any) -> bytes:
    """
    Return what stands for a value in JSON as msgpack.
    """
    data: bytes = msgpack.packb(_meant(value))
    return data


def _meant(value: Any) -> Any:
    match value:
        case list():
            value = [_meant(item) for item in value]
        case {"bin": text}:
            value = bytes.fromhex(text)
        case {"float": number}:
            value = float(number)
        case {"map": pairs}:
            value = {_meant(key): _meant(item) for key, item in pairs}
        case {"ext": [code, text]}:
            value = msgpack.ExtType(code, bytes.fromhex(text))
        case {"time": [seconds, nanoseconds]}:
            value = msgpack.Timestamp(seconds, nanoseconds)
    return value


def unpacked(data: bytes | memoryview) -> Any:
    """
    Return msgpack as JSON has it.
    """
    return plain(msgpack.unpackb(data, strict_map_key=False))


# -- batches ----------------------------------------------------------------------------------------------------------


def described_batch(payload: memoryview, count: int) -> dict[str, Any]:
    """
    Return a batch in its parts.
    """
    batch = Batch(payload, count)
    columns_size, block_size = struct.unpack_from("<II", payload)
    columns = unpacked(payload[8 : 8 + columns_size])
    segments = [bytes(segment).hex() for index in range(count) for segment in batch._own(index)]
    block = payload[8 + columns_size : 8 + columns_size + block_size]
    return {"columns": columns, "bodies": unpacked(block), "segments": segments}


def batch_of(described: dict[str, Any]) -> bytes:
    """
    Return the batch with these parts.
    """
    *shared, roots, parents, metas, _, arrays = (_meant(column) for column in described["columns"])
    bodies = [packed(body) for body in described["bodies"]]
    said = None if metas is None else [None if meta is None else msgpack.packb(meta) for meta in metas]
    segments = [bytes.fromhex(segment) for segment in described["segments"]]
    return join(assemble(shared, roots, parents, said, bodies, arrays, segments))


# -- frames -----------------------------------------------------------------------------------------------------------


def described(packet: bytes) -> list[dict[str, Any]]:
    """
    Return the frames of a packet.
    """
    return [_described(frame) for frame in parse(packet)]


def _described(frame: Frame) -> dict[str, Any]:
    said: dict[str, Any] = {"op": Op(frame.op).name, "header": plain(frame.header)}
    if frame.op in BATCHES and frame.payload:
        count = {Op.PUBLISH: 2, Op.DELIVER: 2}.get(Op(frame.op))
        said["payload"] = {"batch": described_batch(frame.payload, 1 if count is None else frame.header[count])}
    elif frame.op in PLACES:
        said["payload"] = {"bin": frame.payload.hex()}
    elif frame.payload:
        said["payload"] = {"msgpack": unpacked(frame.payload)}
    return said


def packet_of(frames: list[dict[str, Any]]) -> bytes:
    """
    Return the packet with these frames.
    """
    return b"".join(_frame(frame) for frame in frames)


def _frame(described: dict[str, Any]) -> bytes:
    match described.get("payload"):
        case {"batch": batch}:
            payload, aligned = batch_of(batch), bool(batch["segments"])
        case {"msgpack": value}:
            payload, aligned = packed(value), False
        case {"bin": text}:
            payload, aligned = bytes.fromhex(text), False
        case None:
            payload, aligned = b"", False
    return join(encode(Op[described["op"]], *_meant(described["header"]), payload=(payload,), aligned=aligned))
