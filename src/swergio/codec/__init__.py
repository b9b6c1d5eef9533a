"""
From messages to bytes and back.

`bodies` and `arrays` turn the data of messages into msgpack with raw arrays beside it; `batch` puts messages that share
a destination together; `frames` are what links carry. Pure: bytes in, values out, no I/O and no clock.
"""

from swergio.codec.bodies import pack, unpack_block, unpack_body

__all__ = ["pack", "unpack_block", "unpack_body"]
