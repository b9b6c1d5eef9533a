"""The WebSocket transport: the hub protocol over `dial` and `listen`."""

from swergio.hub import Accept, HubTransport, Link, LinkEvents, LinkOptions, Listener
from swergio_transports.websocket.client import dial
from swergio_transports.websocket.listener import listen


class WebSocketTransport(HubTransport):
    """
    ``ws://host:port`` and ``wss://host:port``.
    """

    @classmethod
    async def dial(cls, url: str, events: LinkEvents, options: LinkOptions) -> Link:
        """
        Connect to a hub.
        """
        return await dial(url, events, options)

    @classmethod
    async def listen(cls, url: str, accept: Accept, options: LinkOptions) -> Listener:
        """
        Accept links for a hub.
        """
        return await listen(url, accept, options)
