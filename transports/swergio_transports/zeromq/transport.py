"""The ZeroMQ transport: the hub protocol over `dial` and `listen`."""

from __future__ import annotations

from pathlib import Path

from swergio.hub import Accept, HubTransport, Link, LinkEvents, LinkOptions, Listener
from swergio_transports.zeromq.client import dial
from swergio_transports.zeromq.keys import make
from swergio_transports.zeromq.listener import listen


class ZeroMQTransport(HubTransport):
    """
    ``zmq+tcp://host:port`` (also ``zmq://``) and ``zmq+ipc:///path``.
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

    @classmethod
    def make_keys(cls, folder: Path, name: str) -> tuple[Path, Path]:
        """
        Make a CURVE key pair for ``swergio keys``; return the files of the public and of the secret key.
        """
        return make(folder, name)
