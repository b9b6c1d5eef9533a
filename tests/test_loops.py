"""
Which event loop swergio runs on.
"""

from __future__ import annotations

import asyncio
import sys

import pytest

import swergio
from swergio.errors import ConfigurationError
from swergio.hub import HubThread
from swergio.loops import run
from swergio.settings import load


async def kind() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_asyncio_can_be_asked_for() -> None:
    assert run(kind, "asyncio") == "asyncio"


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not run on Windows")
def test_uvloop_is_used_where_it_is_installed() -> None:
    assert run(kind) == run(kind, "uvloop") == "uvloop"


def test_asyncio_does_where_uvloop_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run(kind) == "asyncio"
    with pytest.raises(ConfigurationError, match=r"swergio\[speed\]"):
        run(kind, "uvloop")


def test_a_component_and_a_hub_say_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(ConfigurationError, match="'loop' is uvloop"):
        swergio.Component("me", "memory://loops", loop="uvloop").start()
    with pytest.raises(ConfigurationError, match="'loop' is uvloop"):
        HubThread(["memory://loops"], load("memory://", loop="uvloop"))
