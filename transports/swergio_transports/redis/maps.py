"""Maps of a cluster: which slot is where, according to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from swergio.errors import ConnectFailed
from swergio_transports.redis.address import Place, shown
from swergio_transports.redis.dialing import dial
from swergio_transports.redis.errors import BrokerLost
from swergio_transports.redis.limits import information
from swergio_transports.redis.node import Manners, Node
from swergio_transports.redis.wire import Wire, refused

ANSWER_TIMEOUT: Final = 1.0

QUESTIONS: Final = (("CLUSTER", "INFO"), ("CLUSTER", "SLOTS"))


class Map(NamedTuple):
    """
    What one node says of the cluster.

    Attributes:
        whole: It says that all slots are served.
        epoch: The newest that it knows of.
        slots: The master of each slot.
    """

    whole: bool
    epoch: int
    slots: dict[int, Place]


async def of_node(place: Place, node: Node) -> Map | None:
    """
    Return the map of a connected node, None if it does not answer.
    """
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            return _map(place, [await reply for reply in node.send(QUESTIONS)])
    except (BrokerLost, ConnectFailed, TimeoutError):
        return None


async def of_any(places: Sequence[Place], manners: Manners) -> Map:
    """
    Return the map of the first of these nodes that answers.

    Raises:
        ConnectFailed: None does; with what the last one said, or `AccessRefused`.
    """
    problem = ConnectFailed("", "there is no node to ask")
    for place in places:
        try:
            return await _of_place(place, manners)
        except ConnectFailed as exc:
            problem = exc
    raise problem


async def _of_place(place: Place, manners: Manners) -> Map:
    wire = await dial(place, manners.who, lambda: Wire(manners.heartbeat, manners.dead_after))
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            return _map(place, [await reply for reply in wire.send(QUESTIONS)])
    except (BrokerLost, TimeoutError) as exc:
        raise ConnectFailed(shown(place), str(exc) or "it does not answer") from exc
    finally:
        wire.abort("closed")


def _map(asked: Place, replies: Sequence[Any]) -> Map:
    told, ranges = replies
    problem = refused(told) or refused(ranges)
    if problem is not None or not isinstance(ranges, list):
        raise ConnectFailed(shown(asked), f"it is no node of a cluster: {problem}")
    info = information(told)
    slots: dict[int, Place] = {}
    for first, last, master, *_ in ranges:
        host, port = master[0], master[1]
        # A node that does not know its own address leaves it out: it is where it was asked.
        place = ((host or b"").decode() or asked[0], port)
        slots.update(dict.fromkeys(range(first, last + 1), place))
    return Map(info.get("cluster_state") == "ok", int(info.get("cluster_current_epoch", 0)), slots)


def place_of(target: str, asked: Place) -> Place:
    """
    Return the place that a redirection names, as ``127.0.0.1:7000``.
    """
    host, _, port = target.rpartition(":")
    return host.strip("[]") or asked[0], int(port)
