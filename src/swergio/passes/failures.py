"""Why a pass cannot be completed, and whom to tell: the way of a failure back to where the pass began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swergio.errors import PassFailed
from swergio.messages import Instance, Message, Phase


@dataclass(frozen=True, slots=True)
class Failure:
    """
    The body of failed feedback.

    Attributes:
        room: Where it happened.
        reason: What happened.
        missing: The instances whose feedback will not come.
    """

    room: str
    reason: str
    missing: tuple[str, ...] = ()

    def to_body(self) -> dict[str, Any]:
        """
        Return it as it travels.
        """
        return {"error": self.reason, "room": self.room, "missing": list(self.missing)}

    @classmethod
    def of(cls, message: Message) -> Failure:
        """
        Read it from a message; whatever else the message holds becomes the reason.
        """
        try:
            body = message.data
        except ValueError as exc:
            return cls(message.room, str(exc))
        if not isinstance(body, Mapping):
            return cls(message.room, str(body))
        missing = body.get("missing")
        names = tuple(map(str, missing)) if isinstance(missing, list) else ()
        return cls(str(body.get("room", message.room)), str(body.get("error", "no reason was given")), names)

    def error(self) -> PassFailed:
        """
        Return it as what the caller of a process sees.
        """
        return PassFailed(self.room, self.reason, self.missing)


class Refusal(Exception):
    """
    Ends a step of a node that has to be refused, though nobody's function raised.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Origin:
    """
    What is kept of a message that feedback is owed on: enough to answer it, and not its body.
    """

    id: str
    room: str
    sender: Instance
    root: str
    parent: str | None
    phase: Phase | None
    wants_feedback: bool

    @classmethod
    def of(cls, message: Message) -> Origin:
        """
        Keep what is needed of a message.
        """
        return cls(
            message.id, message.room, message.sender, message.root, message.parent, message.phase,
            message.wants_feedback,
        )  # fmt: skip

    def source(self) -> Origin | None:
        """
        Return the message that the pass began with, as far as it can be told from its id; None if it cannot.
        """
        instance, _, numbers = self.root.partition("/")
        if "#" not in instance or numbers.count("/") != 1:
            return None
        return Origin(self.root, self.room, Instance(instance), self.root, None, self.phase, wants_feedback=False)
