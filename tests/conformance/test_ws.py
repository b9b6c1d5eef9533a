"""WebSocket against the conformance suite: as the base install has it, and as the extra ``speed`` does."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from swergio.testing.conformance import ConformanceSuite, Deployment, Limits
from tests.conformance.deployments import behind_a_proxy


class TestWebSocket(ConformanceSuite):
    def deploy(self, limits: Limits) -> Iterator[Deployment]:
        with behind_a_proxy("ws://127.0.0.1:0", limits, loop="asyncio", websocket="websockets") as deployment:
            yield deployment


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not run on Windows")
class TestFastWebSocket(ConformanceSuite):
    def deploy(self, limits: Limits) -> Iterator[Deployment]:
        with behind_a_proxy("ws://127.0.0.1:0", limits, loop="uvloop", websocket="picows") as deployment:
            yield deployment
