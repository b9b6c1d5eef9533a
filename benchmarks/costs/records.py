"""What was counted before: ``recorded.json``, and how what is counted now compares with it."""

from __future__ import annotations

import json
import platform
import sys
import sysconfig
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path as File
from typing import Any

RECORDED = File(__file__).with_name("recorded.json")

# How much more is a slow-down.
TOLERANCE = {"instructions": 0.03, "calls": 0.02}


@dataclass(frozen=True, slots=True)
class Change:
    """
    A count beside the one that is recorded, None if none is.
    """

    kind: str
    name: str
    counted: int
    recorded: int | None

    @property
    def relative(self) -> float | None:
        """
        How much more it is now, as a part of what it was.
        """
        return None if self.recorded is None else self.counted / self.recorded - 1

    @property
    def slower(self) -> bool:
        """
        Whether that is more than chance.
        """
        return self.recorded is not None and self.counted > self.recorded * (1 + TOLERANCE[self.kind])


def environment() -> dict[str, str]:
    """
    Return what the counts depend on besides the code: they are of one machine code, not of one processor.
    """
    return {
        "python": platform.python_version(),
        "compiler": f"{platform.python_compiler()} {sysconfig.get_config_var('OPT') or ''}".strip(),
        "libc": " ".join(platform.libc_ver()),
        "machine": platform.machine(),
        "msgpack": _version("msgpack"),
        "numpy": _version("numpy"),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


class Records:
    """
    The counts that were recorded for the minor version of Python that runs.
    """

    def __init__(self, file: File = RECORDED) -> None:
        self._file = file
        self._all: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        self._python = "{}.{}".format(*sys.version_info)

    @property
    def here(self) -> dict[str, Any]:
        """
        What is recorded for this Python, empty if nothing is.
        """
        found: dict[str, Any] = self._all.get(self._python, {})
        return found

    def compare(self, kind: str, counts: dict[str, int]) -> list[Change]:
        """
        Set counts beside those that are recorded; ``kind`` is "instructions" or "calls".
        """
        recorded = self.here.get(kind, {})
        return [Change(kind, name, count, recorded.get(name)) for name, count in counts.items()]

    def differences(self) -> list[str]:
        """
        Say in what the environment is another one than that of the records.
        """
        recorded = self.here.get("environment", {})
        now = environment()
        return [f"{key} {now[key]}, recorded with {recorded[key]}" for key in recorded if recorded[key] != now[key]]

    def record(self, kind: str, counts: dict[str, int], *, whole: bool) -> None:
        """
        Write counts to the file; what it has of other paths stays, unless these are all (``whole``).
        """
        here = dict(self.here)
        here["environment"] = environment()
        here[kind] = counts if whole else {**here.get(kind, {}), **counts}
        self._all[self._python] = here
        self._file.write_text(json.dumps(dict(sorted(self._all.items())), indent=2) + "\n", "utf-8")
