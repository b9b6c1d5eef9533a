"""Redis against the conformance suite, with recovery and without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from swergio.testing.conformance import ConformanceSuite, Deployment, Limits
from tests.servers import RedisServer

pytestmark = pytest.mark.long

PASSWORD = "sesame"


@contextmanager
def on_a_server(limits: Limits, query: str = "") -> Iterator[Deployment]:
    """
    A server of its own, which wants a password. As there is no hub, the limits of rooms are the components' settings.
    """
    times: dict[str, Any] = {"heartbeat": 0.5, "dead_after": 3.0} if limits.session_grace < 5 else {}
    with RedisServer(requirepass=PASSWORD) as server:

        def break_connections() -> None:
            with server.client(password=PASSWORD) as client:
                client.client_kill_filter(_type="pubsub")
                client.client_kill_filter(_type="normal", skipme=True)

        yield Deployment(
            server.url + query,
            settings={"token": PASSWORD, **limits.settings, **times},
            refused={"token": "another token"},
            break_connections=break_connections,
            restart=server.restart,
        )


class TestRedis(ConformanceSuite):
    def deploy(self, limits: Limits) -> Iterator[Deployment]:
        with on_a_server(limits) as deployment:
            yield deployment


class TestRedisWithoutRecovery(ConformanceSuite):
    def deploy(self, limits: Limits) -> Iterator[Deployment]:
        with on_a_server(limits, "?recovery=off") as deployment:
            yield deployment
