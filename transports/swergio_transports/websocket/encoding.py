"""One encoding of a packet for many links."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from swergio.hub.link import Buffer
from swergio_transports.websocket.framing import Encode, Encoded

LARGE: Final = 64 * 1024


class SharedFrame:
    """
    Encodes a packet once that goes out on many links.

    Servers do not mask, so that its frame is the same for everyone. A packet is recognised by being the same tuple.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._packet: Sequence[Buffer] | None = None
        self._frame: Encoded = b""

    def encode(self, packet: Sequence[Buffer]) -> Encoded:
        """
        Return the frame that carries ``packet``.
        """
        if packet is self._packet:
            return self._frame
        frame = self._encode(packet)
        if isinstance(packet, tuple):
            self._packet, self._frame = packet, frame
            if type(frame) is tuple or len(frame) > LARGE:
                # It goes to all members in one turn of the loop, and should not stay in memory after that.
                asyncio.get_running_loop().call_soon(self._forget)
        return frame

    def _forget(self) -> None:
        self._packet, self._frame = None, b""
