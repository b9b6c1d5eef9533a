"""A module as a node: data forward through it, gradients back to its input and its optimizer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from swergio.errors import ConfigurationError
from swergio.passes import Context, Node, Passes, PlainPasses
from swergio.torch.tensors import Device, cotangent_of, is_differentiable, tensor_of
from swergio.torch.traces import Trace, make_way
from swergio.trees import beside, leaves, spread, transform


def serve(
    component: Passes | PlainPasses,
    module: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    source: str | tuple[str, ...],
    sink: str,
    *,
    unpack: bool = True,
    device: Device = None,
    dtype: torch.dtype | None = None,
    gradients: int | Literal["members"] | None = None,
    partial: bool = False,
    max_stale: int | None = None,
    timeout: float | None = None,
    group: str | None = None,
) -> Node:
    """
    Make a module a node: it turns what comes in ``source`` into what goes to ``sink``, and learns from the gradient.

    ::

        model = swergio.Component("model")
        net = torch.nn.Linear(3, 1)
        swergio.torch.serve(model, net, torch.optim.SGD(net.parameters(), lr=0.1), "features", "forecast")
        model.run()

    Arrays arrive as tensors on the device of the module, those of floats in the dtype of its weights; numbers with a
    fraction arrive as tensors without dimensions. All else (integers, text, None) stays what it is. A body that is a
    list is handed over as positional arguments, a dict as keyword arguments. What the module returns may be a tensor,
    or lists and dicts of them.

    The gradient of the input is that of the weights which made the product, whatever other passes did to them since.
    The optimizer's step comes after it, and counts as an update (`Node.updated`). It is taken for each gradient, in
    `Phase.TRAIN`. For `Phase.VALIDATE` the module is put into evaluation mode, and there is a gradient but no step.
    In `Phase.TRAIN` each part of it is in the mode that you left it in, so that frozen parts stay frozen.

    Clip gradients with ``optimizer.register_step_pre_hook``, and move a schedule with ``register_step_post_hook``.

    Args:
        component: A component of either face. The module runs on its dispatching thread, one pass at a time.
        module: The module. Whatever else writes into its weights must not do so while passes are open.
        optimizer: Of the module's weights; None passes gradients on and learns nothing. It may be shared by several
            modules that one component serves.
        source, sink: The rooms. With several sources each of their messages is one positional argument.
        unpack: Hand lists and dicts over as several arguments, rather than as they came.
        device: Where arrays go; by default to where the module's first weight is, or the CPU if it has none.
        dtype: Of what arrays of floats become; by default that of the module's first weight of floats, or what came
            if it has none.
        gradients, partial, max_stale, timeout, group: As `Component.forward`.

    Returns:
        The node. Each of its gradients has the shape and dtype of the input, None where that is no float.

    Raises:
        ConfigurationError: the optimizer has none of the module's weights, or wants to run the module itself (LBFGS);
            or an argument is wrong, as in `Component.forward`.
    """
    _check_optimizer(module, optimizer)
    served = _Served(module, optimizer, device, dtype, unpack=unpack and isinstance(source, str))
    register = component.forward(
        source, sink, gradients=gradients, partial=partial, max_stale=max_stale, timeout=timeout, group=group
    )
    served.node = node = register(served.forward)
    node.name = type(module).__name__
    node.backward(served.backward)
    return node


@dataclass(frozen=True, slots=True, eq=False)
class _Input:  # no tuple, which would be a part of the tree rather than a leaf
    """
    A leaf of an input that gradients are wanted by.

    Attributes:
        tensor: What the module sees.
        dtype: What the gradient goes back in; None: as a number.
    """

    tensor: torch.Tensor
    dtype: torch.dtype | None


class _Served:
    """
    The forward and the backward function of a module.
    """

    node: Node

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        device: Device,
        dtype: torch.dtype | None,
        *,
        unpack: bool,
    ) -> None:
        self._module = module
        self._optimizer = optimizer
        self._device = device
        self._dtype = dtype
        self._unpack = unpack

    def forward(self, ctx: Context, *inputs: Any) -> Any:
        """
        Run the module.
        """
        device, dtype = self._place()
        trees = [transform(lambda leaf: _arrived(leaf, device, dtype), tree) for tree in inputs]
        arguments = [transform(_seen, tree) for tree in trees]
        with contextlib.nullcontext() if ctx.training else _evaluating(self._module):
            if not ctx.wants_feedback:
                with torch.no_grad():
                    return transform(_detached, self._call(arguments))
            trace = Trace(self._module)
            trace.inputs = trees
            with torch.enable_grad(), trace.recording():
                trace.outputs = outputs = transform(_same, self._call(arguments))
        ctx.save(trace)
        ctx.shared_bytes = trace.weight_bytes
        return transform(_detached, outputs)

    def _place(self) -> tuple[Device, torch.dtype | None]:
        weights = list(self._module.parameters())
        device, dtype = self._device, self._dtype
        if device is None:
            device = weights[0].device if weights else "cpu"
        if dtype is None:
            dtype = next((weight.dtype for weight in weights if weight.is_floating_point()), None)
        return device, dtype

    def _call(self, arguments: Sequence[Any]) -> Any:
        return spread(self._module, arguments[0]) if self._unpack else self._module(*arguments)

    def backward(self, ctx: Context, gradient: Any) -> Any:
        """
        Return the gradient by the input, and have the optimizer take its step.
        """
        trace: Trace = ctx.saved[0]
        inputs = [leaf for _, leaf in leaves(trace.inputs, "x") if isinstance(leaf, _Input)]
        roots, cotangents = _seeds(trace.outputs, gradient)
        if ctx.message is None or self.node.keeper.nodes.get(ctx.message.parent or "") is None:
            trace.close()
        if not roots:
            return None
        if self._optimizer is not None and ctx.training:
            found = self._learn(self._optimizer, roots, cotangents, [leaf.tensor for leaf in inputs])
        else:
            tensors = [leaf.tensor for leaf in inputs]
            found = _gradients(roots, cotangents, tensors)
        by_input = iter(zip(inputs, found, strict=True))
        left = transform(lambda leaf: _leaving(*next(by_input)) if isinstance(leaf, _Input) else None, trace.inputs)
        return left if len(left) > 1 else left[0]

    def _learn(
        self,
        optimizer: torch.optim.Optimizer,
        roots: Sequence[torch.Tensor],
        cotangents: Sequence[torch.Tensor],
        inputs: Sequence[torch.Tensor],
    ) -> Sequence[torch.Tensor | None]:
        optimizer.zero_grad()
        for tensor in inputs:
            tensor.grad = None
        # What comes for one message may come in several parts, each to be pulled back through the same graph.
        torch.autograd.backward(roots, cotangents, retain_graph=True)
        make_way(_weights_of(optimizer))
        optimizer.step()
        self.node.updated()
        return [tensor.grad for tensor in inputs]


def _check_optimizer(module: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
    if optimizer is None:
        return
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ConfigurationError(
            "LBFGS runs the module several times in a step", "an optimizer that needs one gradient"
        )
    own = set(map(id, module.parameters()))
    if own.isdisjoint(map(id, _weights_of(optimizer))):
        raise ConfigurationError(
            f"an optimizer that has none of the weights of {type(module).__name__}",
            remedy="Make it of module.parameters(), or say None if the module is not to learn",
        )


def _weights_of(optimizer: torch.optim.Optimizer) -> Iterator[torch.Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


@contextlib.contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def _arrived(leaf: Any, device: Device, dtype: torch.dtype | None) -> Any:
    if isinstance(leaf, float):
        return _Input(torch.tensor(leaf, device=device, dtype=dtype).requires_grad_(), None)
    tensor = tensor_of(leaf) if isinstance(leaf, np.ndarray) else None
    if tensor is None:
        return leaf
    if not is_differentiable(tensor):
        return tensor.to(device)
    came = tensor.dtype
    return _Input(tensor.to(device, dtype if tensor.is_floating_point() else None).requires_grad_(), came)


def _seen(leaf: Any) -> Any:
    # A clone, since autograd lets nobody write into what gradients are wanted by, and a module may begin with that.
    return leaf.tensor.clone() if isinstance(leaf, _Input) else leaf


def _same(leaf: Any) -> Any:
    return leaf


def _detached(leaf: Any) -> Any:
    return leaf.detach() if isinstance(leaf, torch.Tensor) else leaf


def _seeds(outputs: Any, gradient: Any) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    roots, cotangents = [], []
    for path, output, part in beside(outputs, gradient, "the gradient"):
        if isinstance(output, torch.Tensor) and output.requires_grad:
            cotangent = cotangent_of(path, part, output)
            if cotangent is not None:
                roots.append(output)
                cotangents.append(cotangent)
    return roots, cotangents


def _gradients(
    roots: Sequence[torch.Tensor], cotangents: Sequence[torch.Tensor], inputs: Sequence[torch.Tensor]
) -> Sequence[torch.Tensor | None]:
    if not inputs:
        return []
    return torch.autograd.grad(roots, inputs, cotangents, retain_graph=True, allow_unused=True)


def _leaving(leaf: _Input, gradient: torch.Tensor | None) -> Any:
    if gradient is None:
        gradient = torch.zeros_like(leaf.tensor)
    return gradient.item() if leaf.dtype is None else gradient.to(leaf.dtype)
