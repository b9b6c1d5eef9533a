"""A process as a differentiable function: autograd goes through the rooms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from swergio.errors import ConfigurationError
from swergio.messages import Phase
from swergio.passes import PlainPasses, Process, Pullback
from swergio.passes.openpass import Combine
from swergio.torch.tensors import cotangent_of, is_differentiable, tensor_of
from swergio.trees import beside, leaves, transform


class Remote(torch.nn.Module):
    """
    Everything between two rooms as a function of tensors; made by `remote`.

    It is a module without weights, and can stand in an ``nn.Sequential``. Called in a graph it is a pass of
    `Phase.TRAIN`, whose backward half comes with ``loss.backward()``; after ``eval()`` it is one of `Phase.VALIDATE`,
    which has a gradient too and from which nobody learns. Under ``torch.no_grad()`` no gradient is asked for.

    A graph may hold several calls, of one process or of many: at most ``max_open_passes`` of a component. A pass can be
    pulled back once, within ``pass_timeout``; a graph that is dropped ends its passes.
    """

    def __init__(self, process: Process, timeout: float | None) -> None:
        super().__init__()
        self._process = process
        self._timeout = timeout
        # Components on the way want to learn, whether or not somebody wants the gradient of the input: with this
        # beside the input, autograd comes by in any case.
        self._anchor = torch.zeros((), requires_grad=True)

    def forward(
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
            x: A tensor, or lists and dicts of tensors and of whatever else travels.
            phase: Whether the components may learn from it; by default as the module's mode says.
            meta: What they are to know about it.
            timeout: Seconds for each half of the pass; by default what `remote` was told.

        Returns:
            What came out, with its arrays as tensors on the device of the first tensor in ``x``, and numbers with a
            fraction as tensors of float64 without dimensions. Those of floats are part of the graph.

        Raises:
            PassError: as ``process.vjp``; and as its pullback, out of ``backward()``.
        """
        seconds = self._timeout if timeout is None else timeout
        if not torch.is_grad_enabled():
            return self._forward_only(x, phase or Phase.VALIDATE, meta, seconds)
        if phase is None:
            phase = Phase.TRAIN if self.training else Phase.VALIDATE
        product, pullback = self._process.vjp(_detached(x), phase=phase, meta=meta, timeout=seconds)
        inputs = _tensors(x)
        tree = transform(lambda leaf: _arrived(leaf, _device(inputs)), product)
        call = _Call(pullback, seconds, transform(_likeness, x), transform(_likeness, tree))
        came = iter(_Pass.apply(call, _tensors(tree), self._anchor, *inputs))  # type: ignore[no-untyped-call]  # torch's own
        return transform(lambda leaf: next(came) if isinstance(leaf, torch.Tensor) else leaf, tree)

    def _forward_only(self, x: Any, phase: Phase, meta: Mapping[str, Any] | None, timeout: float | None) -> Any:
        product = self._process(_detached(x), phase=phase, meta=meta, timeout=timeout)
        return transform(lambda leaf: _arrived(leaf, _device(_tensors(x))), product)


def remote(
    component: PlainPasses,
    source: str,
    sink: str,
    *,
    combine: Combine | None = None,
    producers: int = 1,
    gradients: int | Literal["members"] | None = None,
    timeout: float | None = None,
) -> Remote:
    """
    Return everything between two rooms as a differentiable function of tensors.

    ::

        with swergio.Component("trainer") as trainer:
            cost = swergio.torch.remote(trainer, "features", "cost")
            loss = cost(encoder(x)).mean()
            loss.backward()  # through the rooms, and on into the encoder

    Args:
        component: A component of the plain face; ``backward()`` cannot be awaited.
        source, sink, combine, producers, gradients: As `Component.process`.
        timeout: Seconds for each half of a pass; by default the setting ``pass_timeout``.

    Raises:
        InvalidName, ConfigurationError: an argument is wrong.
    """
    if not isinstance(component, PlainPasses):
        raise ConfigurationError(
            f"a differentiable function of {type(component).__module__}.{type(component).__name__}",
            "a swergio.Component, since loss.backward() waits for the rooms",
            "Where everything is awaited, use process.vjp",
        )
    process = component.process(source, sink, combine=combine, producers=producers, gradients=gradients)
    return Remote(process, timeout)


@dataclass(frozen=True, slots=True)
class _Likeness:
    """
    What is to be known of a tensor to make a gradient by it; the tensor itself need not be kept.
    """

    shape: torch.Size
    dtype: torch.dtype
    device: torch.device
    wanted: bool


@dataclass(frozen=True, slots=True)
class _Call:
    """
    The backward half of a pass: the trees are the input and the product, of likenesses.
    """

    pullback: Pullback
    timeout: float | None
    x: Any
    product: Any

    def pull_back(self, cotangents: Iterator[torch.Tensor | None]) -> list[torch.Tensor | None]:
        """
        Return the gradients by the tensors of the input, given those by the tensors of the product.
        """
        gradient = transform(lambda leaf: next(cotangents) if isinstance(leaf, _Likeness) else None, self.product)
        came = self.pullback(gradient, self.timeout)
        return [
            cotangent_of(path, part, leaf) if leaf.wanted else None
            for path, leaf, part in beside(self.x, came, "the gradient")
            if isinstance(leaf, _Likeness)
        ]


class _Pass(torch.autograd.Function):
    """
    The node of autograd's graph that stands for a pass.
    """

    @staticmethod
    def forward(ctx: Any, call: _Call, product: list[torch.Tensor], *_inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """
        Put the product into the graph.
        """
        ctx.call = call
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(tensor for tensor in product if not is_differentiable(tensor)))
        return tuple(product)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        """
        Pull the pass back. The first three arguments of `forward` have no gradient.
        """
        return None, None, None, *ctx.call.pull_back(iter(gradients))


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for _, leaf in leaves(tree, "x") if isinstance(leaf, torch.Tensor)]


def _device(tensors: Sequence[torch.Tensor]) -> torch.device:
    return tensors[0].device if tensors else torch.device("cpu")


def _likeness(leaf: Any) -> Any:
    if not isinstance(leaf, torch.Tensor):
        return None
    return _Likeness(leaf.shape, leaf.dtype, leaf.device, leaf.requires_grad)


def _detached(tree: Any) -> Any:
    return transform(lambda leaf: leaf.detach() if isinstance(leaf, torch.Tensor) else leaf, tree)


def _arrived(leaf: Any, device: torch.device) -> Any:
    if isinstance(leaf, float):
        return torch.tensor(leaf, device=device, dtype=torch.float64)
    tensor = tensor_of(leaf) if isinstance(leaf, np.ndarray) else None
    return leaf if tensor is None else tensor.to(device)
