"""A hub as the broker of a deployment: what it demands before it listens beyond loopback, it is given here."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import trustme

from swergio_transports.zeromq import keys
from tests.hosts.brokers import PATIENCE, Broker
from tests.hosts.network import SERVER, Network
from tests.hosts.programs import Program


class Hub(Broker):
    """
    ``python -m swergio.hub`` on the first host.

    Args:
        scheme: Of the URL that it listens on.
        own: Its settings, beside the token.
        others: Those of components.
    """

    def __init__(self, network: Network, scheme: str, own: Mapping[str, str], others: Mapping[str, str]) -> None:
        super().__init__(network)
        self._scheme = scheme
        self._own = PATIENCE | {"SWERGIO_TOKEN_FILE": str(self.token), **own}
        self._others = PATIENCE | {"SWERGIO_TOKEN_FILE": str(self.token), **others}
        self._port = network.free_port()
        self._program: Program | None = None

    def start(self) -> None:
        listen = f"{self._scheme}://{self.network.address}:{self._port}"
        command = (sys.executable, "-m", "swergio.hub", "--listen", listen)
        self._program = self.network.run(SERVER, "hub", command, self._own)
        self._program.wait_for("listening on")

    def kill(self) -> None:
        assert self._program is not None
        self._program.kill()

    def environment(self, host: str) -> dict[str, str]:
        address, port = self.network.reach(host, self._port)
        return {**self._others, "SWERGIO_URL": f"{self._scheme}://{address}:{port}"}


class WebSocketHub(Hub):
    """
    With a certificate.
    """

    def __init__(self, network: Network) -> None:
        authority, folder = trustme.CA(), network.folder
        trusted, certificate = folder / "ca.pem", folder / "hub.pem"
        authority.cert_pem.write_to_path(trusted)
        authority.issue_cert(network.address).private_key_and_cert_chain_pem.write_to_path(certificate)
        super().__init__(network, "wss", {"SWERGIO_TLS_CERT": str(certificate)}, {"SWERGIO_TLS_CA": str(trusted)})


class ZeroMQHub(Hub):
    """
    With key pairs.
    """

    def __init__(self, network: Network) -> None:
        hub, hub_secret = keys.make(network.folder, "hub")
        component, component_secret = keys.make(network.folder, "component")
        super().__init__(
            network,
            "zmq+tcp",
            {"SWERGIO_CURVE_KEY": str(hub_secret), "SWERGIO_HUB_CURVE_CLIENTS": str(component)},
            {"SWERGIO_CURVE_KEY": str(component_secret), "SWERGIO_CURVE_HUB": str(hub)},
        )
