"""
The hub, and what a transport that goes through it builds on.

`Hub` serves rooms; a wire adds a `Link`, a `Listener` and a `HubTransport` with two methods.
"""

from swergio.hub.link import Accept, Buffer, Link, LinkEvents, LinkOptions, Listener, Packet
from swergio.hub.server import Hub
from swergio.hub.thread import HubThread
from swergio.hub.transport import HubTransport

__all__ = [
    "Accept", "Buffer", "Hub", "HubThread", "HubTransport", "Link", "LinkEvents", "LinkOptions", "Listener", "Packet",
]  # fmt: skip
