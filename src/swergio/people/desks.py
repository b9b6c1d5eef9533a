"""A desk: the component at which a person answers items, whatever the person looks at."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from swergio.errors import SwergioError
from swergio.messages import Kind, Message, MessageType
from swergio.people.items import Item

if TYPE_CHECKING:
    from swergio.registration import Registration

GROUP = "people"


class Skip(Exception):
    """
    Raised by whoever answers: somebody else shall.
    """


def desk(
    component: Registration, room: str, answer: Callable[[Item], Any], *, group: str = GROUP
) -> Callable[[Message], Any]:
    """
    Have a person answer the items of a room, as a member of the group that shares them.

    Args:
        component: A component of either face.
        room: The room.
        answer: Called with each item, one at a time, on the handlers' thread; waits for the person and returns the
            answer. It raises `Skip` to leave the item to another desk. An item whose time is over is not shown.
        group: The group whose members share what is sent to the whole room. What `ask_human` asks is addressed to one
            desk after another.

    Returns:
        The handler that was registered.

    Raises:
        InvalidName, ConfigurationError: as `Component.on`.
    """

    def handle(message: Message) -> Any:
        label = _label(message, answer)
        if label is not None and message.kind is not Kind.REQUEST:
            message.feedback(label, type=MessageType.LABEL)
        return label

    return component.on(room, group=group)(handle)


def _label(message: Message, answer: Callable[[Item], Any]) -> dict[str, Any] | None:
    begun = time.monotonic()
    try:
        item = Item.read(message.data)
        if item.until is not None and time.time() > item.until:
            return None
        value = item.answer.check(answer(item))
    except Skip as exc:
        return {"skipped": str(exc)}
    except (SwergioError, ValueError) as exc:  # an item that cannot be shown, or an answer that is none
        return {"skipped": f"{type(exc).__name__}: {exc}"}
    return {"answer": value, "seconds": time.monotonic() - begun}
