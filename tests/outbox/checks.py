"""
Sending through an outbox, and looking at what comes out.
"""

from __future__ import annotations

from typing import Any

from swergio.channels import Outbound
from swergio.codec import pack
from swergio.codec.batch import Batch
from swergio.codec.frames import join
from swergio.messages import Kind
from swergio.outbox import Outbox

PLENTY = 10**9
PLAIN = ("room", None, "DATA/TEXT", Kind.MESSAGE, None, False, False, False)


def an_outbox(limit: int = PLENTY, window: int = PLENTY) -> Outbox:
    return Outbox(limit, window, lambda: None)


def send(outbox: Outbox, data: Any = "x", room: str = "room", to: str | None = None, **how: Any) -> int:
    type = how.pop("type", "DATA/TEXT")
    return outbox.append(room, to, type, *pack(data), **how)[1]


def take_all(outbox: Outbox) -> list[Outbound]:
    taken = []
    while (batch := outbox.take()) is not None:
        taken.append(batch)
    return taken


def spans(batches: list[Outbound]) -> list[tuple[int, int]]:
    return [(batch.first, batch.last) for batch in batches]


def decoded(outbound: Outbound) -> Batch:
    return Batch(memoryview(join(outbound.payload)), outbound.count)


def add(outbox: Outbox, data: Any, key: Any = PLAIN) -> bool:
    return outbox.add(key, pack(data)[0]) is None


def contents(batches: list[Outbound]) -> list[list[Any]]:
    return [[decoded(batch).body(index, "") for index in range(batch.count)] for batch in batches]
