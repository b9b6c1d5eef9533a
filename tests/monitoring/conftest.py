"""The live tests of monitoring: each kind of deployment, and each face, but not each face in each deployment.

What is monitored is counted above the transports. They differ in how they tell who is in a room, which is tested here.
"""

from __future__ import annotations

import pytest

from tests.passes.conftest import component_settings, hub_settings, make, shared_server, url

__all__ = ["component_settings", "face", "hub_settings", "make", "scheme", "shared_server", "url"]

PLACES = [("ws", "plain"), ("ws", "asyncio"), ("zmq+ipc", "plain"), ("redis", "asyncio")]


@pytest.fixture(params=PLACES, ids="-".join)
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    scheme, face = request.param
    return scheme, face


@pytest.fixture
def scheme(place: tuple[str, str]) -> str:
    return place[0]


@pytest.fixture
def face(place: tuple[str, str]) -> str:
    return place[1]
