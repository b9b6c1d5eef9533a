"""Rooms on Redis, or on what speaks its protocol: one server, a master with sentinels, or a cluster."""

from swergio_transports.redis.transport import RedisTransport

__all__ = ["RedisTransport"]
