"""
The program that each process of a measurement runs: ``python -m swergio.bench.role JSON``.

It says and is told one line of JSON at a time. It says when it is ready, what it did when it has done what it was told,
and nothing while the clock runs. When its standard input ends, so does it: nothing outlives whoever started it.

This module, and those that it imports at its head, need nothing but the standard library: they also run beside another
version of swergio.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

Order: TypeAlias = dict[str, Any]

LAST_GRACE = 2.0  # for a role that tidies up; then it is ended, whatever it does

_saying = threading.Lock()


def say(**facts: Any) -> None:
    """
    Tell the harness.
    """
    with _saying:
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


class Orders:
    """
    What the harness tells, read by a thread of its own.

    Args:
        obey: What is done at once, on that thread, by the name of the order. All else waits for `next`.
    """

    def __init__(self, **obey: Callable[[Any], None]) -> None:
        self._obey = obey
        self._others: queue.SimpleQueue[Order] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    def next(self) -> Order:
        """
        Return the next order; waits for it.
        """
        return self._others.get()

    async def next_one(self) -> Order:
        """
        Return the next order; awaits it.
        """
        return await asyncio.get_running_loop().run_in_executor(None, self._others.get)

    def _read(self) -> None:
        for line in sys.stdin:
            order = json.loads(line)
            known = [name for name in order if name in self._obey]
            for name in known:
                self._obey[name](order[name])
            if not known:
                self._others.put(order)
        end()


def end() -> None:
    """
    End this process: as SIGTERM does it, and if that does not, soon after.
    """
    threading.Timer(LAST_GRACE, os._exit, [1]).start()
    os.kill(os.getpid(), signal.SIGTERM)


def run_loop(main: Callable[[], Any], loop: str) -> None:
    """
    Run a coroutine function, on asyncio's own loop or on uvloop.
    """
    if loop == "uvloop":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())


def find(path: str) -> Any:
    """
    Return what ``module:name`` names.
    """
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def main(told: dict[str, Any]) -> None:
    """
    Play a role.

    Args:
        told: ``play``, as ``module:function``; ``core``, which to stay on; ``hide``, modules that shall look as if they
            were not installed; all else is the function's.
    """
    _open_many_files()
    core = told.pop("core", None)
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    for name in told.pop("hide", ()):
        sys.modules[name] = None  # type: ignore[assignment]
    find(told.pop("play"))(**told)


def _open_many_files() -> None:
    """
    Allow as many connections as the system lets this user have.
    """
    with contextlib.suppress(ImportError):  # Windows has neither the module nor the limit
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
