"""What the broker is connected to: one server, or the nodes of a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from swergio.errors import SwergioError
from swergio_transports.redis.calls import Call, Command
from swergio_transports.redis.limits import LARGEST, Server
from swergio_transports.redis.node import Node
from swergio_transports.redis.wire import Landed


class ReaderEvents(Protocol):
    """
    What a broker tells the rooms, always on the loop's thread. None of these may raise or block.
    """

    def came(self, channel: bytes, data: bytes) -> None:
        """
        A message was published.
        """

    def hole(self, channels: Sequence[bytes], reason: str) -> None:
        """
        Channels are subscribed again after a break; what was published there meanwhile is gone.
        """

    def lost(self, reason: str) -> None:
        """
        A connection broke. Commands fail until it is back; subscriptions wait.
        """

    def back(self, identity: str) -> None:
        """
        All connections stand, the first time too. ``identity`` is another after a restart or a failover.
        """

    def failed(self, error: SwergioError) -> None:
        """
        It gave up for good: a refused password, for example.
        """


class Deployment(ABC):
    """
    Some nodes, and which key is on which of them. It tells ``events`` what the nodes tell it.

    Attributes:
        problem: What went wrong last.
        came: Takes each message that a node got; that of ``events`` itself, as it is called for each of them.
    """

    def __init__(self, events: ReaderEvents) -> None:
        self.problem = "no answer"
        self.came = events.came
        self._events = events
        self._stood = False

    @abstractmethod
    def start(self) -> None:
        """
        Begin to connect.
        """

    @abstractmethod
    async def close(self) -> None:
        """
        Release everything.
        """

    @property
    @abstractmethod
    def nodes(self) -> Sequence[Node]:
        """
        Those that are needed now.
        """

    @property
    def stands(self) -> bool:
        """
        Whether all keys can be reached.
        """
        return bool(self.nodes) and all(node.stands for node in self.nodes)

    @property
    def identity(self) -> str:
        """
        Of the servers as they run now.
        """
        return " ".join(sorted(server.identity for server in self._servers))

    @property
    def max_body(self) -> int:
        """
        Bytes of the largest argument that every server takes.
        """
        return min((server.max_body for server in self._servers), default=LARGEST)

    @property
    def pubsub_limit(self) -> int:
        """
        Bytes that may wait for a subscriber before a server cuts it off; 0: as much as it likes.
        """
        return min((server.pubsub_limit for server in self._servers if server.pubsub_limit), default=0)

    @property
    def _servers(self) -> list[Server]:
        return [node.server for node in self.nodes if node.server is not None]

    @abstractmethod
    def post(self, calls: Sequence[Call | Command], landed: Landed) -> None:
        """
        Send calls at once; ``landed`` takes what `exchange` returns or raises, and may be called before this returned.
        """

    @abstractmethod
    async def exchange(self, calls: Sequence[Call | Command], *, whole: bool = False) -> list[Any]:
        """
        Return the replies, errors of the servers among them; ``whole``: with the text of scripts.

        Raises:
            BrokerLost: A connection is not there, or broke: any of them may have run.
        """

    @abstractmethod
    async def subscribe(self, channels: Sequence[bytes]) -> None:
        """
        See `Node.subscribe`.
        """

    @abstractmethod
    async def unsubscribe(self, channels: Sequence[bytes]) -> None:
        """
        See `Node.unsubscribe`.
        """

    # -- what nodes tell ------------------------------------------------------------------------------------------

    def hole(self, channels: Sequence[bytes], reason: str) -> None:
        """
        Pass it on.
        """
        self._events.hole(channels, reason)

    def changed(self, node: Node, problem: str | None) -> None:
        """
        Tell of it, if all connections stand now or do not any more.
        """
        self.problem = problem or self.problem
        self.look()

    def look(self) -> None:
        """
        See whether all connections stand, and tell if that is new.
        """
        stood, self._stood = self._stood, self.stands
        if self._stood and not stood:
            self._events.back(self.identity)
        elif stood and not self._stood:
            self._events.lost(self.problem)

    @abstractmethod
    def moved(self, node: Node, channel: bytes) -> None:
        """
        A node lost a channel to another one.
        """

    def failed(self, error: SwergioError) -> None:
        """
        Pass it on.
        """
        self._events.failed(error)
