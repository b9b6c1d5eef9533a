"""Redis as the broker of a deployment: one server with its log on disk, or two on two hosts, with sentinels."""

from __future__ import annotations

from tests.hosts.brokers import PATIENCE, TOKEN, Broker
from tests.hosts.network import SERVER, Network
from tests.hosts.programs import Program
from tests.servers import server_binary

SERVICE = "rooms"


class Redis(Broker):
    """
    One server that writes each message down before it acknowledges it.
    """

    durable = True

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._server = Server(network, SERVER, "redis")

    def start(self) -> None:
        self._server.start("appendonly yes", "appendfsync always")

    def kill(self) -> None:
        self._server.program.kill()

    def environment(self, host: str) -> dict[str, str]:
        address, port = self.network.reach(host, self._server.port)
        return PATIENCE | {"SWERGIO_URL": f"redis://{address}:{port}", "SWERGIO_TOKEN_FILE": str(self.token)}


class Sentinels(Broker):
    """
    A master on the host ``spare`` with a replica on `SERVER`, and three sentinels on the other hosts.

    To kill it is to lose the host of the master, and to start it again is nothing: the sentinels make the replica the
    master.
    """

    MASTER = "spare"

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._master, self._replica = Server(network, self.MASTER, "master"), Server(network, SERVER, "replica")
        self._sentinels = [Server(network, host, f"sentinel-{host}") for host in (SERVER, "east", "west")]
        self._begun = False

    def start(self) -> None:
        if self._begun:
            return
        self._begun = True
        self._master.start("repl-diskless-sync-delay 0")
        self._replica.start(f"replicaof {self._master.address} {self._master.port}")
        self._replica.program.wait_for("Finished with success")
        for sentinel in self._sentinels:
            sentinel.start(
                f"sentinel monitor {SERVICE} {self._master.address} {self._master.port} 2",
                f'sentinel auth-pass {SERVICE} "{TOKEN}"',
                f"sentinel down-after-milliseconds {SERVICE} 1000",
                f"sentinel failover-timeout {SERVICE} 5000",
                watches=True,
            )
        for sentinel in self._sentinels:
            sentinel.program.wait_until(
                lambda told: told.count("+sentinel ") == 2 and "+slave " in told, "all are known"
            )

    def kill(self) -> None:
        self.network.lose(self.MASTER)

    def environment(self, host: str) -> dict[str, str]:
        places = ",".join(f"{sentinel.address}:{sentinel.port}" for sentinel in self._sentinels)
        return PATIENCE | {
            "SWERGIO_URL": f"redis+sentinel://{places}/{SERVICE}",
            "SWERGIO_TOKEN_FILE": str(self.token),
        }


class Server:
    """
    A server, or a sentinel; its files stay when it is killed.
    """

    program: Program

    def __init__(self, network: Network, host: str, name: str) -> None:
        self._network = network
        self._host = host
        self._name = name
        self.address = network.address_of(host)
        self.port = network.free_port()
        self._folder = network.folder / name
        self._folder.mkdir()

    def start(self, *lines: str, watches: bool = False) -> None:
        """
        Start it with more lines of configuration, and return when it is up.
        """
        configuration = self._folder / "server.conf"
        usual = [f"port {self.port}", f"bind {self.address}", f"dir {self._folder}"]
        if not watches:
            usual += ['save ""', f'requirepass "{TOKEN}"', f'masterauth "{TOKEN}"']
        configuration.write_text("\n".join([*usual, *lines]) + "\n")
        command = [str(server_binary()), str(configuration), *(["--sentinel"] if watches else [])]
        self.program = self._network.run(self._host, self._name, command, {})
        said = "Sentinel ID is" if watches else "Ready to accept connections"
        self.program.wait_for(said)
