"""Members of a room as the server holds and publishes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgpack

from swergio.codec.frames import rows, unpack
from swergio.hub import Position
from swergio.messages import Instance
from swergio.transport import Manner, Member, Mode


def written(manner: Manner) -> str:
    """
    Return how somebody is a member, as ``scripts/join.lua`` takes it.
    """
    return f"{manner.mode} {int(manner.echo)} {manner.group or ''}"


def read(instance: bytes, value: bytes) -> tuple[int, Member]:
    """
    Return a member, and its rank in the order of joining.
    """
    order, _, mode, _, group = value.decode().split(" ", 4)
    return int(order), Member(Instance(instance.decode()), Mode(mode), group or None)


def listed(table: dict[bytes, bytes]) -> list[Member]:
    """
    Return members in the order in which they joined.
    """
    return [member for _, member in sorted((read(*item) for item in table.items()), key=lambda ranked: ranked[0])]


def note(member: Member, *, joined: bool) -> bytes:
    """
    Return what is published of who comes or goes.
    """
    packed: bytes = msgpack.packb((member.instance, str(member.mode), member.group, joined))
    return packed


def noted(data: bytes) -> tuple[Member, bool]:
    """
    Read it.

    Raises:
        ProtocolError: It is something else.
    """
    ((instance, mode, group, joined),) = rows([unpack(data, list)], "a note", str, str, (str, type(None)), bool)
    return Member(Instance(instance), Mode(mode), group), joined


def positions(flat: Iterable[Any]) -> list[Position]:
    """
    Read the positions in meta, which scripts return as field and value in turn.
    """
    items = iter(flat)
    pairs = zip(items, items, strict=True)
    return [_position(field[1:].decode(), value.decode()) for field, value in pairs if field.startswith(b">")]


def source(instance: str, channel: int) -> str:
    """
    Return how meta calls a source.
    """
    return f">{instance}/{channel}"


def _position(source: str, value: str) -> Position:
    sender, _, channel = source.rpartition("/")
    number, *restored = value.split(" ")
    start, origin = (int(restored[0]), restored[1]) if restored else (0, None)
    return Position(sender, int(channel), int(number), start, origin)
