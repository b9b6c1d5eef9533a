"""
How long it takes to begin: imports, the help of the command line, the first message.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial

from benchmarks.subjects import Subject
from benchmarks.workloads.case import Case, Column, Scale, Workload
from swergio.bench.outcome import Outcome
from swergio.bench.processes import RoleFailed
from swergio.bench.stage import Contender, Stage

DEADLINE = 60.0
TIMES = 5  # the best of so many: what delays a start is never the program's
FIRST_MESSAGE = """
import os, sys, threading, swergio
came = threading.Event()
component = swergio.Component("first", {url})
component.on("room", echo=True)(lambda message: came.set())
component.start()
component.send("room", "hello")
came.wait(30) or sys.exit("no message")
sys.stdout.write("came")
sys.stdout.flush()
os._exit(0)
"""
PROGRAMS = {
    "import asyncio": ["-c", "import asyncio"],
    "import swergio": ["-c", "import swergio"],
    "swergio --help": ["-c", "import sys; sys.argv[1:] = ['--help']; from swergio.cli import main; main()"],
    "first message, and the hub started for it": ["-c", FIRST_MESSAGE.format(url=None)],
}


def _cases(subjects: Sequence[Subject], scale: Scale) -> list[Case]:
    times = TIMES if scale.factor >= 1 else 1
    programs = [Case("", name, partial(_run, program, times)) for name, program in PROGRAMS.items()]
    first = [
        Case("", f"first message, {contender.name}", partial(_first_message, contender, times))
        for subject in subjects
        if subject.is_swergio
        for contender in subject.contenders(("plain",))
    ]
    return programs + first if first else []


def _first_message(contender: Contender, times: int) -> Outcome:
    try:
        with Stage(contender) as stage:
            return _run(["-c", FIRST_MESSAGE.format(url=repr(stage.url))], times)
    except RoleFailed as exc:
        return Outcome(problem=str(exc))


def _run(program: list[str], times: int) -> Outcome:
    took = []
    for _ in range(times):
        # A hub that was started on demand ends when the folder with its address is gone.
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"SWERGIO_RUNTIME_DIR": folder}
            began = time.perf_counter()
            try:
                done = subprocess.run(
                    [sys.executable, *program],
                    capture_output=True,
                    text=True,
                    timeout=DEADLINE,
                    env=environment,
                    cwd=folder,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return Outcome(problem=f"took longer than {DEADLINE:g} s")
            took.append(time.perf_counter() - began)
        if done.returncode:
            return Outcome(problem=f"ended with {done.returncode}: {done.stderr[-300:]}")
    return Outcome({"time": min(took) * 1e3})


STARTUP = Workload(
    "startup", "To begin, in a program of its own", (Column("time", "ms", 1),), less_is_more=True, cases=_cases
)
