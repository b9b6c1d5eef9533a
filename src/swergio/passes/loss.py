"""A loss: the terminal node of a process, where data ends and gradients begin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swergio.dispatch import Handler
from swergio.messages import Message, MessageType
from swergio.passes.bookkeeper import Bookkeeper
from swergio.passes.context import Context
from swergio.passes.failures import Origin
from swergio.passes.waits import OnLoop, Waits, drive, waits_of


class Loss:
    """
    The handler of a function that says how good the data of a room is: made by ``component.loss(room)``.

    Args:
        keeper: The passes of the component.
        function: Called with the context and the data; returns the value and its gradient, or the value alone.
        name: What the value is called as a KPI.
    """

    def __init__(self, keeper: Bookkeeper, function: Callable[..., Any], name: str) -> None:
        self._core = keeper.core
        self._keeper = keeper
        self._function = function
        self._name = name

    def handler(self) -> Handler:
        """
        Return the handler for the messages of its room.
        """
        waits = waits_of(self._core, self._function)

        async def handle(message: Message) -> None:
            await self._judge(message, waits)

        if isinstance(waits, OnLoop):
            return Handler(handle, answers=False)
        return Handler(lambda message: drive(handle(message)), answers=False)

    async def _judge(self, message: Message, waits: Waits) -> None:
        try:
            ctx = Context(
                phase=message.phase, root=message.root, meta=message.meta, message=message,
                wants_feedback=message.wants_feedback,
            )  # fmt: skip
            result = await waits.result(self._function(ctx, message.data))
            value, gradient = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
            self._report(self._number(value), message)
            if message.wants_feedback:
                await self._keeper.give_feedback(Origin.of(message), self._core.pack(gradient), waits)
        except Exception as exc:  # noqa: BLE001  whatever a user's function raises
            self._keeper.step_failed(message, [Origin.of(message)], exc, self._name)

    def _number(self, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError) as exc:
            expected = "one number and its gradient, as (value, gradient), or the number alone"
            raise TypeError(f"the loss {self._name!r} must return {expected}, not a {type(value).__name__}") from exc

    def _report(self, value: float, message: Message) -> None:
        more = {} if message.phase is None else {"phase": message.phase.name}
        self._core.report(MessageType.KPI, self._core.indicator(self._name, value, **more))
