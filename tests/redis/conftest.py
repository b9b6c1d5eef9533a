"""
Servers for the tests of rooms on Redis.
"""

from __future__ import annotations

from tests.servers.fixtures import own_server, shared_server

__all__ = ["own_server", "shared_server"]
