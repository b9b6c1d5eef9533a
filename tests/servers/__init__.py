"""
Private Redis servers for tests: each on a free port with a folder of its own, ended by whoever started it.
"""

from tests.servers.binary import server_binary
from tests.servers.server import RedisServer

__all__ = ["RedisServer", "server_binary"]
