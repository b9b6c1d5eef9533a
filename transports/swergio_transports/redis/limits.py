"""What a server is and allows, found out once it is connected.

What it may forbid is asked for all the same: where an ACL refuses ``INFO`` or ``CONFIG``, the server's defaults are
taken to hold.
"""

from __future__ import annotations

import logging
import re
import secrets
from typing import Any, Final, NamedTuple

from swergio.errors import ConfigurationError, ConnectFailed, IncompatiblePeer
from swergio_transports.redis.wire import Wire, refused

MIB: Final = 1024 * 1024
LARGEST: Final = 512 * MIB
"""What a server takes as one argument unless ``proto-max-bulk-len`` says otherwise."""

QUERY_LIMIT: Final = 1024 * MIB
PUBSUB_LIMIT: Final = 8 * MIB
"""What may wait for a subscriber for a minute, by a server's defaults."""

OLDEST: Final = (6, 2)
OLDEST_CLUSTER: Final = (7, 0)
"""The first with sharded pub/sub."""

BLOCKED_CLIENTS: Final = (7, 2), (8, 6, 3)
"""The versions of Redis from, and before, which CVE-2026-23479 (a use after free by blocked clients) is there."""

OPTIONS: Final = (
    "proto-max-bulk-len",
    "client-query-buffer-limit",
    "client-output-buffer-limit",
    "maxmemory",
    "maxmemory-policy",
)

logger = logging.getLogger("swergio.redis")


class Server(NamedTuple):
    """
    What was found out about a server.

    Attributes:
        identity: Of this run of this server; another after a restart or a failover.
        max_body: The largest argument that it takes.
        pubsub_limit: Bytes that may wait for a subscriber before the server cuts it off; 0: as much as it likes.
    """

    identity: str
    max_body: int = LARGEST
    pubsub_limit: int = PUBSUB_LIMIT


async def identify(wire: Wire, where: str) -> dict[str, str]:
    """
    Return what ``INFO`` says of the server, and write down on the connection which server it is.

    Raises:
        ConnectFailed: It is a replica, which takes no messages.
    """
    replies = [await future for future in wire.send([("INFO", "server"), ("INFO", "replication")])]
    info = {key: value for reply in replies for key, value in information(reply).items()}
    wire.identity = info.get("run_id", "")
    if info.get("role", "master") != "master":
        raise ConnectFailed(where, "it is a replica now, and only a master takes messages")
    return info


async def inspect(wire: Wire, where: str, before: Server | None, *, recovery: bool, sharded: bool) -> Server:
    """
    Find out what is at the other end; warn of what is unwise, once for each run of a server.

    Raises:
        IncompatiblePeer: It is too old.
        ConfigurationError: It may throw rooms away, and that was not known when it was first connected.
        ConnectFailed: It is a replica.
    """
    info = await identify(wire, where)
    if before is not None and before.identity == wire.identity:
        return before
    _check_version(where, info, OLDEST_CLUSTER if sharded else OLDEST)
    options = await _options(wire, where)
    if recovery:
        _check_eviction(where, options, first=before is None)
    sizes = [_size(options, "proto-max-bulk-len", LARGEST), _size(options, "client-query-buffer-limit", QUERY_LIMIT)]
    limit = pubsub_limit(options.get("client-output-buffer-limit", ""))
    if 0 < limit < PUBSUB_LIMIT:
        logger.warning(
            "%s cuts off subscribers that are %d bytes behind (client-output-buffer-limit pubsub): rooms have to "
            "recover often; Redis' default is 32mb 8mb 60",
            where,
            limit,
        )
    # What wraps the argument goes into the same buffer.
    # A server that may not be asked must be taken for another one each time.
    identity = wire.identity or f"unknown-{secrets.token_hex(8)}"
    return Server(identity, min(sizes[0], sizes[1] - MIB), limit)


def information(reply: Any) -> dict[str, str]:
    """
    Read what ``INFO`` answered; empty if it may not be asked.
    """
    if not isinstance(reply, (bytes, str)):
        return {}
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def pubsub_limit(value: str) -> int:
    """
    Return the closer bound of the class pubsub in ``client-output-buffer-limit``; 0 if there is none.
    """
    match = re.search(r"pubsub (\d+) (\d+) \d+", value)
    bounds = [int(number) for number in match.groups()] if match else [PUBSUB_LIMIT]
    return min((bound for bound in bounds if bound), default=0)


def _check_version(where: str, info: dict[str, str], oldest: tuple[int, int]) -> None:
    version = tuple(int(part) for part in re.findall(r"\d+", info.get("redis_version", ""))[:3])
    if not version:
        return
    if version < oldest:
        needed = ".".join(map(str, oldest))
        raise IncompatiblePeer(where, f"it is version {info['redis_version']}, and {needed} or newer is needed")
    since, until = BLOCKED_CLIENTS
    if "valkey_version" not in info and since <= version < until:
        logger.warning(
            "%s is Redis %s, which CVE-2026-23479 is about: whoever may run blocking commands may take it over; "
            "update it to 8.6.3 or newer",
            where,
            info["redis_version"],
        )


async def _options(wire: Wire, where: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for future in wire.send([("CONFIG", "GET", option) for option in OPTIONS]):
        reply = await future
        if isinstance(reply, dict):
            options |= {key.decode(): value.decode(errors="replace") for key, value in reply.items()}
        else:
            logger.debug("of %s the defaults are taken to hold: %s", where, refused(reply))
    return options


def _size(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name, "")
    return int(text) if text.isdigit() and int(text) else default


def _check_eviction(where: str, options: dict[str, str], *, first: bool) -> None:
    policy = options.get("maxmemory-policy", "noeviction")
    if not _size(options, "maxmemory", 0) or policy == "noeviction":
        return
    # All keys of rooms have a lifetime, so that the policies named volatile may take them as well.
    problem = f"{where} has maxmemory-policy {policy}: when it is full it throws away rooms that are in use"
    if first:
        raise ConfigurationError(
            problem, "noeviction", "Change the server's configuration, or do without recovery: ?recovery=off"
        )
    logger.error("%s", problem)
