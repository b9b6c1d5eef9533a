"""
Servers for the tests of rooms on Redis.
"""

from __future__ import annotations

import uuid

import pytest

from tests.servers import RedisServer
from tests.servers.fixtures import own_server, shared_server

__all__ = ["own_server", "shared_server"]


@pytest.fixture
def deployment(shared_server: RedisServer) -> str:
    """
    A URL of a deployment of its own on the shared server.
    """
    return f"{shared_server.url}?namespace={uuid.uuid4().hex}"
