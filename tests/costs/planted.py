"""
The paths with a slow-down in them: one call more for each message that is sent. It is planted by being imported.
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.costs.paths import PATHS

from swergio.outbox import Channel, Outbox

__all__ = ["PATHS"]

_append = Outbox.append


def wrapped(self: Outbox, *arguments: Any, **how: Any) -> tuple[Channel, int]:
    return _append(self, *arguments, **how)


if "pytest" not in sys.modules:  # the tests know it by its name only
    Outbox.append = wrapped  # type: ignore[method-assign]
