"""What holds the rooms in a test: a hub with token and TLS, on the first host of a network."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from importlib.metadata import entry_points

import trustme

from tests.hosts.network import SERVER, Network
from tests.hosts.programs import Program

TOKEN = "a token that the hub and its components share"

# Short, so that a test need not wait for what a deployment waits for.
PATIENCE = {
    "SWERGIO_HEARTBEAT": "0.5",
    "SWERGIO_DEAD_AFTER": "2",
    "SWERGIO_CONNECT_TIMEOUT": "30",
    "SWERGIO_HUB_SESSION_GRACE": "10",
}


class Broker(ABC):
    """
    Holds the rooms of a deployment, on the host `SERVER`.
    """

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


class Hub(Broker):
    """
    ``python -m swergio.hub``, which demands a token and TLS beyond loopback.
    """

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._port = network.free_port()
        authority = trustme.CA()
        self._authority, self._certificate = network.folder / "ca.pem", network.folder / "hub.pem"
        authority.cert_pem.write_to_path(self._authority)
        authority.issue_cert(*network.names).private_key_and_cert_chain_pem.write_to_path(self._certificate)
        self._program: Program | None = None

    def start(self) -> None:
        listen = f"wss://{self.network.address}:{self._port}"
        command = (sys.executable, "-m", "swergio.hub", "--listen", listen)
        own = {"SWERGIO_TOKEN_FILE": str(self.token), "SWERGIO_TLS_CERT": str(self._certificate)}
        self._program = self.network.run(SERVER, "hub", command, PATIENCE | own)
        self._program.wait_for("listening on")

    def kill(self) -> None:
        assert self._program is not None
        self._program.kill()

    def environment(self, host: str) -> dict[str, str]:
        address, port = self.network.reach(host, self._port)
        own = {"SWERGIO_TOKEN_FILE": str(self.token), "SWERGIO_TLS_CA": str(self._authority)}
        return PATIENCE | own | {"SWERGIO_URL": f"wss://{address}:{port}"}


BROKERS: dict[str, type[Broker]] = {"ws": Hub}


def installed(scheme: str) -> bool:
    """
    Whether there is a transport for a scheme.
    """
    return any(point.name == scheme for point in entry_points(group="swergio.transports"))
