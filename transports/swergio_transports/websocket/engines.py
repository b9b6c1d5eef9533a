"""Which library makes the frames."""

from __future__ import annotations

import functools
import logging
from typing import Final

from swergio.errors import ConfigurationError
from swergio_transports.websocket.framing import Engine
from swergio_transports.websocket.websockets_framing import WEBSOCKETS

AUTO: Final = "auto"

log = logging.getLogger("swergio.websocket")


def choose(name: str) -> Engine:
    """
    Return the engine that the setting ``websocket`` names; ``auto`` is picows where it can be used.

    Raises:
        ConfigurationError: It is picows, which is not installed or not in a version that can be used.
    """
    if name == WEBSOCKETS.name:
        return WEBSOCKETS
    engine = _picows()
    if isinstance(engine, Engine):
        return engine
    if name != AUTO:
        raise ConfigurationError(
            f"'websocket' is picows, and {engine}", "picows", "Install it with pip install 'swergio[speed]'."
        )
    return WEBSOCKETS


@functools.cache
def _picows() -> Engine | str:
    """
    Return the engine, or why there is none.

    What of picows is used here is below what it documents, so that another version of it may not do. A connection
    that leads nowhere tells, once; nobody finds out in the middle of a handshake.
    """
    try:
        from swergio_transports.websocket.picows_framing import PICOWS
        from swergio_transports.websocket.picows_trial import check
    except ImportError:
        return "it is not installed"
    try:
        check()
    except Exception as exc:  # noqa: BLE001  anything may have changed there
        log.warning("picows is installed, and cannot be used: %r; using websockets", exc)
        return f"the one that is installed cannot be used ({exc!r})"
    return PICOWS
