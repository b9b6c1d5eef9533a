"""URLs of this transport.

| URL | what is there |
|-----|---------------|
| ``redis://host:port/database`` | one server |
| ``rediss://host:port/database`` | one server, TLS |
| ``unix:///path/of/socket`` | one server on this machine |
| ``redis+sentinel://host:port,host:port/service/database`` | sentinels that know the master of ``service`` |
| ``redis+cluster://host:port,host:port`` | some nodes of a cluster |

``rediss+sentinel`` and ``rediss+cluster`` are the same over TLS.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import unquote, urlsplit

from swergio.errors import ConfigurationError

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
SERVICE: Final = "mymaster"
EXPECTED: Final = (
    "redis://host:port/database, unix:///path, redis+sentinel://host:port,host:port/service or "
    "redis+cluster://host:port,host:port; rediss for TLS"
)

Place: TypeAlias = tuple[str, int] | str
"""Where one server listens: host and port, or the path of a Unix socket."""


class Kind(Enum):
    """
    What the hosts of a URL are.
    """

    SERVER = "server"
    SENTINELS = "sentinel"
    CLUSTER = "cluster"


class Address(NamedTuple):
    """
    What a URL says.
    """

    kind: Kind
    places: tuple[Place, ...]
    secure: bool = False
    database: int = 0
    service: str = ""
    url: str = ""

    def __str__(self) -> str:
        return self.url


def parse(url: str) -> Address:
    """
    Read a URL of this transport; port, database and service may be missing.

    Raises:
        ConfigurationError: It is no such URL, or it holds a secret that belongs into ``token``.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _wrong(url) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        # Not shown: URLs end up in logs, so that nothing secret may be in one.
        raise ConfigurationError(
            "a Redis URL with more than hosts and a path", "the user in 'username', the password in 'token'"
        )
    if parts.scheme == "unix":
        if parts.netloc or len(parts.path) < 2:
            raise _wrong(url)
        return Address(Kind.SERVER, (unquote(parts.path),), url=url)
    wire, _, kind_name = parts.scheme.partition("+")
    if wire not in {"redis", "rediss"} or kind_name not in {"", Kind.SENTINELS.value, Kind.CLUSTER.value}:
        raise _wrong(url)
    kind = Kind(kind_name or "server")
    places = tuple(_place(url, host, kind) for host in parts.netloc.split(","))
    names = [part for part in parts.path.split("/") if part]
    service = unquote(names.pop(0)) if kind is Kind.SENTINELS and names else SERVICE
    database = _database(url, names)
    if (kind is Kind.SERVER and len(places) > 1) or (kind is Kind.CLUSTER and database):
        raise _wrong(url)
    return Address(kind, places, wire == "rediss", database, service if kind is Kind.SENTINELS else "", url)


def _place(url: str, text: str, kind: Kind) -> Place:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:  # a port that is no port, brackets that do not close, a label that is too long
        host, port = "", None
    if not host or port == 0 or not host.isprintable() or " " in host:
        raise _wrong(url)
    return host, port or (SENTINEL_PORT if kind is Kind.SENTINELS else PORT)


def _database(url: str, names: list[str]) -> int:
    if len(names) > 1 or not all(name.isascii() and name.isdigit() for name in names):
        raise _wrong(url)
    return int(names[0]) if names else 0


def _wrong(url: str) -> ConfigurationError:
    return ConfigurationError(f"{url!r} is not a Redis URL", EXPECTED)


def shown(place: Place) -> str:
    """
    Return a place as errors name it.
    """
    if isinstance(place, str):
        return place
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
