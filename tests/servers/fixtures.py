"""
Servers as fixtures; ``tests/redis/conftest.py`` and others import what they need.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.server import RedisServer


@pytest.fixture(scope="session")
def shared_server() -> Iterator[RedisServer]:
    """
    A plain server, one for all tests of a worker: for tests that use keys of their own and leave it as it is.
    """
    with RedisServer() as server:
        yield server


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """
    A plain server for one test, which may do to it what it likes.
    """
    with RedisServer() as server:
        yield server
