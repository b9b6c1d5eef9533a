"""Steps that several tests take: handlers that wait, sending until something happens, accounting for what was sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

from swergio.testing.faces import PlainFace
from swergio.testing.waiting import Inbox, eventually

HELD = 30.0  # seconds that a handler waits at most, so that a test that failed can be cleaned up

Handler: TypeAlias = Callable[[Any], None]


def held(go_on: threading.Event, then: Handler) -> Handler:
    """
    Return a handler that waits for ``go_on`` before it hands the message on.
    """

    def handle(message: Any) -> None:
        go_on.wait(HELD)
        then(message)

    return handle


def taken(first: Handler, go_on: threading.Event) -> Handler:
    """
    Return a handler that hands the message on and then waits for ``go_on``, and so is not finished with it.
    """

    def handle(message: Any) -> None:
        first(message)
        go_on.wait(HELD)

    return handle


def answered(inbox: Inbox, answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """
    Return a handler that notes the data of a message and replies with what ``answer`` makes of it.
    """

    def handle(message: Any) -> Any:
        inbox.put(message.data)
        return answer(message.data)

    return handle


def number_to(inbox: Inbox) -> Handler:
    """
    Return a handler that notes the first item of the data: the number of a message that also carries a load.
    """

    def handle(message: Any) -> None:
        inbox.put(message.data[0])

    return handle


def send_until(happened: Callable[[], Any], what: str, sender: PlainFace, room: str, data: Any) -> None:
    """
    Send ``data`` again and again until something has happened of which nobody is told.
    """

    def step() -> bool:
        sender.send(room, data)
        return bool(happened())

    eventually(step, what)


def accounted(member: PlainFace, inbox: Inbox, count: int) -> None:
    """
    Wait until each of ``count`` numbered messages either came, once and in order, or was reported lost.
    """
    eventually(
        lambda: len(inbox.items) + member.stats.lost >= count,
        f"{count} messages came or were reported; {len(inbox.items)} came, {member.stats.lost} were reported lost",
    )
    assert inbox.items == sorted(set(inbox.items)), "twice or reordered"
    assert len(inbox.items) + member.stats.lost == count
