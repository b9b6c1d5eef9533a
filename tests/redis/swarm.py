"""
Members and senders of one room, whose history is checked.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import swergio
from swergio.testing import History, choose_seed, eventually

DEADLINE = 60.0


class Swarm:
    """
    Some components in "room", up inside ``with``.

    Args:
        url: Where.
        members: How many listen.
        senders: How many send, in turn.
        settings: Of all of them.

    Attributes:
        history: What was sent and received.
    """

    def __init__(self, url: str, members: int, senders: int, **settings: Any) -> None:
        self.history = History(seed=choose_seed())
        self.members = [swergio.Component(f"member{number}", url, **settings) for number in range(members)]
        self.senders = [swergio.Component(f"sender{number}", url, **settings) for number in range(senders)]
        self._sent = 0
        for member in self.members:
            self.history.watch(member, "room", key=lambda message: message.data["key"])

    @property
    def everyone(self) -> list[swergio.Component]:
        """
        All components.
        """
        return [*self.members, *self.senders]

    @property
    def reconnects(self) -> int:
        """
        How often they had to connect again.
        """
        return sum(component.stats.reconnects for component in self.everyone)

    def __enter__(self) -> Self:
        for component in self.everyone:
            component.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for component in self.everyone:
            component.close()

    def send(self, body: Any = None) -> None:
        """
        Send one numbered message, of the sender whose turn it is.
        """
        sender = self.senders[self._sent % len(self.senders)]
        sender.send("room", {"key": self.history.sent(sender.name, "room"), "body": body})
        self._sent += 1

    def finish(self) -> None:
        """
        Wait until all that was sent is acknowledged, and handled or reported lost by every member.
        """
        for sender in self.senders:
            sender.flush(DEADLINE)
        eventually(
            lambda: all(member.stats.handled + member.stats.lost >= self._sent for member in self.members),
            "everything is handled or reported lost",
            DEADLINE,
        )

    def check(self) -> None:
        """
        Fail if anything is missing, came twice or in another order.
        """
        self.history.check({"room": [member.name for member in self.members]}).raise_if_bad()

    def check_reports(self) -> None:
        """
        The same for a server that may have lost something: then members must have reported it, with the right count.
        """
        report = self.history.check({"room": [member.name for member in self.members]})
        wrong = [*report.unreported, *report.misreported, *report.duplicated, *report.reordered, *report.diverging]
        assert wrong == []
