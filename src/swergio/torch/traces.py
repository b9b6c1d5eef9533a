"""
What a module keeps of a pass until its gradient comes, while other passes change its weights.

A gradient is that of the weights that made the product. Meanwhile an optimizer may have written into them, and autograd
refuses to go back through a tensor that was written to. So a trace keeps the weights that it needs without their count
of writes, and an optimizer that is about to write where an open trace looks is first given a copy to write into. A copy
is made at most once per step, of what open traces need, and none while passes come one at a time. (Stashing all weights
at each forward pass would do as well, at the price of a copy per pass.)
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn, strided
from torch.autograd.graph import saved_tensors_hooks

_open: weakref.WeakSet[Trace] = weakref.WeakSet()
_lock = threading.Lock()


class Trace:
    """
    One pass through a module, open from when it is made until it was pulled back as often as it will be.

    Args:
        module: The module.
        pulls: How many gradients will come; None if that is not known.

    Attributes:
        inputs, outputs: Set by whoever runs the module.
        nbytes: What autograd keeps for the way back, beside the weights.
    """

    def __init__(self, module: nn.Module, pulls: int | None) -> None:
        self.inputs: Any = None
        self.outputs: Any = None
        self.nbytes = 0
        self._pulls = pulls
        self._weights = {_storage(weight) for weight in module.parameters()} - {0}
        self._held: set[int] = set()

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """
        Keep what the module needs for the way back of what it does here.
        """
        with saved_tensors_hooks(self._keep, _give_back):
            yield
        with _lock:
            _open.add(self)

    def _keep(self, tensor: Tensor) -> Tensor:
        storage = _storage(tensor)
        if storage in self._weights:
            self._held.add(storage)
            return tensor.data  # the same memory, without the count of writes
        self.nbytes += tensor.nbytes
        return tensor

    def needs(self, weight: Tensor) -> bool:
        """
        Whether the way back goes through this memory.
        """
        return _storage(weight) in self._held

    def pull(self) -> None:
        """
        One of the gradients has come.

        Raises:
            RuntimeError: more came than were to be expected, and its weights may have been written to.
        """
        if self._pulls == 0:
            raise RuntimeError("more gradients came for one message than its room had members when it was sent")
        if self._pulls is not None:
            self._pulls -= 1
            if self._pulls == 0:
                with _lock:
                    _open.discard(self)


def make_way(weights: Iterable[Tensor]) -> None:
    """
    Have each weight that an open trace looks at in memory of its own, so that it can be written to.
    """
    with _lock:
        traces = list(_open)
    for weight in weights:
        if any(trace.needs(weight) for trace in traces):
            weight.data = weight.data.clone()


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if tensor.layout is strided else 0


def _give_back(tensor: Tensor) -> Tensor:
    return tensor
