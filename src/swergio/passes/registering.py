"""How a component declares its part in passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from swergio.errors import ConfigurationError
from swergio.membership import manner_of
from swergio.messages import MessageType, check_name, check_open_room
from swergio.passes.bookkeeper import Bookkeeper
from swergio.passes.faces import AsyncProcess, Process
from swergio.passes.loss import Loss
from swergio.passes.node import Node, name_of
from swergio.passes.openpass import Combine
from swergio.passes.process import ProcessFlow, check_gradients
from swergio.passes.records import Terms
from swergio.passes.waits import OnLoop, OnThread
from swergio.registration import Registration
from swergio.transport import Manner

F = TypeVar("F", bound=Callable[..., Any])


class NodeRegistration(Registration):
    """
    The nodes of a component; the same words on both faces.
    """

    _keeper: Bookkeeper

    def _prepare_passes(self) -> None:
        keeper = self._core.feedback
        if not isinstance(keeper, Bookkeeper):  # the plain face shares the core of the one within it
            keeper = self._core.feedback = Bookkeeper(self._core)
        self._keeper = keeper

    def forward(
        self,
        source: str | tuple[str, ...],
        sink: str,
        *,
        gradients: int | Literal["members"] | None = None,
        partial: bool = False,
        max_stale: int | None = None,
        timeout: float | None = None,
        group: str | None = None,
    ) -> Callable[[Callable[..., Any]], Node]:
        """
        Register a function from one room to another, as a node that gradients can flow back through.

        The function is called as ``function(ctx, data)`` with the data of each ``DATA/FORWARD`` message in the source
        room, and what it returns is sent to the sink. What it gives to ``ctx.save`` is there again when feedback on
        that comes. It becomes a `Node`, with whose ``backward`` the gradient is registered::

            @forecaster.forward("features", "forecast")
            def predict(ctx, x):
                ctx.save(x)
                return x @ weights

            @predict.backward
            def learn(ctx, grad):
                (x,) = ctx.saved
                if ctx.training:
                    weights[:] -= rate * (x.T @ grad)
                    predict.updated()
                return grad @ weights.T

        An ``async def`` function runs on the event loop, any other on the dispatching thread.

        Args:
            source: The room, or a tuple of rooms: then one message of each, joined by their pass, is an input, as
                ``function(ctx, a, b)``, and the backward function returns one gradient for each.
            sink: The other room.
            gradients: None: the backward function is called with each feedback message as it comes, and what it
                returns goes back each time; n: with the sum of n; ``"members"``: with the sum of one of each reliable
                member that the sink had when the message was sent.
            partial: When a sum cannot be completed any more, go on with those that came; else the pass fails.
            max_stale: Drop feedback on what was made before more than so many updates of the weights, and fail its
                pass; see `Node.updated`.
            timeout: Seconds until feedback must be here; by default the setting ``pass_timeout``.
            group: Share the messages of the source with the others of this group, each of which goes to one of them.
                Not with several sources, whose messages would not meet in one member.

        Raises:
            InvalidName, ConfigurationError: an argument is wrong.
        """
        sources = (source,) if isinstance(source, str) else tuple(source)
        _check_rooms(sources, sink)
        check_gradients(gradients)
        if partial and gradients is None:
            raise ConfigurationError("partial=True without a sum", remedy="Say gradients=n or gradients='members' too")
        if group is not None and len(sources) > 1:
            raise ConfigurationError(f"a node of the group {group!r} with {len(sources)} sources", "one source")
        manner = manner_of(group=group)
        terms = Terms(None if gradients == "members" else gradients or 0, partial=partial)
        seconds = self._core.settings.pass_timeout if timeout is None else timeout

        def register(function: Callable[..., Any]) -> Node:
            node = Node(self._keeper, function, sources, sink, terms=terms, max_stale=max_stale, timeout=seconds)
            self._keeper.shortest_timeout = min(self._keeper.shortest_timeout, seconds)
            self._keeper.watch(sink)
            for place, room in enumerate(sources):
                self._add_handler(room, MessageType.FORWARD, node.handler(place), manner)
            return node

        return register

    def loss(self, source: str, *, name: str | None = None) -> Callable[[F], F]:
        """
        Register a function that judges the data of a room, where passes end and gradients begin.

        It is called as ``function(ctx, data)`` with each ``DATA/FORWARD`` message and returns ``(value, gradient)``,
        or the value alone. The value is published as a KPI (``LOG/KPI`` in ``_logging``); the gradient, in the shape
        of the data, goes to the sender of the data if it wants one.

        Args:
            source: The room.
            name: What the KPI is called; by default as the function.

        Raises:
            InvalidName: the room cannot be named so.
        """
        check_name(source, "room")

        def register(function: F) -> F:
            kpi = name or name_of(function)
            handler = Loss(self._keeper, function, kpi).handler()
            self._add_handler(source, MessageType.FORWARD, handler, Manner())
            return function

        return register


class Passes(NodeRegistration):
    """
    The part of the asyncio component that is about passes.
    """

    def process(
        self,
        source: str,
        sink: str,
        *,
        combine: Combine | None = None,
        producers: int = 1,
        gradients: int | Literal["members"] | None = None,
    ) -> AsyncProcess:
        """
        Return everything between two rooms as one function; see `swergio.Component.process`.
        """
        waits = OnLoop(self._core)
        return AsyncProcess(
            ProcessFlow(self._keeper, waits, source, sink, combine=combine, producers=producers, gradients=gradients)
        )


class PlainPasses(NodeRegistration):
    """
    The part of the plain component that is about passes.
    """

    def process(
        self,
        source: str,
        sink: str,
        *,
        combine: Combine | None = None,
        producers: int = 1,
        gradients: int | Literal["members"] | None = None,
    ) -> Process:
        """
        Return everything between two rooms as one function.

        The component becomes a reliable member of the sink. The first message there that belongs to a pass is its
        product; that of a second one shows that the function is not one: it raises `AmbiguousProcess`, unless
        ``combine`` says what to make of several.

        Args:
            source: The room that inputs are sent to.
            sink: The room that products come from.
            combine: ``"first"`` takes the first and ignores others; ``"sum"`` and ``"mean"`` wait for ``producers``.
            producers: How many messages make a product.
            gradients: How many feedback messages make the gradient of an input, which are summed: more than one if
                several components take the input and each is on the way to the product. By default one for each
                producer; ``"members"``: one of each reliable member of the source.

        Raises:
            InvalidName, ConfigurationError: an argument is wrong.
        """
        waits = OnThread(self._core)
        return Process(
            ProcessFlow(self._keeper, waits, source, sink, combine=combine, producers=producers, gradients=gradients)
        )


def _check_rooms(sources: tuple[str, ...], sink: str) -> None:
    check_open_room(sink)
    for room in sources:
        check_name(room, "room")
    if not sources or len({*sources, sink}) <= len(sources):
        raise ConfigurationError(f"a node from {sources!r} to {sink!r}", "at least one source, and no room twice")
