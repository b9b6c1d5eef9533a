"""ZeroMQ against the conformance suite, over TCP and over a Unix socket."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from swergio.testing.conformance import ConformanceSuite, Deployment, Limits
from tests.conformance.deployments import behind_a_proxy
from tests.live.wires import address

pytestmark = pytest.mark.long


class TestZmqTcp(ConformanceSuite):
    def deploy(self, limits: Limits) -> Iterator[Deployment]:
        with behind_a_proxy("zmq+tcp://127.0.0.1:0", limits) as deployment:
            yield deployment


class TestZmqIpc(ConformanceSuite):
    def deploy(self, limits: Limits) -> Iterator[Deployment]:
        # Not in pytest's folder, whose path may be too long for a socket.
        with (
            tempfile.TemporaryDirectory() as folder,
            behind_a_proxy(address("zmq+ipc", Path(folder)), limits) as deployment,
        ):
            yield deployment
