"""
A path, the same once more, and then with a slow-down in it: one call more for each message that is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmarks.costs import paths

from swergio.channels import Channel
from swergio.outbox import Outbox

if TYPE_CHECKING:
    from benchmarks.costs.paths import Path

ONCE, AGAIN, SLOWER = "once", "again", "slower"

_add = Outbox.add


def wrapped(self: Outbox, *arguments: Any) -> Channel | None:
    return _add(self, *arguments)


def slower() -> Path:
    """
    Plant it, for good.
    """
    Outbox.add = wrapped  # type: ignore[assignment, method-assign]
    return paths.PATHS["send"]()


PATHS: dict[str, Callable[[], Path]] = {
    ONCE: paths.PATHS["send"],
    AGAIN: paths.PATHS["send"],
    SLOWER: slower,
}
