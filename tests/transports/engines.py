"""
Runs each test of a WebSocket link over each library that makes frames.
"""

from __future__ import annotations

import asyncio
import importlib.util

import pytest

import swergio_transports.websocket.engines
from swergio_transports.websocket.engines import choose


@pytest.fixture(params=["websockets", "picows"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """
    Have ``auto`` mean the one or the other.
    """
    name: str = request.param
    if name == "picows" and importlib.util.find_spec("picows") is None:
        pytest.skip("picows is not installed")
    if name == "websockets":
        monkeypatch.setattr(swergio_transports.websocket.engines, "_picows", lambda: "ruled out")

    async def chosen() -> str:
        return choose("auto").name

    assert asyncio.run(chosen()) == name
    return name
