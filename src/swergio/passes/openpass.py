"""One pass that a process began: what came of it, and what it still waits for."""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal, Protocol

from swergio.errors import AmbiguousProcess, PassError, PassFailed, PassTimeout, SwergioError
from swergio.messages import Kind, Message
from swergio.passes.failures import Origin
from swergio.passes.gradients import add, scale
from swergio.passes.tallies import Tally
from swergio.passes.waits import Signal
from swergio.reports import WaitsFor

if TYPE_CHECKING:
    from swergio.passes.begun import Pass
    from swergio.passes.journal import Journal
    from swergio.passes.records import Record

Combine = Literal["first", "sum", "mean"]

_ABSENT: dict[WaitsFor, str] = {
    "product": "its product did not come",
    "pullback": "its pullback was not called",
    "feedback": "its gradient did not come",
}


class Beginner(Protocol):
    """
    The process that began a pass.

    Attributes:
        combine, producers: What its product is made of.
        tally, journal: Where its passes are counted, and told of.
        ambiguity: What came after a pass was complete and shows that another one was not; the next call raises it.
    """

    source: str
    sink: str
    combine: Combine | None
    producers: int
    ambiguity: PassError | None
    tally: Tally
    journal: Journal


class OpenPass:
    """
    The state of one pass; to the component's bookkeeping, a `swergio.passes.begun.Pass`.

    What comes is written on the loop. Whoever waits for it reads it after the signal of that half was set.

    Args:
        process: Whoever began it.
        signal: Set when the product is there, or never will be.
        wants_feedback: It is complete with its gradient, and not with its product.

    Attributes:
        origins: The messages that the product was made of: what the gradient answers.
        failure: Why it cannot be completed.
        pulled: Whether its pullback was called.
        ends: When the call that waits for it gives up, by the monotonic clock; infinity: none waits.
        waited: Seconds that the caller waited for its product, if that was measured.
        record: Its entry in the ledger.
    """

    record: Record[Pass]

    def __init__(self, process: Beginner, signal: Signal, *, wants_feedback: bool) -> None:
        self.sink = process.sink
        self.signal = signal
        self.origins: list[Origin] = []
        self.failure: SwergioError | None = None
        self.pulled = False
        self._process = process
        self._products: list[Message] = []
        self._gradients: list[Message] = []
        self._complete = False
        self._wants_feedback = wants_feedback
        self._counted = False
        self.ends = math.inf
        self.waited: float | None = None

    # -- Told -----------------------------------------------------------------------------------------------------

    @property
    def tally(self) -> Tally:
        """
        See `swergio.passes.journal.Told`.
        """
        return self._process.tally

    @property
    def root(self) -> str:
        """
        See `swergio.passes.journal.Told`.
        """
        return self.record.id

    @property
    def waits_for(self) -> WaitsFor:
        """
        See `swergio.passes.journal.Told`.
        """
        if len(self.origins) < self._process.producers:
            return "product"
        return "feedback" if self.pulled else "pullback"

    # -- Pass, on the loop ----------------------------------------------------------------------------------------

    def product(self, message: Message) -> None:
        """
        See `Pass.product`.
        """
        if len(self.origins) >= self._process.producers:
            self.surplus(message)
            self.failure = self.failure or self._process.ambiguity
            return
        self._products.append(message)
        self.origins.append(Origin.of(message))
        if len(self.origins) == self._process.producers:
            self.signal.set()

    @property
    def direct_producers(self) -> set[str]:
        """
        Those who made the product of the first message itself: they owe its gradient, whoever else got the message.
        """
        return {str(origin.sender) for origin in self.origins if origin.parent == self.record.id}

    def gradient(self, message: Message, complete: bool) -> None:
        """
        See `Pass.gradient`.
        """
        self._gradients.append(message)
        if complete:
            self._complete = True
            self.signal.set()

    def fail(self, error: SwergioError) -> None:
        """
        See `Pass.fail`.
        """
        self.failure = self.failure or error
        self.signal.set()

    def expired(self) -> None:
        """
        See `Pass.expired`.
        """
        seconds = self.record.deadline - self.record.since
        self.fail(PassTimeout(self._process.source, "call of the pullback", round(seconds, 3)))

    def surplus(self, message: Message) -> None:
        """
        See `Pass.surplus`.
        """
        process = self._process
        if message.kind is Kind.FEEDBACK:
            if self._complete:
                process.ambiguity = self._too_many_gradients(message)
        elif len(self.origins) >= process.producers and process.combine != "first":
            producers = [*(origin.sender for origin in self.origins), message.sender]
            process.ambiguity = AmbiguousProcess(self.sink, tuple(map(str, producers)))

    def _too_many_gradients(self, message: Message) -> PassFailed:
        reason = f"the gradient of one input had more parts than were waited for (the last came from {message.sender})"
        return PassFailed(self._process.source, f"{reason}: say gradients=n to have n of them summed")

    def ended(self) -> None:
        """
        See `Pass.ended`. What came is dropped, for its batches are not to stay in memory.
        """
        if not self._counted:
            self._counted = True
            self._count()
        self._products.clear()
        self._gradients.clear()

    def _count(self) -> None:
        has_product = len(self.origins) >= self._process.producers
        if self._complete or (has_product and not self._wants_feedback and self.failure is None):
            self._process.tally.closed += 1
            return
        reason = _ABSENT[self.waits_for] if self.failure is None else str(self.failure)
        self._process.journal.orphaned(self.record, reason, sorted(self.record.outstanding or ()))

    # -- whoever waits for it -------------------------------------------------------------------------------------

    def take_product(self) -> Any:
        """
        Return the product, as the process combines it. Call it once.
        """
        parts = [message.data for message in self._products]
        self._products.clear()
        combine = self._process.combine
        if combine not in ("sum", "mean"):
            return parts[0]
        total = reduce(add, parts)
        return scale(total, 1 / len(parts)) if combine == "mean" else total

    def take_gradient(self) -> Any:
        """
        Return the sum of the gradients that came.
        """
        return reduce(add, [message.data for message in self._gradients])

    @property
    def silent(self) -> tuple[str, ...]:
        """
        Who has not answered, as far as it is known.
        """
        return tuple(sorted(self.record.outstanding or ()))
