"""
What a module keeps of a pass until its gradient comes, while other passes change its weights.

A gradient is that of the weights that made the product. Meanwhile an optimizer may have written into them, and autograd
refuses to go back through a tensor that was written to. So a trace keeps the weights that it needs without their count
of writes, and an optimizer that is about to write where an open trace looks is first given a copy to write into: at
most one for each step, of what open traces need, instead of one for each pass.

A node that takes gradients as they come keeps a pass that had one, as there may be another. That takes memory for
weights that are the newest no longer, and the ledger has a bound for it; a module with more weights than that keeps
none, and needs no copies while its passes come one at a time.
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


class _Kept:
    """
    What autograd keeps of one pass. Apart from the trace: the graph holds this, and the trace holds the graph.
    """

    def __init__(self, module: nn.Module) -> None:
        self.nbytes = 0
        self.held: dict[int, int] = {}
        self._weights = {_storage(weight) for weight in module.parameters()} - {0}

    def keep(self, tensor: Tensor) -> Tensor:
        """
        Return what is to be kept of a tensor.
        """
        storage = _storage(tensor)
        if storage in self._weights:
            self.held[storage] = tensor.untyped_storage().nbytes()
            return tensor.data  # the same memory, without the count of writes
        self.nbytes += tensor.nbytes
        return tensor


class Trace:
    """
    One pass through a module, open from when it is made until it is closed or forgotten.

    Args:
        module: The module.

    Attributes:
        inputs, outputs: Set by whoever runs the module.
    """

    def __init__(self, module: nn.Module) -> None:
        self.inputs: Any = None
        self.outputs: Any = None
        self._kept = _Kept(module)

    @property
    def nbytes(self) -> int:
        """
        What autograd keeps for the way back, beside the weights.
        """
        return self._kept.nbytes

    @property
    def weight_bytes(self) -> int:
        """
        What it keeps of the weights.
        """
        return sum(self._kept.held.values())

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """
        Keep what the module needs for the way back of what it does here.
        """
        with saved_tensors_hooks(self._kept.keep, _give_back):
            yield
        with _lock:
            _open.add(self)

    def needs(self, weight: Tensor) -> bool:
        """
        Whether the way back goes through this memory.
        """
        return _storage(weight) in self._kept.held

    def close(self) -> None:
        """
        No further gradient can come: nothing of it will be needed when the one that came was pulled back.
        """
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
