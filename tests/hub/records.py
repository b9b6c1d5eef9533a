"""
What a component of a simulated world was given, for the checks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from swergio.transport import Mode


class Got(NamedTuple):
    """
    One message that a component received.
    """

    room: str
    to: str | None
    sender: str
    channel: int
    number: int
    data: Any
    epoch: str | None


@dataclass
class Membership:
    """
    What a component received of a room between joining and leaving it.

    ``before`` is the last number of each sender that a hub had taken when it joined; ``sent`` the last one that the
    sender had handed to its outbox when that was confirmed.
    """

    mode: Mode
    echo: bool
    before: dict[str, int]
    sent: dict[str, int]
    got: list[Got] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    expired: bool = False  # the hub gave the member up, or died, at some time
    modes: set[Mode] = field(default_factory=set)  # which it had, one after another

    def change(self, mode: Mode, *, echo: bool, own: tuple[str, int]) -> None:
        """
        Note that the member is one in another way, and where its own messages stood at that time.
        """
        self.mode = mode
        self.modes.add(mode)
        if echo and not self.echo:
            self.before[own[0]] = own[1]
            self.got = [got for got in self.got if got.sender != own[0]]
            self.lost.pop(own[0], None)
        self.echo = echo
