"""
Logs for tests, and what to do with them.
"""

from __future__ import annotations

from swergio.hub.cursors import Cursor, Entry
from swergio.hub.log import Budget, Log
from swergio.hub.positions import Source
from swergio.transport import Mode

LIMIT = 1000
EVERYTHING = 10**9


def a_log(limit: int = LIMIT, memory: int = 10**6) -> Log:
    return Log("room", 1, limit, Budget(memory))


def append(log: Log, cost: int = 100, sender: str = "sender", *, messages: int = 1, direct: bool = False) -> Entry:
    source = Source(sender, 0)
    after = next((p.number for p in log.positions_at(log.end_index) if p.sender == sender), 0)
    entry = Entry(
        offset=log.next, count=messages, cost=cost, frame=(b"",), source=source, after=after, last=after + messages,
        aligned=False, observers_only=direct, start=log.cost,
    )  # fmt: skip
    log.append(entry)
    return entry


def member(log: Log, name: str = "member", mode: Mode = Mode.RELIABLE, *, echo: bool = False) -> Cursor:
    return log.add(name, mode, echo)


def take(log: Log, cursor: Cursor, window: int = EVERYTHING) -> list[int]:
    offsets = []
    while (entry := log.next_for(cursor, window)) is not None:
        cursor.push(entry)
        offsets.append(entry.offset)
    return offsets
