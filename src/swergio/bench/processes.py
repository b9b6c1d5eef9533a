"""
The processes of a measurement, seen from whoever starts them: none is waited for without a deadline, none is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import TracebackType
from typing import Any, NamedTuple, Self

DEADLINE = 60.0
END_GRACE = 5.0
LINES_OF_ERROR = 12


class Command(NamedTuple):
    """
    How a process is started.
    """

    arguments: list[str]
    environment: dict[str, str]


def python(told: dict[str, Any], environment: dict[str, str] | None = None) -> Command:
    """
    Return how a role is started; see `swergio.bench.role.main`.
    """
    return Command([sys.executable, "-m", "swergio.bench.role", json.dumps(told)], environment or {})


class RoleFailed(Exception):
    """
    A process of a measurement ended, or said nothing in time.

    Args:
        role: Which.
        problem: What it did.
        errors: What it wrote to its standard error.
    """

    def __init__(self, role: str, problem: str, errors: str) -> None:
        super().__init__(role, problem, errors)
        self.role, self.problem, self.errors = role, problem, errors

    def __str__(self) -> str:
        said = "\n".join(self.errors.strip().splitlines()[-LINES_OF_ERROR:])
        return f"the {self.role} {self.problem}" + (f"\n{said}" if said else "")


class Process:
    """
    One process, ended with the ``with`` block.

    Attributes:
        name: Its role.
        pid: Whose CPU time and memory count; another process may say that it is it.
    """

    def __init__(self, name: str, command: Command) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        # A session of its own: Ctrl-C is for the harness, which ends the others; and a signal reaches its children too.
        self._process = subprocess.Popen(  # noqa: S603  what the harness itself wrote
            command.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | command.environment,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name=f"{name} says", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for harder in (False, True):
            self._end(harder=harder)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_GRACE)
                break
        self._end(harder=True)  # what it left behind
        self._reader.join(END_GRACE)
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def _end(self, *, harder: bool) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform != "win32":
                os.killpg(self._process.pid, signal.SIGKILL if harder else signal.SIGTERM)
            elif self._process.poll() is None:
                self._process.terminate()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line)
        self._said.put(None)

    def tell(self, **order: Any) -> None:
        """
        Give an order.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._failed("has ended") from None

    def hang_up(self) -> None:
        """
        Close its standard input, as it is closed when this process dies.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()

    def hear(self, word: str, timeout: float = DEADLINE) -> dict[str, Any]:
        """
        Return the next thing it says that has ``word`` in it; passes over all else.

        Raises:
            RoleFailed: it ended, or did not say it in time.
        """
        facts = self.listen(word, timeout=timeout)
        if facts is None:
            raise self._failed(f"did not say {word!r} in {timeout:g} s")
        return facts

    def listen(self, *words: str, timeout: float) -> dict[str, Any] | None:
        """
        Do as `hear` with any of several words, and return None if nothing came in time.

        Raises:
            RoleFailed: it ended.
        """
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                line = self._said.get(timeout=left)
                if line is None:
                    raise self._failed("has ended")
                facts = _facts(line)
                if not facts.keys().isdisjoint(words):
                    self.pid = facts.get("pid", self.pid)
                    return facts
        return None

    def cpu(self) -> float | None:
        """
        Return the seconds of CPU that it has used, with all its threads; None where the system does not tell.
        """
        if sys.platform != "linux":
            return None
        # The clock of another process, in nanoseconds (clock_getcpuclockid); /proc/<pid>/stat has hundredths of a
        # second. Whatever the process is, it is measured from outside, and all are measured alike.
        try:
            return time.clock_gettime((~self.pid << 3) | 2)
        except OSError:
            raise self._failed("has ended") from None

    def memory(self) -> int | None:
        """
        Return the bytes of memory that it holds; None where the system does not tell.
        """
        try:
            with open(f"/proc/{self.pid}/status", encoding="utf-8") as status:  # noqa: PTH123
                return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))
        except OSError:
            return None

    def _failed(self, problem: str) -> RoleFailed:
        self._errors.seek(0)
        return RoleFailed(self.name, problem, self._errors.read().decode(errors="replace"))


def _facts(line: str) -> dict[str, Any]:
    try:
        facts = json.loads(line)
    except ValueError:
        return {}  # a library that prints
    return facts if isinstance(facts, dict) else {}
