"""The live tests of passes run over the transports that are quick to start, and over both faces."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from swergio.hub import HubThread
from swergio.settings import load
from swergio.testing.faces import FACES, PlainFace, component
from tests.live.wires import address

Make = Callable[..., PlainFace]
"""
Makes a component of the face under test; the asyncio one is used as if it were the plain one.
"""


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["ws", "memory", "zmq+ipc"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def hub_settings() -> dict[str, Any]:
    """
    Settings of the hub that a test wants otherwise.
    """
    return {}


@pytest.fixture
def url(scheme: str, hub_settings: dict[str, Any]) -> Iterator[str]:
    # Not in pytest's folder, whose path may be too long for a socket.
    with (
        tempfile.TemporaryDirectory() as folder,
        HubThread([address(scheme, Path(folder))], load("memory://", **hub_settings)) as hub,
    ):
        yield hub.urls[0]


@pytest.fixture
def make(url: str, face: str) -> Iterator[Make]:
    """
    A function that makes components of the face and deployment under test; they are closed at the end.
    """
    with ExitStack() as made:

        def new(name: str, **settings: Any) -> PlainFace:
            made_one = component(face, name, url, **settings)
            made.callback(made_one.end)
            return made_one

        yield new
