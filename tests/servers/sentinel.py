"""
A master, its replica, and sentinels that watch over them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.servers.server import DEADLINE, Lines, RedisServer

SERVICE = "rooms"


class RedisSentinel:
    """
    A master and a replica with three sentinels, up inside ``with``; a silent master is replaced after half a second.

    Attributes:
        servers: The two; the first one begins as the master.
        sentinels: The three.
    """

    def __init__(self, **configuration: Lines) -> None:
        everywhere: dict[str, Lines] = {"repl_diskless_sync_delay": "0", **configuration}
        self.servers = [RedisServer(watches=False, **everywhere) for _ in range(2)]
        self.sentinels: list[RedisServer] = []
        self._undo = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """
        Where components reach it.
        """
        return f"redis+sentinel://{','.join(f'127.0.0.1:{server.port}' for server in self.sentinels)}/{SERVICE}"

    @property
    def master(self) -> RedisServer:
        """
        The one that the sentinels name.
        """
        with self.sentinels[0].client(decode_responses=True) as client:
            _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(server for server in self.servers if server.port == int(port))

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            master, replica = [undo.enter_context(server) for server in self.servers]
            with replica.client() as client:
                client.replicaof("127.0.0.1", str(master.port))
            monitor = [
                f"monitor {SERVICE} 127.0.0.1 {master.port} 2",
                f"down-after-milliseconds {SERVICE} 500",
                f"failover-timeout {SERVICE} 5000",
            ]
            self.sentinels = [RedisServer(watches=True, sentinel=monitor) for _ in range(3)]
            for sentinel in self.sentinels:
                undo.enter_context(sentinel)
            self._wait(self._know_each_other, "the sentinels do not find each other and the replica")
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.__exit__(kind, value, trace)

    def wait_for_failover(self) -> None:
        """
        Return once the sentinels name the other server.
        """
        self._wait(lambda: self.master is self.servers[1], "the sentinels name no other master")

    def _know_each_other(self) -> bool:
        for sentinel in self.sentinels:
            with sentinel.client(decode_responses=True) as client:
                told = client.execute_command("SENTINEL", "MASTER", SERVICE)
                replicas = client.execute_command("SENTINEL", "REPLICAS", SERVICE)
            if int(told["num-other-sentinels"]) < 2 or not replicas:
                return False
            if not all(
                "slave" in str(replica["flags"]) and replica["master-link-status"] == "ok" for replica in replicas
            ):
                return False
        return True

    @staticmethod
    def _wait(condition: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < deadline, problem
            time.sleep(0.05)
