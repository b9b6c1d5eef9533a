"""
What URLs say, and what is wrong with others.
"""

from __future__ import annotations

import pytest

from swergio.errors import ConfigurationError
from swergio_transports.redis.address import Address, Kind, parse, shown

RIGHT = {
    "redis://host": Address(Kind.SERVER, (("host", 6379),)),
    "redis://host:7000/": Address(Kind.SERVER, (("host", 7000),)),
    "redis://[::1]:7000/15": Address(Kind.SERVER, (("::1", 7000),), database=15),
    "rediss://host": Address(Kind.SERVER, (("host", 6379),), secure=True),
    "unix:///run/redis%20one.sock": Address(Kind.SERVER, ("/run/redis one.sock",)),
    "redis+sentinel://a,b:1": Address(Kind.SENTINELS, (("a", 26379), ("b", 1)), service="mymaster"),
    "redis+sentinel://a/rooms/2": Address(Kind.SENTINELS, (("a", 26379),), service="rooms", database=2),
    "rediss+sentinel://a/rooms": Address(Kind.SENTINELS, (("a", 26379),), secure=True, service="rooms"),
    "redis+cluster://a:1,[::1]:2": Address(Kind.CLUSTER, (("a", 1), ("::1", 2))),
    "rediss+cluster://a": Address(Kind.CLUSTER, (("a", 6379),), secure=True),
}
WRONG = [
    "redis://",
    "redis:///1",
    "redis://host:0",
    "redis://host:port",
    "redis://host:70000",
    "redis://a,b",
    "redis://host/name",
    "redis://host/1/2",
    "redis://[::1",
    "redis://ho st",
    "redis+cluster://a/1",
    "redis+cluster://a,,b",
    "redis+sentinel://a/rooms/1/2",
    "redis+other://host",
    "unix://host/path",
    "unix:///",
    "http://host",
]


@pytest.mark.parametrize("url", RIGHT)
def test_urls_are_read(url: str) -> None:
    assert parse(url) == RIGHT[url]._replace(url=url)
    assert str(parse(url)) == url


@pytest.mark.parametrize("url", WRONG)
def test_what_is_no_url_is_refused_in_full(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a Redis URL") as caught:
        parse(url)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize("url", ["redis://user:secret@host", "redis://:secret@host/1", "redis://host#secret"])
def test_a_url_with_a_secret_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="token") as caught:
        parse(url)
    assert "secret" not in str(caught.value)


def test_places_are_shown_as_urls_have_them() -> None:
    assert [shown(("host", 1)), shown(("::1", 2)), shown("/run/redis.sock")] == ["host:1", "[::1]:2", "/run/redis.sock"]
