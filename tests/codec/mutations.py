"""
Damage to packets, from a seed: bytes that flip, come twice or go, and fields that hold something else.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgpack

from swergio.codec.frames import Op, encode, join, parse

STRANGE: Sequence[Any] = (
    -1, 0, 1, 2, 7, 512, 513, 2**31, 2**32 - 1, 2**53 - 1, 2**53, 2**63, 2**64 - 1, -(2**63),
    0.0, float("nan"), float("inf"), None, True, False,
    "", " ", "room", "a\x00b", "x" * 129, "x" * 4096, "ann#1", "#", "ann", "reliable", "lossy", b"", b"x" * 256,
    [], [[]], [None] * 5, {}, {"x": 1}, [1, 2], [["room", "reliable", False, 0]],
)  # fmt: skip


def mutations(packets: Sequence[bytes], count: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """
    Yield ``count`` damaged packets, each with the index of the one that it was made of.
    """
    chance = random.Random(seed)
    for _ in range(count):
        index = chance.randrange(len(packets))
        damage = chance.choice((_other_bytes, _other_fields, _other_fields, _other_payload))
        yield index, damage(packets[index], chance)


def damaged_bytes(data: bytes, chance: random.Random) -> bytes:
    """
    Return ``data`` with one to four places flipped, doubled, removed or inserted.
    """
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(damaged) + 1)
        length = chance.choice((0, 1, 1, 2, 8, 64))
        new = chance.choice((b"", bytes(damaged[at : at + length]) * 2, chance.randbytes(length), b"\xff" * length))
        damaged[at : at + length] = new
    return bytes(damaged)


def _other_bytes(packet: bytes, chance: random.Random) -> bytes:
    return damaged_bytes(packet, chance)


def _other_fields(packet: bytes, chance: random.Random) -> bytes:
    frames = list(parse(packet))
    changed = chance.randrange(len(frames))
    damaged = b""
    for place, frame in enumerate(frames):
        op, header = frame.op, list(frame.header)
        if place == changed:
            header = _other_value(header, chance)
            if chance.random() < 0.1:
                op = chance.choice((*Op, 0, 7, 99, 255))
        damaged += join(encode(Op(op) if op in tuple(Op) else op, *header, payload=[frame.payload]))  # type: ignore[arg-type]
    return damaged


def _other_payload(packet: bytes, chance: random.Random) -> bytes:
    damaged = b""
    for frame in parse(packet):
        payload = bytes(frame.payload)
        try:
            value = msgpack.unpackb(payload)
        except ValueError:
            payload = damaged_bytes(payload, chance)
        else:
            payload = msgpack.packb(_other_value(value, chance))
        damaged += join(encode(Op(frame.op), *frame.header, payload=[payload] if frame.payload else []))
    return damaged


def _other_value(value: Any, chance: random.Random) -> Any:
    if not isinstance(value, list) or not value or chance.random() < 0.05:
        return chance.choice(STRANGE) if not isinstance(value, list) else [*value, chance.choice(STRANGE)]
    copied = list(value)
    at = chance.randrange(len(copied))
    if chance.random() < 0.1:
        del copied[at]
    else:
        copied[at] = _other_value(copied[at], chance)
    return copied
