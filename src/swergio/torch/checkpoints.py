"""The checkpoint of a module and its optimizer."""

from __future__ import annotations

import os
from typing import BinaryIO

import torch
from torch import nn

from swergio.passes import Node


def checkpoint(
    node: Node,
    module: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    every: int,
    path: str | os.PathLike[str] | None = None,
) -> bool:
    """
    Keep a module and its optimizer on disk, and go on from what is there; see `Node.checkpoint`.

    ::

        node = swergio.torch.serve(model, net, optimizer, "features", "forecast")
        swergio.torch.checkpoint(node, net, optimizer, every=100)

    The file holds the two state dicts, as ``torch.save({"module": ..., "optimizer": ...})``, and ``torch.load`` reads
    it. It is loaded with ``weights_only=True``: a file that somebody else wrote can run nothing.

    Args:
        node: The node, whose updates are counted; also one that was written by hand.
        module, optimizer: What is to be kept. A schedule is not; step it from `Node.version`.
        every, path: As `Node.checkpoint`.

    Returns:
        Whether something was loaded.

    Raises:
        CheckpointFailed: what is there cannot be loaded, such as weights of other shapes.
        ConfigurationError: another component that is running has this checkpoint, or an argument is wrong.
    """

    def save(file: BinaryIO) -> None:
        state = {"module": module.state_dict(), "optimizer": None if optimizer is None else optimizer.state_dict()}
        torch.save(state, file)

    def load(file: BinaryIO) -> None:
        state = torch.load(file, map_location="cpu", weights_only=True)  # both bring it to where their weights are
        module.load_state_dict(state["module"])
        if optimizer is not None and state["optimizer"] is not None:
            optimizer.load_state_dict(state["optimizer"])

    return node.checkpoint(save, load, every=every, path=path)
