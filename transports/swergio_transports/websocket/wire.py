"""What both sides do with websockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any, Final, TypeAlias

from websockets.client import ClientProtocol
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from swergio_transports.websocket.tcp import half_close

Wire: TypeAlias = ServerProtocol | ClientProtocol

SUBPROTOCOL: Final = Subprotocol("swergio")
"""Asked for and required by both sides, so that a stranger's WebSocket server or client is noticed at once."""


class Discreet(logging.LoggerAdapter[logging.Logger]):
    """
    Lets only warnings through: at DEBUG, websockets writes tokens and payloads to the log.
    """

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - its name in the standard library
        return level >= logging.WARNING and self.logger.isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """
        Add nothing.
        """
        return msg, kwargs


wire_logger: Final = Discreet(logging.getLogger("swergio.websocket.wire"))


def printable(text: str) -> str:
    """
    Return what a peer wrote as it may go to logs and terminals: one line, of bounded length.
    """
    return "".join(char if char.isprintable() else "?" for char in text[:200])


HEAD_END: Final = b"\r\n\r\n"


class Head:
    """
    Tells the head of a request or response from what comes behind it.
    """

    __slots__ = ("_last", "_over")

    def __init__(self) -> None:
        self._last = b""
        self._over = False

    def split(self, data: bytes) -> tuple[bytes, bytes]:
        """
        Return what still belongs to the head, or came after its end was known; and what is left.
        """
        seen = self._last + data
        end = -1 if self._over else seen.find(HEAD_END)
        self._last = seen[-len(HEAD_END) + 1 :]
        if end < 0:
            return data, b""
        self._over = True
        end += len(HEAD_END) - (len(seen) - len(data))
        return data[:end], data[end:]


def flush(wire: Wire, transport: asyncio.Transport | None) -> None:
    """
    Write what websockets has to say, and the end of the stream if it says so.
    """
    writes = wire.data_to_send()
    if not writes or transport is None or transport.is_closing():
        return
    if data := b"".join(writes):
        transport.write(data)
    if not writes[-1]:  # its sign for the end of the stream
        half_close(transport)
