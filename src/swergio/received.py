"""A batch that came to a component: what its messages read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from swergio.codec.batch import Batch
from swergio.messages import Kind, Message

if TYPE_CHECKING:
    from swergio.transport import Inbound

_NO_META: Mapping[str, Any] = {}

Answer = Callable[[Message, Any, str, Kind], None]


class Received:
    """
    An inbound batch with its columns decoded; bodies are decoded when they are first read.

    ``holders`` counts who still works with it; the last one gives its credit back.

    Raises:
        ProtocolError: its payload is malformed.
    """

    __slots__ = (
        "_answer",
        "_batch",
        "_bodies",
        "attempt",
        "channel",
        "count",
        "first",
        "holders",
        "kind",
        "lossy",
        "past",
        "phase",
        "receipt",
        "room",
        "sender",
        "shared",
        "size",
        "time",
        "to",
        "type",
        "wants_feedback",
    )  # fmt: skip

    def __init__(self, inbound: Inbound, answer: Answer) -> None:
        batch = Batch(inbound.payload, inbound.count)
        self._batch = batch
        self._bodies: list[Any] | None = None
        self._answer = answer
        self.room = inbound.room
        self.to = inbound.to
        self.sender = inbound.sender
        self.channel = inbound.channel
        self.first = inbound.first
        self.count = inbound.count
        self.size = len(inbound.payload)
        self.attempt = inbound.attempt
        self.receipt = inbound.receipt
        self.lossy = inbound.lossy
        self.past = inbound.past
        self.shared = inbound.shared
        self.type: str = batch.type
        self.phase = batch.phase
        self.kind = batch.kind
        self.time: float = batch.time
        self.wants_feedback = batch.wants_feedback
        self.holders = 0

    def data(self, index: int) -> Any:
        """
        Return the body of a message.
        """
        bodies = self._bodies
        if bodies is None:
            bodies = self._bodies = self._batch.bodies()
            if bodies is None:
                return self._batch.body(index, self.id(index))
        return bodies[index]

    def id(self, index: int) -> str:
        """
        Return the id of a message.
        """
        return message_id(self.sender, self.channel, self.first + index)

    def root(self, index: int) -> str | None:
        """
        Return the id of the first message of the pass, None if it is this one.
        """
        roots = self._batch.roots
        return roots[index] if roots else None

    def parent(self, index: int) -> str | None:
        """
        Return the id of the message that a message answers.
        """
        parents = self._batch.parents
        return parents[index] if parents else None

    def meta(self, index: int) -> Mapping[str, Any]:
        """
        Return what the sender said about a message.
        """
        metas = self._batch.metas
        return (metas[index] or _NO_META) if metas else _NO_META

    def reply(self, message: Message, data: Any) -> None:
        """
        Answer a message; see `Message.reply`.
        """
        self._answer(message, data, self.type, Kind.REPLY if self.kind is Kind.REQUEST else Kind.MESSAGE)

    def feedback(self, message: Message, data: Any, type: str) -> None:
        """
        Send feedback on a message; see `Message.feedback`.
        """
        self._answer(message, data, type, Kind.FEEDBACK)


def message_id(sender: str, channel: int, number: int) -> str:
    """
    Return the id of a message: unique in a deployment, and made only where somebody reads it.
    """
    return f"{sender}/{channel}/{number}"
