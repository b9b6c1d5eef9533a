"""Processes, as the plain and the asyncio component hand them out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swergio.messages import Phase
from swergio.passes.openpass import OpenPass
from swergio.passes.process import ProcessFlow
from swergio.passes.waits import drive

if TYPE_CHECKING:
    from swergio.core import Core


class Pullback:
    """
    The backward half of one pass. It is to be called once, within the setting ``pass_timeout``.
    """

    def __init__(self, flow: ProcessFlow, begun: OpenPass) -> None:
        self._flow = flow
        self._begun = begun

    def __call__(self, gradient: Any, timeout: float | None = None) -> Any:
        """
        Send the gradient of the product backward; return that of the input. Blocks until it is there.

        Args:
            gradient: Of the loss by the product, in the product's shape.
            timeout: Seconds; by default the setting ``pass_timeout``.

        Returns:
            The gradient in the shape of the input; None if the components on the way have none.

        Raises:
            PassTimeout: it did not come in time, or the pullback was called too late.
            PassFailed: a component on the way raised, refused or left; or it was called before.
            AmbiguousProcess: a second component produced the result of this pass too.
        """
        return drive(self._flow.pull_back(self._begun, gradient, timeout))

    def __del__(self) -> None:
        self._flow.abandon(self._begun)


class AsyncPullback:
    """
    The backward half of one pass. It is to be called once, within the setting ``pass_timeout``.
    """

    def __init__(self, flow: ProcessFlow, begun: OpenPass) -> None:
        self._flow = flow
        self._begun = begun

    async def __call__(self, gradient: Any, timeout: float | None = None) -> Any:
        """
        Send the gradient of the product backward; return that of the input. See `Pullback`.

        If the call is cancelled, the gradient may have been sent.
        """
        return await self._flow.pull_back(self._begun, gradient, timeout)

    def __del__(self) -> None:
        self._flow.abandon(self._begun)


class Process:
    """
    Everything between two rooms, as one function; made by ``component.process(source, sink)``.

    It may be called by several threads at once, and inside plain handlers.
    """

    def __init__(self, flow: ProcessFlow) -> None:
        self._flow = flow

    @property
    def source(self) -> str:
        """
        The room that inputs are sent to.
        """
        return self._flow.source

    @property
    def sink(self) -> str:
        """
        The room that products come from.
        """
        return self._flow.sink

    @property
    def core(self) -> Core:
        """
        What the component of the process is made of; for tools that look at what goes by.
        """
        return self._flow.core

    def between(self, source: str, sink: str) -> Process:
        """
        Return everything between two other rooms as a function, called by the same component.

        Raises:
            InvalidName: a room cannot be named so.
        """
        return Process(self._flow.between(source, sink))

    def __call__(
        self,
        x: Any,
        *,
        phase: Phase = Phase.VALIDATE,
        meta: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """
        Send ``x`` through the process and return what comes out; no gradient will be wanted.

        Waits for a first member of the source room; a message to nobody would be lost.

        Args:
            x: The input: what the component at the source takes.
            phase: Whether the components may learn from it.
            meta: What they are to know about it.
            timeout: Seconds for the whole call; by default the setting ``pass_timeout``.

        Raises:
            PassTimeout: nobody was there, or nothing came out, in time; names who was silent.
            PassFailed: a component on the way raised; or a member of the source room left meanwhile.
            AmbiguousProcess: in this pass or the one before, a second component produced the result too.
        """
        return drive(self._flow.call(x, phase, meta, timeout))

    def vjp(
        self,
        x: Any,
        *,
        phase: Phase = Phase.TRAIN,
        meta: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> tuple[Any, Pullback]:
        """
        Send ``x`` through the process; return what comes out, and the function that pulls a gradient back through it.

        At most ``max_open_passes`` passes of a component may wait for their pullback; a further one waits for them.

        Args:
            x, meta: As in a call.
            phase: With `Phase.VALIDATE` there is a gradient too, but the components leave their weights as they are:
                so the inputs of a trained process are optimised.
            timeout: Seconds until the product must be here; by default the setting ``pass_timeout``.

        Raises:
            PassTimeout, PassFailed, AmbiguousProcess: as in a call.
        """
        product, begun = drive(self._flow.vjp(x, phase, meta, timeout))
        return product, Pullback(self._flow, begun)


class AsyncProcess:
    """
    Everything between two rooms, as one function; made by ``component.process(source, sink)``.

    It may be called by several tasks at once, and inside handlers.
    """

    def __init__(self, flow: ProcessFlow) -> None:
        self._flow = flow

    @property
    def source(self) -> str:
        """
        The room that inputs are sent to.
        """
        return self._flow.source

    @property
    def sink(self) -> str:
        """
        The room that products come from.
        """
        return self._flow.sink

    async def __call__(
        self,
        x: Any,
        *,
        phase: Phase = Phase.VALIDATE,
        meta: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """
        Send ``x`` through the process and return what comes out; no gradient will be wanted. See `Process`.
        """
        return await self._flow.call(x, phase, meta, timeout)

    async def vjp(
        self,
        x: Any,
        *,
        phase: Phase = Phase.TRAIN,
        meta: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> tuple[Any, AsyncPullback]:
        """
        Send ``x`` through the process; return what comes out, and the function that pulls a gradient back through it.

        See `Process.vjp`. If the call is cancelled, ``x`` may have been sent.
        """
        product, begun = await self._flow.vjp(x, phase, meta, timeout)
        return product, AsyncPullback(self._flow, begun)
