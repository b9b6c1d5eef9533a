"""The wires of a hub, and where tests have one listen."""

from __future__ import annotations

import itertools
from pathlib import Path

WIRES = ("ws", "zmq+tcp", "zmq+ipc")

_numbers = itertools.count()


def address(scheme: str, folder: Path) -> str:
    """
    Return a URL to listen on: a free port, a socket in ``folder``, or a name that no other test has.
    """
    if scheme == "memory":
        return f"memory://test-{next(_numbers)}"
    return f"zmq+ipc://{folder}/hub" if scheme == "zmq+ipc" else f"{scheme}://127.0.0.1:0"
