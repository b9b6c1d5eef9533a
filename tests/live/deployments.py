"""Deployments of every kind that several processes can share, for tests that are the same on each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swergio.hub import HubThread
from swergio.settings import load
from tests.live.wires import WIRES, address
from tests.servers import RedisServer

DEPLOYMENTS = (*WIRES, "redis", "redis?recovery=off")


@contextmanager
def deployed(kind: str, **settings: Any) -> Iterator[str]:
    """
    A hub or a Redis of its own; yields the URL. With Redis the components need the settings of the hub.
    """
    scheme, mark, query = kind.partition("?")
    if scheme == "redis":
        with RedisServer() as server:
            yield server.url + mark + query
        return
    # Not in pytest's folder, whose path may be too long for a socket.
    with (
        tempfile.TemporaryDirectory() as folder,
        HubThread([address(scheme, Path(folder))], load("memory://", **settings)) as hub,
    ):
        yield hub.urls[0]
