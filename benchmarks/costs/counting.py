"""Counting: how many instructions, and how many calls, one repetition of a path takes.

Instructions are counted by valgrind's callgrind, which runs this module as a program of its own, executes every
instruction of it in software, and so gives the same count each time, whatever else the machine does. A region is marked
by two functions of the C library that nothing else calls: callgrind zeroes its counters before ``getsid`` and writes
them to a file before ``getpgid``. So start-up, imports, preparation and warm-up are in no count, and all paths are
counted in one run.

Calls (of Python and of C functions) are counted by ``sys.setprofile``: no tool is needed, and it takes a second.
"""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path as File
from types import FrameType
from typing import Any, NamedTuple

from benchmarks.costs.paths import Path

# Python specializes code as it runs, and tries again what did not work: counts are steady after 50 repetitions, or
# sooner if each of them runs the same code for many messages. Lists and dicts have their size by then, too.
WARM_UP, WARM_UP_MANY = 50, 12
REPEAT = 7
WARM_UP_CALLS, REPEAT_CALLS = 3, 3  # rooms, channels and caches are made by the first ones

# Which variants of memcpy and the like the C library takes depends on the processor, and so would the counts.
_SAME_VARIANTS = (
    "glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM"
    ":glibc.cpu.x86_non_temporal_threshold=0x10000000"
)
_CALLGRIND = ("--tool=callgrind", "--quiet", "--zero-before=getsid", "--dump-before=getpgid")
_PLAINLY = ("--dump-line=no", "--compress-strings=no", "--compress-pos=no")


class Profile(NamedTuple):
    """
    What one repetition of a path took.

    Attributes:
        total: How much, the median of some repetitions.
        spread: The largest less the smallest of them, by the median.
        functions: How much of it each function took itself.
    """

    total: int
    spread: float
    functions: Counter[str]


class NoValgrind(Exception):
    """
    Instructions cannot be counted here; the text says what to do.
    """


# -- instructions -------------------------------------------------------------------------------------------------


def instructions(names: Iterable[str], paths: str = "benchmarks.costs.paths") -> dict[str, Profile]:
    """
    Count instructions, in a new process; ``paths`` is the module that has the paths.

    Raises:
        NoValgrind: valgrind is not installed, or cannot run Python here.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise NoValgrind(
            "valgrind is not installed, which counts the instructions. Debian and Ubuntu: apt-get install valgrind; "
            "Fedora: dnf install valgrind; it runs on Linux. --calls counts calls instead, without it."
        )
    names = list(names)
    with tempfile.TemporaryDirectory() as folder:
        counts = File(folder) / "counts"
        command = [valgrind, *_CALLGRIND, *_PLAINLY, f"--callgrind-out-file={counts}"]
        program = [sys.executable, "-m", __name__, paths, *names]
        done = subprocess.run([*command, *program], env=_environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoValgrind(f"the paths do not run under valgrind:\n{done.stderr[-4000:]}")
        dumps = [File(f"{counts}.{number + 1}").read_text("utf-8") for number in range(REPEAT * len(names))]
    parts = [dumps[at : at + REPEAT] for at in range(0, len(dumps), REPEAT)]
    return {name: _median(part) for name, part in zip(names, parts, strict=True)}


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SWERGIO_", "MALLOC_", "PYTHON"))}
    same = {"PYTHONHASHSEED": "0", "GLIBC_TUNABLES": _SAME_VARIANTS}
    return kept | same | {key: os.environ[key] for key in ("PYTHONPATH",) if key in os.environ}


def _median(dumps: list[str]) -> Profile:
    totals = [_total(dump) for dump in dumps]
    middle = statistics.median_low(totals)
    return Profile(middle, (max(totals) - min(totals)) / middle, _functions(dumps[totals.index(middle)]))


def _total(dump: str) -> int:
    (line,) = (line for line in dump.splitlines() if line.startswith("summary:"))
    return int(line.split()[1])


def _functions(dump: str) -> Counter[str]:
    """
    Return what each function took itself, from a file of callgrind's without compression.
    """
    functions: Counter[str] = Counter()
    name, of_callee = "?", False
    for line in dump.splitlines():
        if line.startswith("fn="):
            name = line[3:]
        elif line.startswith("calls="):
            of_callee = True  # the line behind it has what the callee took
        elif line[:1].isdigit():
            if not of_callee:
                functions[name] += int(line.split()[1])
            of_callee = False
    return functions


def _count_below_valgrind(module: str, names: Iterable[str]) -> None:
    paths: dict[str, Callable[[], Path]] = importlib.import_module(module).PATHS
    for name in names:
        path = paths[name]()
        repeat(path, _marked, WARM_UP if path.units < 512 else WARM_UP_MANY, REPEAT)


def _marked(step: Callable[[], Any]) -> int:
    os.getsid(0)
    step()
    os.getpgid(0)
    return 0


# -- calls --------------------------------------------------------------------------------------------------------


def calls(path: Path) -> Profile:
    """
    Count the calls of Python and of C functions.
    """
    seen: list[Counter[str]] = []

    def counted(step: Callable[[], Any]) -> int:
        functions: Counter[str] = Counter()

        def note(frame: FrameType, event: str, argument: Any) -> None:
            if event == "call":
                functions[_python_name(frame)] += 1
            elif event == "c_call":
                functions[getattr(argument, "__qualname__", repr(argument))] += 1

        sys.setprofile(note)
        try:
            step()
        finally:
            sys.setprofile(None)
        seen.append(functions)
        return functions.total()

    totals = repeat(path, counted, WARM_UP_CALLS, REPEAT_CALLS)
    middle = statistics.median_low(totals)
    return Profile(middle, (max(totals) - min(totals)) / middle, seen[totals.index(middle)])


def _python_name(frame: FrameType) -> str:
    code = frame.f_code
    return f"{File(code.co_filename).stem}.{code.co_qualname}"


def repeat(path: Path, counted: Callable[[Callable[[], Any]], int], warm_up: int, times: int) -> list[int]:
    """
    Run a path until it is warm, and then some more with its steps run by ``counted``; return what that returned.

    The collector of garbage is off meanwhile: when its turn comes depends on all that was allocated before.
    """
    results = []
    gc.collect()
    gc.disable()
    try:
        for number in range(warm_up + times):
            path.before()
            if number < warm_up:
                path.step()
            else:
                results.append(counted(path.step))
            path.after()
    finally:
        gc.enable()
        path.deployment.close()
    return results


if __name__ == "__main__":
    _count_below_valgrind(sys.argv[1], sys.argv[2:])
