"""What is on its way, channel by channel."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final

from swergio.channels import Channel, Outbound
from swergio_transports.redis.calls import Call, Command
from swergio_transports.redis.keys import LogKeys

FIRST_PAUSE: Final = 0.005
MAX_PAUSE: Final = {"full": 0.05, "nobody": 0.1}


class Flag(IntEnum):
    """
    What ``scripts/append.lua`` is told of a batch.
    """

    BEGINS = 1
    REQUEST = 2
    LOOK = 4
    KEEP = 8
    INBOX = 16
    LARGE = 32
    LOOSE = 64
    APART = 128


class Code(IntEnum):
    """
    What ``scripts/append.lua`` answers, if it does not answer that the batch is there.
    """

    FULL = 1
    NOBODY = 2
    BEHIND = 3
    PART = 4
    SPLIT = 5
    BRING = 6


class Place(Enum):
    """
    Where a batch is.
    """

    WAITING = "waiting"
    FLYING = "flying"
    DONE = "done"


@dataclass(slots=True, eq=False)
class Item:
    """
    A batch on its way. ``targets`` are the logs that it still has to get into, None while they are not known.
    """

    batch: Outbound
    place: Place = Place.WAITING
    targets: dict[str, LogKeys] | None = None
    reached: bool = False
    probed: bool = False
    brought: set[tuple[str, int]] = field(default_factory=set)  # payloads that the server has at keys of their own
    pieces: deque[tuple[int, int]] | None = None  # for a group: what is still to be appended, as numbers


@dataclass(slots=True, eq=False)
class Way:
    """
    A channel, and what is on it.

    Attributes:
        appended: Number of its last message that is in a log.
        origin: Base of that log.
        items: What was taken and is not acknowledged, in order.
        parked: Why its first batch waits, if it does; ``pause`` until when to try again.
        withdrawn: Requests that nobody waits for any more.
    """

    channel: Channel
    appended: int = 0
    origin: int = 0
    items: deque[Item] = field(default_factory=deque)
    parked: str = ""
    pause: float = 0.0
    until: float = 0.0
    withdrawn: set[int] = field(default_factory=set)
    grouped: bool = False

    def park(self, why: str, now: float) -> None:
        """
        Wait a little longer than the last time.
        """
        self.pause = min(2 * self.pause, MAX_PAUSE[why]) if self.parked == why else FIRST_PAUSE
        self.parked = why
        self.until = now + self.pause

    def go_on(self) -> None:
        """
        Wait no longer.
        """
        self.parked = ""
        self.pause = self.until = 0.0


@dataclass(slots=True, eq=False)
class Job:
    """
    One call, and whom its reply concerns.
    """

    call: Call | Command
    way: Way
    item: Item
    kind: str  # append, bring, resolve, probe, observe, chore
    target: str = ""
    last: int = 0
