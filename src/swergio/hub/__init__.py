"""
The hub, and what a transport that goes through it builds on.

`Hub` serves rooms; a wire adds a `Link`, a `Listener` and a `HubTransport` with two methods. A transport that has logs
of its own counts what is lost with `Sources`.
"""

from swergio.hub.link import Accept, Buffer, Link, LinkEvents, LinkOptions, Listener, Packet
from swergio.hub.positions import Position, Source
from swergio.hub.server import Hub
from swergio.hub.sources import Sources
from swergio.hub.thread import HubThread
from swergio.hub.transport import HubTransport

__all__ = [
    "Accept",
    "Buffer",
    "Hub",
    "HubThread",
    "HubTransport",
    "Link",
    "LinkEvents",
    "LinkOptions",
    "Listener",
    "Packet",
    "Position",
    "Source",
    "Sources",
]
