"""
Private Redis servers for tests: each on a free port with a folder of its own, ended by whoever started it.
"""

from tests.servers.binary import server_binary
from tests.servers.cluster import RedisCluster
from tests.servers.sentinel import RedisSentinel
from tests.servers.server import RedisServer
from tests.servers.tls import TlsFront

__all__ = ["RedisCluster", "RedisSentinel", "RedisServer", "TlsFront", "server_binary"]
