"""
A path, the same once more, and then with a slow-down in it: one call more for each message that is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmarks.costs import paths

from swergio.outbox import Channel, Outbox

if TYPE_CHECKING:
    from benchmarks.costs.paths import Path

ONCE, AGAIN, SLOWER = "once", "again", "slower"

_append = Outbox.append


def wrapped(self: Outbox, *arguments: Any, **how: Any) -> tuple[Channel, int]:
    return _append(self, *arguments, **how)


def slower() -> Path:
    """
    Plant it, for good.
    """
    Outbox.append = wrapped  # type: ignore[method-assign]
    return paths.PATHS["send alone"]()


PATHS: dict[str, Callable[[], Path]] = {
    ONCE: paths.PATHS["send alone"],
    AGAIN: paths.PATHS["send alone"],
    SLOWER: slower,
}
