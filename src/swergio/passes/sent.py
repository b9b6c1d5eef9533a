"""What a node keeps of a message that it sent on, until the feedback on it was applied."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from swergio.dispatch import Handler, Work
from swergio.messages import Message
from swergio.passes.context import Context
from swergio.passes.failures import Failure, Origin, Refusal
from swergio.passes.gradients import add
from swergio.passes.records import Terms
from swergio.passes.tallies import Tally
from swergio.passes.waits import OnLoop, OnThread, drive, waits_of
from swergio.received import Received
from swergio.reports import WaitsFor

if TYPE_CHECKING:
    from swergio.passes.bookkeeper import Bookkeeper

log = logging.getLogger("swergio.passes")


class Backward(Protocol):
    """
    The node, as far as its backward steps need it.
    """

    name: str
    sources: tuple[str, ...]
    sink: str
    keeper: Bookkeeper
    terms: Terms
    max_stale: int | None
    version: int
    backward_function: Callable[..., Any] | None
    tally: Tally


class SentOn:
    """
    One forward message of a node.

    What arrives is counted by the ledger on the loop, and added up and applied here on the lane of the backward
    function: a message that came in time counts, however long it waits for a handler.

    Args:
        node: The node.
        ctx: What its forward function saved.
        origins: The messages that it was made of, one for each source.
    """

    __slots__ = ("_came", "_ctx", "_failed", "_last", "_node", "_origins", "_total", "_waits")

    def __init__(self, node: Backward, ctx: Context, origins: Sequence[Origin]) -> None:
        self._node = node
        self._ctx = ctx
        self._origins = origins
        self._waits: OnLoop | OnThread = waits_of(node.keeper.core, node.backward_function)
        self._total: Any = None
        self._came = False
        self._failed = False
        self._last: Message | None = None

    # -- Told -----------------------------------------------------------------------------------------------------

    waits_for: WaitsFor = "feedback"
    ends = math.inf

    @property
    def tally(self) -> Tally:
        """
        See `swergio.passes.journal.Told`.
        """
        return self._node.tally

    @property
    def root(self) -> str:
        """
        See `swergio.passes.journal.Told`.
        """
        return self._origins[0].root

    # -- Sent -----------------------------------------------------------------------------------------------------

    def feedback(self, received: Received, index: int, due: bool) -> Work:
        """
        See `swergio.passes.bookkeeper.Sent`.
        """
        self._came = True
        return self._work(partial(self._take, due=due), received, index)

    def fail(self, failure: Failure) -> None:
        """
        See `swergio.passes.bookkeeper.Sent`.
        """
        if self._node.terms.partial and self._came:
            self._node.keeper.submit(self._work(self._apply_partial, None, failure))
        else:
            self._refuse(failure)

    def _work(self, flow: Callable[..., Any], received: Received | None, item: Any) -> Work:
        on_loop = isinstance(self._waits, OnLoop)
        function = flow if on_loop else lambda item: drive(flow(item))
        return Work((Handler(function, answers=False),), received, (item,), on_loop)

    def _refuse(self, failure: Failure) -> None:
        self._failed = True
        for origin in self._origins:
            self._node.keeper.refuse(origin, failure)

    # -- on the lane of the backward function ---------------------------------------------------------------------

    async def _take(self, message: Message, due: bool) -> None:
        if self._failed:
            return
        try:
            self._add(message)
            if due:
                await self._apply(message)
        except Exception as exc:  # noqa: BLE001  whatever a user's function raises
            self._failed = self._node.terms.count != 0
            self._node.keeper.step_failed(message, self._origins, exc, self._node.name)

    def _add(self, message: Message) -> None:
        if self._node.terms.count == 0:
            self._total = message.data
        else:
            self._total = add(self._total, message.data)
            self._last = message

    async def _apply_partial(self, failure: Failure) -> None:
        message = self._last
        if self._failed or message is None:
            return
        log.info("%s goes on with the part of a sum that came: %s", self._node.name, failure.error())
        try:
            await self._apply(message)
        except Exception as exc:  # noqa: BLE001  whatever a user's function raises
            self._node.keeper.step_failed(message, self._origins, exc, self._node.name)

    async def _apply(self, message: Message) -> None:
        keeper = self._node.keeper
        gradient, self._total = self._total, None
        for origin, part in zip(self._origins, await self._gradients(message, gradient), strict=True):
            if origin.wants_feedback:
                await keeper.give_feedback(origin, keeper.core.pack(part), self._waits)

    async def _gradients(self, message: Message, gradient: Any) -> Sequence[Any]:
        """
        Return the gradient of each input. What is None stays None, and completes the passes all the same.
        """
        node, count = self._node, len(self._node.sources)
        if gradient is None:
            return [None] * count
        self._check()
        assert node.backward_function is not None
        self._ctx.message = message
        result = await self._waits.result(node.backward_function(self._ctx, gradient))
        self._ctx.message = None
        if count == 1:
            return [result]
        if result is None:
            return [None] * count
        if not isinstance(result, list | tuple) or len(result) != count:
            raise TypeError(f"the backward function of {node.name!r} must return one gradient for each source, {count}")
        return result

    def _check(self) -> None:
        node = self._node
        if node.backward_function is None:
            raise Refusal(Failure(node.sink, f"{node.name!r} of {node.keeper.core.instance} has no backward function"))
        age = node.version - self._ctx.version
        if node.max_stale is not None and age > node.max_stale:
            node.keeper.core.stats.stale_feedback += 1
            raise Refusal(Failure(node.sink, f"stale feedback: {node.name!r} was updated {age} times since"))
