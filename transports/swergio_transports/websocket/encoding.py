"""Packets as frames."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from websockets.frames import Frame, Opcode

from swergio.hub.link import Buffer

LARGE: Final = 64 * 1024


def encode(packet: Sequence[Buffer], *, mask: bool) -> bytes:
    """
    Return the frame that carries ``packet``.
    """
    return Frame(Opcode.BINARY, b"".join(packet)).serialize(mask=mask)


class SharedFrame:
    """
    Encodes a packet once that goes out on many links.

    Servers do not mask, so that its frame is the same for everyone. A packet is recognised by being the same tuple.
    """

    def __init__(self) -> None:
        self._packet: Sequence[Buffer] | None = None
        self._frame = b""

    def encode(self, packet: Sequence[Buffer]) -> bytes:
        """
        Return the frame that carries ``packet``.
        """
        if packet is self._packet:
            return self._frame
        frame = encode(packet, mask=False)
        if isinstance(packet, tuple):
            self._packet, self._frame = packet, frame
            if len(frame) > LARGE:
                # It goes to all members in one turn of the loop, and should not stay in memory after that.
                asyncio.get_running_loop().call_soon(self._forget)
        return frame

    def _forget(self) -> None:
        self._packet, self._frame = None, b""
