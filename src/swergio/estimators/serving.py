"""A node whose gradients are estimated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import swergio.asyncio
from swergio.component import Component
from swergio.errors import ConfigurationError
from swergio.estimators.formulas import Estimator
from swergio.passes import Context, Node
from swergio.vectors import Layout


def serve(
    component: Component | swergio.asyncio.Component,
    estimator: Estimator,
    source: str,
    sink: str,
    *,
    function: Callable[[Any], Any] | None = None,
    workers: str | None = None,
    seed: int | None = None,
    max_stale: int | None = None,
    timeout: float | None = None,
    group: str | None = None,
) -> Node:
    """
    Make a node of what has no gradient: a function, or the members of a room who answer questions.

    ::

        simulator.on("simulations", group="simulators")(lambda message: simulate(message.data))  # as many as there are

        front = swergio.Component("front")
        swergio.estimators.serve(front, SPSA(), "settings", "outcome", workers="simulations")

    The product of an input is that of the function, or of one of the workers. When a gradient comes for it, the probes
    are computed one after another, or asked of the room all at once, and its members share them if they are a group.

    Args:
        component: A component of either face.
        estimator: How a gradient is made: `FiniteDifferences`, `SPSA`, `ScoreFunction`, or your own `Estimator`.
        source, sink: The rooms of the node.
        function: ``function(x)`` returns the product. It must be plain; on the dispatching thread.
        workers: Instead of a function, the room whose members answer ``x`` with the product.
        seed: Of what the estimator draws; by default none.
        max_stale, timeout, group: As `Component.forward`. The timeout is also that of the questions to the workers.

    Returns:
        The node. Inputs and products are numbers, arrays of floats, or dicts and lists of them; what else they hold has
        no gradient.

    Raises:
        ConfigurationError: not one of ``function`` and ``workers`` was said; or an argument is wrong.
    """
    if (function is None) == (workers is None):
        raise ConfigurationError("neither or both of function= and workers=", "one of them")
    estimated = _Estimated(estimator, np.random.default_rng(seed))
    register = component.forward(source, sink, max_stale=max_stale, timeout=timeout, group=group)
    if workers is None:
        assert function is not None
        forward, backward = estimated.by_function(function)
    elif isinstance(component, Component):
        forward, backward = estimated.by_workers(component, workers, timeout)
    else:
        forward, backward = estimated.by_awaited_workers(component, workers, timeout)
    node = register(forward)
    node.name = type(estimator).__name__ if function is None else getattr(function, "__name__", node.name)
    node.backward(backward)
    return node


Step = Callable[..., Any]


class _Estimated:
    """
    The two functions of such a node, in three ways: they differ in who computes a product.
    """

    def __init__(self, estimator: Estimator, draw: np.random.Generator) -> None:
        self._estimator = estimator
        self._draw = draw

    def by_function(self, function: Callable[[Any], Any]) -> tuple[Step, Step]:
        """
        Compute products here.
        """

        def forward(ctx: Context, x: Any) -> Any:
            return self._begun(ctx, x, function(x))

        def backward(ctx: Context, gradient: Any) -> Any:
            probing = self._probing(ctx, gradient)
            return probing.gradient([function(body) for body in probing.bodies])

        return forward, backward

    def by_workers(self, component: Component, room: str, timeout: float | None) -> tuple[Step, Step]:
        """
        Ask the members of a room.
        """

        def forward(ctx: Context, x: Any) -> Any:
            return self._begun(ctx, x, component.request(room, x, timeout=timeout, meta=ctx.meta))

        def backward(ctx: Context, gradient: Any) -> Any:
            probing = self._probing(ctx, gradient)
            return probing.gradient(component.map(room, probing.bodies, timeout=timeout, meta=ctx.meta))

        return forward, backward

    def by_awaited_workers(
        self, component: swergio.asyncio.Component, room: str, timeout: float | None
    ) -> tuple[Step, Step]:
        """
        The same on the event loop.
        """

        async def forward(ctx: Context, x: Any) -> Any:
            return self._begun(ctx, x, await component.request(room, x, timeout=timeout, meta=ctx.meta))

        async def backward(ctx: Context, gradient: Any) -> Any:
            probing = self._probing(ctx, gradient)
            return probing.gradient(await component.map(room, probing.bodies, timeout=timeout, meta=ctx.meta))

        return forward, backward

    def _begun(self, ctx: Context, x: Any, product: Any) -> Any:
        if ctx.wants_feedback:
            ctx.save(x, product)
        return product

    def _probing(self, ctx: Context, gradient: Any) -> _Probing:
        x, product = ctx.saved
        return _Probing(self._estimator, self._draw, x, product, gradient)


class _Probing:
    """
    The probes for one gradient.

    Attributes:
        bodies: What is to be tried.
    """

    def __init__(self, estimator: Estimator, draw: np.random.Generator, x: Any, product: Any, gradient: Any) -> None:
        self._estimator = estimator
        self._input = Layout(x)
        self._product = Layout(product, "the product")
        weighing = Layout(product, "the gradient")
        self._weights = weighing.vector(gradient, partial=True)
        self._here = self._outcome(product)
        self._x = self._input.here
        self.bodies: Sequence[Any] = [self._input.tree(probe) for probe in estimator.probes(self._x, draw)]

    def gradient(self, products: Sequence[Any]) -> Any:
        """
        Return the gradient, given a product for each body.
        """
        probes = np.stack([self._input.vector(body) for body in self.bodies])
        outcomes = np.array([self._outcome(product) for product in products])
        return self._input.tree(self._estimator.gradient(self._x, probes, outcomes, self._here), rest=False)

    def _outcome(self, product: Any) -> float:
        return float(self._weights @ self._product.vector(product))
