"""What holds the rooms in a test."""

from __future__ import annotations

from abc import ABC, abstractmethod

from tests.hosts.network import Network

TOKEN = "a token that the broker and its components share"

# Short, so that a test need not wait for what a deployment waits for.
PATIENCE = {
    "SWERGIO_HEARTBEAT": "0.4",
    "SWERGIO_DEAD_AFTER": "1.5",
    "SWERGIO_CONNECT_TIMEOUT": "30",
    "SWERGIO_HUB_SESSION_GRACE": "5",
}


class Broker(ABC):
    """
    Holds the rooms of a deployment.

    Attributes:
        durable: Whether what it has acknowledged is still there when it was killed and started again.
    """

    durable = False

    def __init__(self, network: Network) -> None:
        self.network = network
        self.token = network.folder / "token"
        self.token.write_text(TOKEN)

    @abstractmethod
    def start(self) -> None:
        """
        Start it, also after `kill`; return when it listens.
        """

    @abstractmethod
    def kill(self) -> None:
        """
        End it as a crash does.
        """

    @abstractmethod
    def environment(self, host: str) -> dict[str, str]:
        """
        Return all that a component on a host has to know: the settings of the deployment.
        """
