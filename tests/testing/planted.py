"""Histories to plant faults in, and all that a report found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from swergio.testing import History, Report

ROOM = "room"
MEMBERS = ["m1", "m2", "m3"]


def history_of(sent: Sequence[tuple[str, int]], came: Mapping[str, Sequence[int]]) -> History:
    history = History()
    for sender, key in sent:
        history.sent(sender, ROOM, key)
    for member, keys in came.items():
        for key in keys:
            history.received(member, ROOM, key)
    return history


def findings(report: Report) -> list[object]:
    return [
        *report.lost, *report.excused, *report.duplicated, *report.reordered, *report.from_nowhere,
        *report.diverging, *report.unreported, *report.misreported,
    ]  # fmt: skip


ODD_AND_EVEN = [("odd" if key % 2 else "even", key) for key in range(1, 101)]
ALL = list(range(1, 101))
