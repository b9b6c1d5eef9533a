"""Connecting: the socket, TLS, who we are, and what a refusal means."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from swergio.errors import AccessRefused, ConnectFailed, IncompatiblePeer
from swergio_transports.redis.address import Place, shown
from swergio_transports.redis.calls import Word
from swergio_transports.redis.errors import BrokerLost, reason_of
from swergio_transports.redis.wire import Wire, refused

DIAL_TIMEOUT: Final = 2.0
"""Seconds for one try: the socket, TLS and the greeting. A server that is there answers in a hundredth of that."""

WireT = TypeVar("WireT", bound=Wire)


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Who we are to the server.

    Attributes:
        name: What ``CLIENT LIST`` shows.
        username, password: None is the server's default user, who may need no password.
        context: TLS; None without.
        database: The one to select.
    """

    name: str
    username: str | None = None
    password: str | None = None
    context: ssl.SSLContext | None = None
    database: int = 0

    def without_database(self) -> Identity:
        """
        Return the same for a server that has no databases.
        """
        return replace(self, database=0)


async def dial(place: Place, who: Identity, make: Callable[[], WireT]) -> WireT:
    """
    Connect to one server and greet it. A cancelled call leaves no connection.

    Raises:
        AccessRefused: The server does not accept the user or the password.
        IncompatiblePeer: It is too old to speak RESP3.
        ConnectFailed: It is not there, or it is no Redis.
    """
    url = shown(place)
    wire = make()
    with contextlib.ExitStack() as undo:
        undo.callback(wire.abort, "given up")
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                await _open(place, who, wire)
                await _greet(url, who, wire)
        except ConnectFailed:  # which is an OSError, too
            raise
        except TimeoutError:
            raise ConnectFailed(url, f"no answer within {DIAL_TIMEOUT:g} s") from None
        except (BrokerLost, OSError) as exc:
            raise ConnectFailed(url, str(exc) if isinstance(exc, BrokerLost) else reason_of(exc)) from exc
        undo.pop_all()
    return wire


async def _open(place: Place, who: Identity, wire: Wire) -> None:
    loop = asyncio.get_running_loop()
    if isinstance(place, str):
        await loop.create_unix_connection(lambda: wire, place)
    else:
        await loop.create_connection(lambda: wire, *place, ssl=who.context)


async def _greet(url: str, who: Identity, wire: Wire) -> None:
    hello: list[Word] = ["HELLO", 3]
    if who.password is not None:
        hello += ["AUTH", who.username or "default", who.password]
    commands: list[list[Word]] = [[*hello, "SETNAME", who.name]]
    if who.database:
        commands.append(["SELECT", who.database])
    for future in wire.send(commands):
        _check(url, who, await future)


def _check(url: str, who: Identity, reply: Any) -> None:
    problem = refused(reply)
    if problem is None:
        return
    code = problem.partition(" ")[0]
    if code == "WRONGPASS":
        user = f"user {who.username!r}" if who.username else "the default user"
        raise AccessRefused(url, f"it does not accept this password for {user} (settings 'username' and 'token')")
    if code in {"NOAUTH", "NOPERM"} or "without any password" in problem:
        raise AccessRefused(url, f"{problem[:200]} (settings 'username' and 'token')")
    if code == "NOPROTO" or "unknown command" in problem:
        raise IncompatiblePeer(url, "it is too old: swergio needs Redis 6.2 or newer")
    raise ConnectFailed(url, problem[:200])
