"""Which event loop runs where swergio runs its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from swergio.errors import ConfigurationError

T = TypeVar("T")

AUTO = "auto"
UVLOOP = "uvloop"

log = logging.getLogger("swergio.loop")


def run(main: Callable[[], Coroutine[Any, Any, T]], choice: str = AUTO) -> T:
    """
    Run ``main()`` on a new loop, and return its result.

    Args:
        main: What to run.
        choice: The setting ``loop``: ``asyncio``, ``uvloop``, or ``auto`` for uvloop where it is installed.

    Raises:
        ConfigurationError: uvloop is asked for, and not installed.
    """
    with asyncio.Runner(loop_factory=loop_factory(choice)) as runner:
        return runner.run(main())


def loop_factory(choice: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """
    Return what makes the loop, None for asyncio's own; see `run`.
    """
    if choice not in {AUTO, UVLOOP}:
        return None
    try:
        import uvloop
    except ImportError as exc:
        if choice == AUTO:
            return None
        remedy = "Install it with pip install 'swergio[speed]'; it does not run on Windows."
        raise ConfigurationError(f"'loop' is uvloop, and that cannot be imported ({exc})", "uvloop", remedy) from exc
    log.debug("the event loop is uvloop's")
    return uvloop.new_event_loop
