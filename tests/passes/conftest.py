"""The live tests of passes run over the transports that are quick to start, and over both faces."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from swergio.hub import HubThread
from swergio.settings import load
from swergio.testing.faces import FACES, PlainFace, component
from tests.live.wires import address
from tests.servers.fixtures import shared_server

__all__ = ["component_settings", "face", "hub_settings", "make", "scheme", "shared_server", "url"]

Make = Callable[..., PlainFace]
"""
Makes a component of the face under test; the asyncio one is used as if it were the plain one.
"""


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["ws", "memory", "zmq+ipc", "redis"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def hub_settings() -> dict[str, Any]:
    """
    Settings of the hub that a test wants otherwise.
    """
    return {}


@pytest.fixture
def component_settings(scheme: str, hub_settings: dict[str, Any]) -> dict[str, Any]:
    """
    Settings that each component is given: with Redis the limits of rooms are theirs, as there is no hub.
    """
    return hub_settings if scheme == "redis" else {}


@pytest.fixture
def url(scheme: str, hub_settings: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[str]:
    if scheme == "redis":
        yield f"{request.getfixturevalue('shared_server').url}?namespace={uuid.uuid4().hex}"
        return
    # Not in pytest's folder, whose path may be too long for a socket.
    with (
        tempfile.TemporaryDirectory() as folder,
        HubThread([address(scheme, Path(folder))], load("memory://", **hub_settings)) as hub,
    ):
        yield hub.urls[0]


@pytest.fixture
def make(url: str, face: str, component_settings: dict[str, Any]) -> Iterator[Make]:
    """
    A function that makes components of the face and deployment under test; they are closed at the end.
    """
    with ExitStack() as made:

        def new(name: str, **settings: Any) -> PlainFace:
            made_one = component(face, name, url, **{**component_settings, **settings})
            made.callback(made_one.end)
            return made_one

        yield new
