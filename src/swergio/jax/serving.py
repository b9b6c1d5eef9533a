"""A function of parameters as a node: data forward through it, gradients back to its input and its parameters."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from swergio.errors import ConfigurationError
from swergio.jax.arrays import fitted, is_differentiable, is_numeric
from swergio.passes import Context, Node, Passes, PlainPasses
from swergio.trees import beside, spread, transform


class Optimizer(Protocol):
    """
    What Optax calls a gradient transformation.
    """

    @property
    def init(self) -> Callable[[Any], Any]:
        """
        Returns the first state, given the parameters.
        """

    @property
    def update(self) -> Callable[..., tuple[Any, Any]]:
        """
        Returns what is to be added to the parameters and the next state, given gradients, state and parameters.
        """


class Served:
    """
    A function with its parameters, as a node; made by `serve`.

    Attributes:
        node: The node.
        params: The parameters as they are now; None if the function has none.
        state: That of the optimizer; None without one.
    """

    node: Node

    def __init__(self, function: Callable[..., Any], params: Any, optimizer: Optimizer | None, *, unpack: bool) -> None:
        self.params = params
        self.state = None if optimizer is None else optimizer.init(params)
        self._function = function
        self._optimizer = optimizer
        self._unpack = unpack
        self._run = jax.jit(self._apply)
        self._trace = jax.jit(lambda params, inputs: jax.vjp(self._split, params, inputs, has_aux=True))
        self._pull = jax.jit(_pull)
        self._step = jax.jit(self._updated)

    # -- compiled -----------------------------------------------------------------------------------------------------

    def _apply(self, params: Any, inputs: Any) -> Any:
        arguments = [transform(_bare, tree) for tree in inputs]
        own = () if params is None else (params,)
        if self._unpack:
            return spread(self._function, arguments[0], *own)
        return self._function(*own, *arguments)

    def _split(self, params: Any, inputs: Any) -> tuple[list[Any], Any]:
        """
        Return what gradients will come for, and all of the product.
        """
        product = transform(jnp.asarray, self._apply(params, inputs))
        return [leaf for leaf in jax.tree.leaves(product) if is_differentiable(leaf)], product

    def _updated(self, params: Any, state: Any, gradient: Any) -> tuple[Any, Any]:
        assert self._optimizer is not None
        steps, state = self._optimizer.update(gradient, state, params)
        return jax.tree.map(lambda param, step: jnp.asarray(param + step, param.dtype), params, steps), state

    # -- the node -----------------------------------------------------------------------------------------------------

    def forward(self, ctx: Context, *inputs: Any) -> Any:
        """
        Call the function.
        """
        trees = tuple(transform(_arrived, tree) for tree in inputs)
        if not ctx.wants_feedback:
            return transform(_sent, self._run(self.params, trees))
        _, pullback, product = self._trace(self.params, trees)
        # What was computed on the way is kept for this pass alone; parameters, for all while they are the newest.
        kept = {
            id(leaf): leaf.nbytes for leaf in jax.tree.leaves((pullback, product, trees)) if hasattr(leaf, "nbytes")
        }
        own = {id(leaf) for leaf in jax.tree.leaves(self.params)}
        ctx.shared_bytes = sum(kept.pop(leaf, 0) for leaf in own)
        ctx.save(_Saved(inputs, pullback, product, sum(kept.values())))
        return transform(_sent, product)

    def backward(self, ctx: Context, gradient: Any) -> Any:
        """
        Return the gradient by the input, and have the optimizer take its step.
        """
        saved: _Saved = ctx.saved[0]
        inputs, pullback, product = saved.inputs, saved.pullback, saved.product
        cotangents = [
            np.zeros(leaf.shape, leaf.dtype) if part is None else fitted(path, part, leaf)
            for path, leaf, part in beside(product, gradient, "the gradient")
            if is_differentiable(leaf)
        ]
        by_params, by_inputs = self._pull(pullback, cotangents)
        if self._optimizer is not None and ctx.training:
            self.params, self.state = self._step(self.params, self.state, by_params)
            self.node.updated()
        left = [_leaving(*pair) for pair in zip(inputs, by_inputs, strict=True)]
        return left if len(left) > 1 else left[0]

    # -- on disk ------------------------------------------------------------------------------------------------------

    def checkpoint(self, *, every: int, path: str | os.PathLike[str] | None = None) -> bool:
        """
        Keep parameters and optimizer on disk, and go on from what is there; see `Node.checkpoint`.

        The file is one of ``numpy.savez``, with the leaves of both in their order.

        Raises:
            CheckpointFailed: what is there cannot be loaded, such as parameters of other shapes.
            ConfigurationError: another component that is running has this checkpoint, or an argument is wrong.
        """
        return self.node.checkpoint(self._save, self._load, every=every, path=path)

    def _save(self, file: BinaryIO) -> None:
        np.savez(file, *map(np.asarray, jax.tree.leaves((self.params, self.state))))

    def _load(self, file: BinaryIO) -> None:
        found = list(np.load(file, allow_pickle=False).values())
        here, shape = jax.tree.flatten((self.params, self.state))
        if [array.shape for array in found] != [jnp.shape(leaf) for leaf in here]:
            raise ValueError(f"it holds other parameters: {[array.shape for array in found]}")
        pairs = zip(found, here, strict=True)
        # bfloat16 and the like are saved as bytes of their width
        loaded = [jnp.asarray(array.view(leaf.dtype) if array.dtype.kind == "V" else array) for array, leaf in pairs]
        self.params, self.state = jax.tree.unflatten(shape, loaded)


def serve(
    component: Passes | PlainPasses,
    function: Callable[..., Any],
    source: str | tuple[str, ...],
    sink: str,
    *,
    params: Any = None,
    optimizer: Optimizer | None = None,
    unpack: bool = True,
    gradients: int | Literal["members"] | None = None,
    partial: bool = False,
    max_stale: int | None = None,
    timeout: float | None = None,
    group: str | None = None,
) -> Served:
    """
    Make a function a node: it turns what comes in ``source`` into what goes to ``sink``, and learns from the gradient.

    ::

        model = swergio.Component("model")
        params = {"w": jnp.zeros((3, 1)), "b": jnp.zeros(1)}
        served = swergio.jax.serve(
            model, lambda params, x: x @ params["w"] + params["b"], "features", "forecast",
            params=params, optimizer=optax.sgd(0.1),
        )
        model.run()

    The function is compiled, once for each shape of its input. A body that is a list is handed over as positional
    arguments behind the parameters, a dict as keyword arguments. Text, booleans, None and whole numbers that are not in
    arrays are known when it is compiled, and each of their values is compiled for. It returns an array, or lists and
    dicts of them.

    The gradient of the input is that of the parameters which made the product, whatever other passes did since. The
    optimizer's step comes after it, for each gradient and in `Phase.TRAIN` only, and counts as an update.

    Args:
        component: A component of either face. The function runs on its dispatching thread, one pass at a time.
        function: ``function(params, x)``; without ``params``, ``function(x)``. It has no side effects.
        source, sink: The rooms. With several sources each of their messages is one positional argument.
        params: A tree of arrays of floats.
        optimizer: An Optax optimizer; None passes gradients on and learns nothing.
        unpack: Hand lists and dicts over as several arguments, rather than as they came.
        gradients, partial, max_stale, timeout, group: As `Component.forward`.

    Raises:
        ConfigurationError: an optimizer has no parameters; or an argument is wrong, as in `Component.forward`.
    """
    if optimizer is not None and params is None:
        raise ConfigurationError("an optimizer without parameters", remedy="Say params=, or leave the optimizer out")
    served = Served(function, params, optimizer, unpack=unpack and isinstance(source, str))
    register = component.forward(
        source, sink, gradients=gradients, partial=partial, max_stale=max_stale, timeout=timeout, group=group
    )
    served.node = node = register(served.forward)
    node.name = getattr(function, "__name__", type(function).__name__)
    node.backward(served.backward)
    return served


@dataclass(frozen=True, slots=True)
class _Saved:
    """
    One pass, until its gradient comes.
    """

    inputs: tuple[Any, ...]
    pullback: Any
    product: Any
    nbytes: int


@jax.tree_util.register_pytree_node_class
class _Known:
    """
    What is known when a function is compiled: to JAX a tree without leaves.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def tree_flatten(self) -> tuple[tuple[()], Any]:
        """
        See ``jax.tree_util.register_pytree_node_class``.
        """
        return (), (type(self.value), self.value)

    @classmethod
    def tree_unflatten(cls, known: Any, _children: Any) -> _Known:
        """
        See ``jax.tree_util.register_pytree_node_class``.
        """
        return cls(known[1])


def _pull(pullback: Any, cotangents: Sequence[Any]) -> tuple[Any, Any]:
    by_params, by_inputs = pullback(list(cotangents))
    return by_params, jax.tree.map(lambda leaf: None if leaf.dtype == jax.dtypes.float0 else leaf, by_inputs)


def _arrived(leaf: Any) -> Any:
    return jnp.asarray(leaf) if is_numeric(leaf) or isinstance(leaf, float) else _Known(leaf)


def _bare(leaf: Any) -> Any:
    return leaf.value if isinstance(leaf, _Known) else leaf


def _sent(leaf: Any) -> Any:
    return np.asarray(leaf)


def _leaving(inputs: Any, gradient: Any) -> Any:
    parts = iter([_like(leaf, part) for _, leaf, part in beside(inputs, gradient, "x")])
    return transform(lambda _: next(parts), inputs)


def _like(leaf: Any, gradient: Any) -> Any:
    if not is_differentiable(leaf):
        return None
    return float(gradient) if isinstance(leaf, float) else np.asarray(gradient).astype(leaf.dtype)
