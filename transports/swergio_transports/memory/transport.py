"""The memory transport: the hub protocol inside one process, with a hub that is simply there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading

from swergio.hub import Accept, HubThread, HubTransport, Link, LinkEvents, LinkOptions, Listener
from swergio_transports.memory.listener import dial, listen

_hubs: dict[tuple[int, str], HubThread] = {}  # by process too: a fork has none of its parent's threads
_starting = threading.Lock()


class MemoryTransport(HubTransport):
    """
    ``memory://name``: components of one process, for tests and notebooks.

    The first component of a name starts its hub, in a thread that ends with the process. A `Hub` that listens on the
    name before serves it instead.
    """

    copies = False

    @classmethod
    async def dial(cls, url: str, events: LinkEvents, options: LinkOptions) -> Link:
        """
        Connect to the hub of the name.
        """
        try:
            return await dial(url, events, options)
        except ConnectionRefusedError:
            await asyncio.to_thread(_serve, url)
            return await dial(url, events, options)

    @classmethod
    async def listen(cls, url: str, accept: Accept, options: LinkOptions) -> Listener:
        """
        Accept links for a hub.
        """
        return await listen(url, accept, options)


def _serve(url: str) -> None:
    key = (os.getpid(), url)
    with _starting:
        if key not in _hubs:
            with contextlib.suppress(OSError):  # somebody else listens there since
                _hubs[key] = HubThread([url])
