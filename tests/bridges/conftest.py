"""Frameworks are imported where their tests run, and skipped where they are not installed."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from swergio.hub import HubThread
from swergio.testing.faces import PlainFace, component
from tests.live.wires import address

Make = Callable[..., PlainFace]


def needs(*names: str) -> list[ModuleType]:
    """
    Import modules; skip if they are not installed, but in CI on the Python that has them.

    To be called by a fixture of ``scope="module"``: then one worker imports them, rather than each of them when it
    collects. That is two seconds for PyTorch, and one for JAX.
    """
    if "CI" in os.environ and sys.version_info[:2] == (3, 11):
        return [importlib.import_module(name) for name in names]
    return [pytest.importorskip(name, reason=f"{name} is not installed") for name in names]


over_wires = pytest.mark.parametrize("scheme", ["memory", "ws"])
"""
For the tests that show that gradients are what they should be; what a bridge does with them is the same on any wire.
"""


@pytest.fixture
def scheme() -> str:
    return "memory"


@pytest.fixture
def url(scheme: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, HubThread([address(scheme, Path(folder))]) as hub:
        yield hub.urls[0]


@pytest.fixture
def make(url: str) -> Iterator[Make]:
    """
    A function that makes components, of the plain face unless told otherwise; they are closed at the end.
    """
    with ExitStack() as made:

        def new(name: str, face: str = "plain", **settings: Any) -> PlainFace:
            made_one = component(face, name, url, **settings)
            made.callback(made_one.end)
            return made_one

        yield new
