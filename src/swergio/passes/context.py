"""What a node knows of the pass that it takes part in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swergio.messages import Phase

if TYPE_CHECKING:
    from swergio.messages import Instance, Message


class Context:
    """
    One pass at one node: made for its forward function, and handed to its backward function again.

    Further attributes may be set on it, as on the ``ctx`` of a torch.autograd.Function; only what `save` was given
    counts towards the memory that open passes may take.

    Attributes:
        saved: What was saved, always a tuple: ``(x,) = ctx.saved``.
        phase: Whether the pass is there to learn from; see `training`.
        root: The id of the message that began the pass.
        meta: What its sender said about it.
        message: The message that is being handled: data in a forward function, feedback in a backward one (the last
            one, if several are summed). ``ctx.message.type`` tells a gradient from a reward or a label.
        version: The version of the node's weights that its forward function saw.
        wants_feedback: Whether the sender waits for a gradient.
        shared_bytes: What is kept by `saved` and, as long as they are the newest, by the weights themselves. It counts
            when a pass has had its feedback, and is kept only in case there is more.
    """

    def __init__(
        self,
        *,
        phase: Phase | None = None,
        root: str = "",
        meta: Mapping[str, Any] | None = None,
        message: Message | None = None,
        version: int = 0,
        wants_feedback: bool = False,
    ) -> None:
        self.saved: tuple[Any, ...] = ()
        self.phase = phase
        self.root = root
        self.meta: Mapping[str, Any] = {} if meta is None else meta
        self.message = message
        self.version = version
        self.wants_feedback = wants_feedback
        self.shared_bytes = 0

    def save(self, *values: Any) -> None:
        """
        Keep values for the backward function. They are not copied: save a copy of what will be changed in place.

        What is saved later is added to what was saved before.
        """
        self.saved += values

    @property
    def training(self) -> bool:
        """
        Whether weights may be changed by this pass.

        In `Phase.VALIDATE` backward functions are called too, since the inputs of a trained process can be optimised:
        they return the gradient, and leave the weights as they are.
        """
        return self.phase is not Phase.VALIDATE

    @property
    def sender(self) -> Instance | None:
        """
        The instance that sent the message that is being handled.
        """
        return None if self.message is None else self.message.sender
