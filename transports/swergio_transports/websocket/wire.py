"""What both sides tell websockets."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, Final

from websockets.typing import Subprotocol

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
