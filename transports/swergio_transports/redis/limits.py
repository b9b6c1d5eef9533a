"""What a server is and allows, found out once it is connected."""

from __future__ import annotations

import logging
from typing import Any, Final, NamedTuple

from swergio_transports.redis.wire import Wire

LARGEST: Final = 512 * 1024 * 1024
"""What a server takes as one argument unless ``proto-max-bulk-len`` says otherwise."""

logger = logging.getLogger("swergio.redis")


class Server(NamedTuple):
    """
    What was found out about a server.

    Attributes:
        identity: Of this run of this server; another after a restart or a failover.
        max_body: The largest argument that it takes.
    """

    identity: str
    max_body: int = LARGEST


async def inspect(wire: Wire, before: Server | None) -> Server:
    """
    Find out what is at the other end.
    """
    info = information(await wire.ask("INFO", "server"))
    return Server(info.get("run_id", ""), before.max_body if before else LARGEST)


def information(reply: Any) -> dict[str, str]:
    """
    Read what ``INFO`` answered; empty if it may not be asked.
    """
    if not isinstance(reply, (bytes, str)):
        return {}
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
