"""The report on messages that waited for feedback, or for the other inputs of their pass, in vain."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from swergio.messages import MessageType

if TYPE_CHECKING:
    from swergio.core import Core

log = logging.getLogger("swergio.passes")

LAST = 3


class GivenUp:
    """
    Collects what was given up and tells it together: a node whose feedback never comes would else log at each call.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._last: deque[str] = deque(maxlen=LAST)
        self._count = 0

    def note(self, id: str) -> None:
        """
        Count a message, and have it told. From any thread.
        """
        self._core.stats.expired_passes += 1
        self._count += 1
        self._last.append(id)

    def tell(self) -> None:
        """
        Log and report what was noted since the last time, if anything. On the loop.
        """
        count, self._count = self._count, 0
        if not count:
            return
        core, ids = self._core, list(self._last)
        text = f"gave up {count} passes whose feedback did not come"
        log.warning("%s %s; the last: %s", core.instance, text, ", ".join(ids))
        report = {"level": "warning", "error": text, "component": core.instance.name, "messages": ids}
        core.report(MessageType.LOG_MESSAGES, report)
