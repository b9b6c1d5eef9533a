"""
A cluster of three masters, made by hand.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tests.servers.server import DEADLINE, Lines, RedisServer

SLOTS = 16384


class RedisCluster:
    """
    Three masters that share the slots, up inside ``with``; with ``replicas``, each has one.

    Attributes:
        servers: The masters, in the order of their slots.
        spares: Their replicas.
    """

    def __init__(self, *, replicas: bool = False, **configuration: Lines) -> None:
        everywhere: dict[str, Lines] = {
            "cluster_enabled": "yes",
            "cluster_node_timeout": "1000",
            "repl_diskless_sync_delay": "0",
            **configuration,
        }
        self.servers = [RedisServer(watches=False, **everywhere) for _ in range(3)]
        self.spares = [RedisServer(watches=False, **everywhere) for _ in range(3 if replicas else 0)]
        self._undo = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """
        Where components reach it.
        """
        return f"redis+cluster://{','.join(f'127.0.0.1:{server.port}' for server in self.servers)}"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            for server in [*self.servers, *self.spares]:
                undo.enter_context(server)
            self._meet()
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.__exit__(kind, value, trace)

    def slots_of(self, at: int) -> range:
        """
        Return the slots of one master, as it was made.
        """
        return range(SLOTS * at // 3, SLOTS * (at + 1) // 3)

    def move(self, slot: int, source: int, target: int) -> None:
        """
        Move a slot with its keys from one master to another, as ``redis-cli --cluster`` does it.
        """
        names = [self.ask(server, "CLUSTER", "MYID") for server in self.servers]
        self.ask(self.servers[target], "CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
        self.ask(self.servers[source], "CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
        keys = self.ask(self.servers[source], "CLUSTER", "GETKEYSINSLOT", slot, 1000)
        if keys:
            port = self.servers[target].port
            self.ask(self.servers[source], "MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)
        for at in (target, source):
            self.ask(self.servers[at], "CLUSTER", "SETSLOT", slot, "NODE", names[target])

    @staticmethod
    def ask(server: RedisServer, *words: str | int) -> Any:
        """
        Run one command on one node.
        """
        with server.client(decode_responses=True) as client:
            return client.execute_command(*words)

    def _meet(self) -> None:
        first, *others = [*self.servers, *self.spares]
        for at, server in enumerate(self.servers):
            slots = self.slots_of(at)
            # An own epoch for each from the start: otherwise they have to find out that theirs collide.
            self.ask(server, "CLUSTER", "SET-CONFIG-EPOCH", at + 1)
            self.ask(server, "CLUSTER", "ADDSLOTSRANGE", slots.start, slots.stop - 1)
        for server in others:
            self.ask(server, "CLUSTER", "MEET", "127.0.0.1", first.port)
        everyone = [first, *others]
        self._wait(lambda: all(self._knows(server, len(everyone)) for server in everyone), "the nodes do not meet")
        for server, spare in zip(self.servers, self.spares, strict=False):
            self.ask(spare, "CLUSTER", "REPLICATE", self.ask(server, "CLUSTER", "MYID"))
        self._wait(lambda: all(self._is_well(server) for server in everyone), "the cluster does not come up")

    def _knows(self, server: RedisServer, count: int) -> bool:
        return f"cluster_known_nodes:{count}" in str(self._info(server))

    def _is_well(self, server: RedisServer) -> bool:
        replicas = str(self.ask(server, "CLUSTER", "NODES")).count(" slave ") if self.spares else 0
        return "cluster_state:ok" in self._info(server) and (not self.spares or replicas >= len(self.spares) - 1)

    def _info(self, server: RedisServer) -> str:
        with server.client() as client:
            told = client.execute_command("CLUSTER INFO")
        return "".join(f"{key}:{value}\n" for key, value in told.items()) if isinstance(told, dict) else told.decode()

    @staticmethod
    def _wait(condition: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < deadline, problem
            time.sleep(0.05)
