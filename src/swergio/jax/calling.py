"""A process as a differentiable function: ``jax.grad`` goes through the rooms."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import io_callback

from swergio.errors import ConfigurationError
from swergio.jax.arrays import fitted, is_differentiable, is_numeric, shaped
from swergio.messages import Phase
from swergio.passes import PlainPasses, Process, Pullback
from swergio.passes.openpass import Combine
from swergio.trees import beside, leaves, transform

HELD = 1024  # passes whose gradient nobody came for; the oldest are given up

Result = Any
"""What comes out of a process: arrays or ``jax.ShapeDtypeStruct`` in dicts and lists, or a function of the input."""


class Remote:
    """
    Everything between two rooms as a function of JAX arrays; made by `remote`.

    It can be differentiated once in reverse (``jax.grad``, ``jax.vjp``), compiled, mapped (``jax.vmap`` makes one pass
    of each example) and used in ``jax.lax.scan``. Differentiated it is a pass of `Phase.TRAIN`, otherwise one of
    `Phase.VALIDATE` for which no gradient is asked.
    """

    def __init__(self, process: Process, result: Result, timeout: float | None) -> None:
        self.process = process
        self.result = result
        self.timeout = timeout
        self.begun = _Tickets()

    def __call__(
        self,
        x: Any,
        *,
        phase: Phase | None = None,
        meta: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """
        Send ``x`` through the process and return what comes out.

        Args:
            x: An array, or lists and dicts of arrays and of whatever else travels.
            phase: Whether the components may learn from it; by default, whether it is differentiated.
            meta: What they are to know about it. In a compiled function it is that of its compilation.
            timeout: Seconds for each half of the pass; by default what `remote` was told.

        Returns:
            What came out, as arrays, in dicts and lists.

        Raises:
            PassError: as ``process`` and its pullback. Out of a compiled function JAX raises its own error, which
                names this one.
            ConfigurationError: the function is compiled, and it was not said what comes out.
            TypeError: something came out that is no array or number.
        """
        seconds = self.timeout if timeout is None else timeout
        return _Call(self, x, phase, meta, seconds).run()


def remote(
    component: PlainPasses,
    source: str,
    sink: str,
    *,
    result: Result = None,
    combine: Combine | None = None,
    producers: int = 1,
    gradients: int | Literal["members"] | None = None,
    timeout: float | None = None,
) -> Remote:
    """
    Return everything between two rooms as a differentiable function of JAX arrays.

    ::

        with swergio.Component("trainer") as trainer:
            cost = swergio.jax.remote(trainer, "features", "cost")
            gradient = jax.grad(lambda x: cost(x).mean())(x)  # through the rooms

    JAX goes back only where the gradient of the input is wanted: components learn if their input depends on what the
    loss is differentiated by.

    Args:
        component: A component of the plain face.
        source, sink, combine, producers, gradients: As `Component.process`.
        result: What comes out, for functions that are compiled: ``jax.ShapeDtypeStruct`` or arrays, in dicts and lists,
            or a function of the input that returns such.
        timeout: Seconds for each half of a pass; by default the setting ``pass_timeout``.

    Raises:
        InvalidName, ConfigurationError: an argument is wrong.
    """
    if not isinstance(component, PlainPasses):
        raise ConfigurationError(
            f"a function of JAX by {type(component).__module__}.{type(component).__name__}",
            "a swergio.Component, since JAX waits for the rooms",
            "Where everything is awaited, use process.vjp",
        )
    process = component.process(source, sink, combine=combine, producers=producers, gradients=gradients)
    return Remote(process, result, timeout)


@dataclass(frozen=True, slots=True)
class _Begun:
    """
    A pass that waits for its gradient; of its product, the numbers that there are gradients by, and else None.
    """

    pullback: Pullback
    product: Any


class _Tickets:
    """
    Passes that wait for their gradient, by numbers: all that a compiled function can carry from one half to the other.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[int, _Begun] = OrderedDict()
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def keep(self, begun: _Begun) -> int:
        """
        Return a number for a pass.
        """
        with self._lock:
            ticket = next(self._numbers) % 2**31
            self._held[ticket] = begun
            if len(self._held) > HELD:
                self._held.popitem(last=False)
        return ticket

    def take(self, ticket: int) -> _Begun:
        """
        Return the pass, once.
        """
        with self._lock:
            begun = self._held.pop(ticket, None)
        if begun is None:
            raise RuntimeError("the gradient of a pass was wanted twice, and it can be pulled back once")
        return begun


@dataclass(frozen=True, slots=True)
class _Number:
    """
    An array or a number with a fraction, as JAX sees it.

    Attributes:
        bare: It travels as a number.
    """

    shape: tuple[int, ...]
    dtype: Any
    bare: bool

    def sent(self, value: Any) -> Any:
        """
        Return a value as it travels.
        """
        return float(value) if self.bare else np.asarray(value)

    def gradient(self, path: str, value: Any) -> Any:
        """
        Return a gradient that came by this; zeros if there is none.
        """
        if value is None:
            return np.zeros(self.shape, self.dtype)
        return fitted(path, value, self)


class _Call:
    """
    One call: its ways through JAX, with and without a gradient, compiled and not.
    """

    def __init__(
        self, remote: Remote, x: Any, phase: Phase | None, meta: Mapping[str, Any] | None, timeout: float | None
    ) -> None:
        self._remote = remote
        self._phase = phase
        self._meta = meta
        self._timeout = timeout
        self._x = transform(_number_or_itself, x)
        self._arrays = [leaf for _, leaf in leaves(x, "x") if isinstance(_number_or_itself(leaf), _Number)]
        self._numbers = [leaf for _, leaf in leaves(self._x, "x") if isinstance(leaf, _Number)]

    def run(self) -> Any:
        """
        Make the call.
        """
        function = jax.custom_vjp(self._plain)
        function.defvjp(self._forward, self._backward)
        return function(*self._arrays)

    # -- what JAX calls -----------------------------------------------------------------------------------------------

    def _plain(self, *arrays: Any) -> Any:
        if _known(arrays):
            return _arrays(self._pass(*arrays))
        like = self._like(arrays)
        return io_callback(lambda *known: _product(self._pass(*known), like), like, *arrays)

    def _forward(self, *arrays: Any) -> tuple[Any, Any]:
        if _known(arrays):
            product, ticket = self._begin(*arrays)
            return _arrays(product), ticket
        like = self._like(arrays)

        def begin(*known: Any) -> tuple[Any, Any]:
            product, ticket = self._begin(*known)
            return _product(product, like), ticket

        product, ticket = io_callback(begin, (like, shaped(np.int32(0))), *arrays)
        return product, ticket

    def _backward(self, ticket: Any, cotangent: Any) -> tuple[Any, ...]:
        parts = [part for part in jax.tree.leaves(cotangent) if part.dtype != jax.dtypes.float0]
        wanted = tuple(shaped(number) for number in self._numbers if is_differentiable(number))
        known = _known([ticket, *parts])
        found = self._pull(ticket, *parts) if known else io_callback(self._pull, wanted, ticket, *parts)
        gradients = iter(found)
        return tuple(
            next(gradients) if is_differentiable(number) else np.zeros(number.shape, jax.dtypes.float0)
            for number in self._numbers
        )

    def _like(self, arrays: Sequence[Any]) -> Any:
        remote, known = self._remote, iter(arrays)
        if remote.result is None:
            raise ConfigurationError(
                f"JAX compiles a function with the process from {remote.process.source!r} to {remote.process.sink!r}",
                "to know what comes out",
                "Say result=jax.ShapeDtypeStruct(shape, dtype), or a function of the input that returns it",
            )
        result = remote.result
        if callable(result):
            result = result(transform(lambda leaf: next(known) if isinstance(leaf, _Number) else leaf, self._x))
        return transform(shaped, result)

    # -- the passes, where the arrays are known -----------------------------------------------------------------------

    def _body(self, arrays: Sequence[Any]) -> Any:
        known = iter(arrays)
        return transform(lambda leaf: leaf.sent(next(known)) if isinstance(leaf, _Number) else leaf, self._x)

    def _pass(self, *arrays: Any) -> Any:
        phase = self._phase or Phase.VALIDATE
        return self._remote.process(self._body(arrays), phase=phase, meta=self._meta, timeout=self._timeout)

    def _begin(self, *arrays: Any) -> tuple[Any, Any]:
        phase, process = self._phase or Phase.TRAIN, self._remote.process
        product, pullback = process.vjp(self._body(arrays), phase=phase, meta=self._meta, timeout=self._timeout)
        begun = _Begun(pullback, transform(_number_or_none, product))
        return product, np.int32(self._remote.begun.keep(begun))

    def _pull(self, ticket: Any, *parts: Any) -> tuple[Any, ...]:
        begun = self._remote.begun.take(int(ticket))
        # JAX has dicts in the order of their keys, and a body in that of its making: the parts are put in their places.
        cotangents = jax.tree.unflatten(jax.tree.structure(begun.product), parts)
        gradient = jax.tree.map(_Number.sent, begun.product, cotangents)
        came = begun.pullback(gradient, self._timeout)
        return tuple(
            number.gradient(path, part)
            for path, number, part in beside(self._x, came, "the gradient")
            if isinstance(number, _Number) and is_differentiable(number)
        )


def _known(arrays: Sequence[Any]) -> bool:
    return not any(isinstance(array, jax.core.Tracer) for array in arrays)


def _number_or_itself(leaf: Any) -> Any:
    if isinstance(leaf, float):
        return _Number((), jnp.result_type(leaf), bare=True)
    if is_numeric(leaf):
        return _Number(leaf.shape, jnp.result_type(leaf), bare=False)
    return leaf


def _number_or_none(leaf: Any) -> _Number | None:
    number = _number_or_itself(leaf)
    return number if isinstance(number, _Number) and is_differentiable(number) else None


def _arrays(product: Any) -> Any:
    for path, leaf in leaves(product, "the product"):
        if not isinstance(leaf, np.ndarray | float | int):
            raise TypeError(f"{path} is a {type(leaf).__name__}, and JAX takes arrays and numbers")
    return transform(jnp.asarray, product)


def _product(product: Any, like: Any) -> Any:
    """
    Return a product as a compiled function was told that it is.
    """
    parts = iter([_as_told(path, part, one) for path, one, part in beside(like, product, "the product")])
    return transform(lambda _: next(parts), like)


def _as_told(path: str, part: Any, like: Any) -> Any:
    if is_differentiable(part) != is_differentiable(like):
        raise TypeError(f"{path} is {np.asarray(part).dtype}, and {like.dtype} was expected")
    return fitted(path, part, like)
