"""How a component takes part in a room, as it is said on both faces."""

from __future__ import annotations

import math
import time
from datetime import datetime
from typing import TypeAlias

from swergio.errors import ConfigurationError
from swergio.messages import check_name
from swergio.transport import Manner, Mode, Past

Since: TypeAlias = "float | datetime"
"""A time: seconds since the epoch, or a datetime."""


def manner_of(*, lossy: bool = False, observe: bool = False, echo: bool = False, group: str | None = None) -> Manner:
    """
    Return how a component with these arguments of ``join`` is a member.

    Raises:
        InvalidName: the group cannot be named so.
        ConfigurationError: a member of a group cannot skip messages, which would be lost to all of the group.
    """
    if group is not None:
        check_name(group, "group")
        if lossy or observe:
            raise ConfigurationError(
                f"a lossy or observing member of the group {group!r}", remedy="Leave one of the two out"
            )
    return Manner(Mode.OBSERVER if observe else Mode.LOSSY if lossy else Mode.RELIABLE, echo, group)


def past_of(last: int | None, since: Since | None, *, kept: bool) -> Past:
    """
    Return what of a room's past is asked for.

    Raises:
        ConfigurationError: ``last`` is no number of messages, or ``since`` no time.
    """
    if last is not None and (type(last) is not int or last < 1):
        raise ConfigurationError(f"last={last!r}", "a number of messages above 0")
    return Past(last, None if since is None else max(0.0, time.time() - _seconds(since)), kept)


def _seconds(since: object) -> float:
    if isinstance(since, datetime):
        return since.timestamp()
    if isinstance(since, bool) or not isinstance(since, int | float) or not math.isfinite(since):
        raise ConfigurationError(f"since={since!r}", "seconds since the epoch, or a datetime")
    return float(since)


def joint(room: str, one: Manner, other: Manner) -> Manner:
    """
    Return how a component is a member that has two handlers for a room: reliable if one of them needs that.

    Raises:
        ConfigurationError: one of them shares the messages of the room with a group that the other one is not in.
    """
    if one.group != other.group:
        raise ConfigurationError(
            f"handlers of {room!r} in the groups {one.group!r} and {other.group!r}",
            "one group, or none, for all handlers of a room",
            "Make the other a component of its own",
        )
    mode = Mode.RELIABLE if Mode.RELIABLE in (one.mode, other.mode) else one.mode
    return Manner(mode, one.echo or other.echo, one.group)
