"""WebSocket against the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator

from swergio.testing.conformance import ConformanceSuite, Deployment, Limits
from tests.conformance.deployments import behind_a_proxy


class TestWebSocket(ConformanceSuite):
    def deploy(self, limits: Limits) -> Iterator[Deployment]:
        with behind_a_proxy("ws://127.0.0.1:0", limits) as deployment:
            yield deployment
