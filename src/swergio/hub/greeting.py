"""Where both ends of a link stand when it begins: the payloads of HELLO and WELCOME.

Everything in them is checked when they are read, so that a malformed one takes no effect at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgpack

from swergio.channels import Lane
from swergio.codec.frames import Buffer, check, rows, unpack
from swergio.errors import InvalidName, ProtocolError
from swergio.hub.positions import Position
from swergio.messages import check_destination, check_name
from swergio.transport import Manner, Mode

TEXT_OR_NONE = (str, type(None))
NUMBER = (int, float)


class ChannelState(NamedTuple):
    """
    A channel of a component, and the number of its last message that was acknowledged.
    """

    number: int
    room: str | None
    to: str | None
    lane: int
    acknowledged: int


class Heard(NamedTuple):
    """
    The number of the last message of a source that a member of a group was given.
    """

    sender: str
    channel: int
    number: int


class Membership(NamedTuple):
    """
    A room that a component is in, and the offset of the first message that it has not received.

    ``heard`` is what it was given as one of a group: a new hub knows from it what the group had before.
    """

    room: str
    mode: Mode
    echo: bool
    group: str | None
    next: int
    heard: list[Heard]

    @property
    def manner(self) -> Manner:
        """
        How it is a member.
        """
        return Manner(self.mode, self.echo, self.group)


class Place(NamedTuple):
    """
    Where a component goes on in a log: ``positions`` say what it missed, if its place there is not ``whole``.
    """

    log: int
    offset: int
    whole: bool
    positions: list[Position]


@dataclass(frozen=True, slots=True)
class Hello:
    """
    What a component has: ``lanes`` are the offsets that it expects in its inbox, ``watched`` the rooms that it watches.
    """

    channels: list[ChannelState]
    rooms: list[Membership]
    lanes: list[int]
    watched: list[str]

    def pack(self) -> bytes:
        """
        Return it as a payload.
        """
        packed: bytes = msgpack.packb((self.channels, self.rooms, self.lanes, self.watched))
        return packed

    @classmethod
    def unpack(cls, payload: Buffer) -> Hello:
        """
        Return what a component sent.

        Raises:
            ProtocolError: it is malformed, or names what cannot be.
        """
        channels, rooms, lanes, watched = _parts(payload, 4)
        if len(lanes) != len(Lane):
            raise ProtocolError(f"HELLO with {len(lanes)} lanes")
        check(lanes, (int,) * len(Lane), "lanes")
        try:
            return cls(
                [_channel(row) for row in rows(channels, "channels", int, TEXT_OR_NONE, TEXT_OR_NONE, int, int)],
                [_membership(row) for row in rows(rooms, "rooms", str, str, bool, TEXT_OR_NONE, int, list)],
                lanes,
                [check_name(room, "room") for room in watched],
            )
        except (InvalidName, ValueError) as exc:
            raise ProtocolError(f"HELLO: {exc}") from exc


@dataclass(frozen=True, slots=True)
class Welcome:
    """
    What the hub has: the last number that it took from each channel, and the place of the component in each log.
    """

    channels: dict[int, int]
    lanes: list[Place]
    rooms: dict[str, Place]

    def pack(self) -> bytes:
        """
        Return it as a payload.
        """
        rooms = [(room, *place) for room, place in self.rooms.items()]
        packed: bytes = msgpack.packb((list(self.channels.items()), self.lanes, rooms))
        return packed

    @classmethod
    def unpack(cls, payload: Buffer) -> Welcome:
        """
        Return what the hub sent.

        Raises:
            ProtocolError: it is malformed.
        """
        channels, lanes, rooms = _parts(payload, 3)
        places = [_place(row) for row in rows(lanes, "lanes", int, int, bool, list)]
        if len(places) != len(Lane):
            raise ProtocolError(f"WELCOME with {len(places)} lanes")
        return cls(
            dict(map(tuple, rows(channels, "channels", int, int))),
            places,
            {room: _place(row) for room, *row in rows(rooms, "rooms", str, int, int, bool, list)},
        )


def unpack_positions(value: Any) -> list[Position]:
    """
    Return the positions that the hub sent.

    Raises:
        ProtocolError: they are malformed.
    """
    return [Position(*row) for row in rows(value, "positions", str, int, int, int, TEXT_OR_NONE)]


def _parts(payload: Buffer, number: int) -> list[list[Any]]:
    return check(unpack(payload, list), (list,) * number, "greeting")


def _channel(row: list[Any]) -> ChannelState:
    channel = ChannelState(*row)
    check_destination(channel.room, channel.to)
    Lane(channel.lane)
    return channel


def _membership(row: list[Any]) -> Membership:
    room, mode, echo, group, offset, heard = row
    known = [Heard(*row) for row in rows(heard, "heard", str, int, int)]
    manner = checked_manner(mode, echo, group)
    return Membership(check_name(room, "room"), *manner, offset, known)


def checked_manner(mode: str, echo: bool, group: str | None) -> Manner:
    """
    Return how a component wants to be a member.

    Raises:
        InvalidName, ValueError: nobody can be one so.
    """
    if group is not None and (check_name(group, "group"), mode)[1] != Mode.RELIABLE:
        raise ValueError(f"a {mode} member of a group")
    return Manner(Mode(mode), echo, group)


def _place(row: list[Any]) -> Place:
    log, offset, whole, positions = row
    return Place(log, offset, whole, unpack_positions(positions))
