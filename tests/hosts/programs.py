"""Programs that run on the hosts of a test."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

DEADLINE = 60.0
CHARACTERS = 3000  # of a log, in a failure


class Program:
    """
    A process whose output goes to a file; it gets no settings but those that it is given.

    Args:
        command: What to run.
        environment: Variables beside those of this process; ``SWERGIO_*`` are only those.
        log: Where its output goes.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self._before = log.stat().st_size if log.exists() else 0
        around = {name: value for name, value in os.environ.items() if not name.startswith("SWERGIO_")}
        # In a folder of its own, so that no swergio.toml above this checkout has a say.
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command, env={**around, **environment}, cwd=log.parent, stdout=file, stderr=subprocess.STDOUT
            )

    @property
    def output(self) -> str:
        """
        What it has printed.
        """
        return self.log.read_bytes()[self._before :].decode(errors="replace")

    @property
    def running(self) -> bool:
        """
        Whether it has not ended.
        """
        return self._process.poll() is None

    def wait_until(self, told: Callable[[str], bool], what: str) -> None:
        """
        Return when the output fulfils a condition.
        """
        deadline = time.monotonic() + DEADLINE
        while not told(self.output):
            assert self.running, f"{self.log.name} ended before {what}:\n{self.output[-CHARACTERS:]}"
            late = time.monotonic() > deadline
            assert not late, f"not in {DEADLINE:g} s: {what}; {self.log.name} says\n{self.output[-CHARACTERS:]}"
            time.sleep(0.02)

    def wait_for(self, text: str) -> None:
        """
        Return when it has printed a text.
        """
        self.wait_until(lambda output: text in output, f"it says {text!r}")

    def says(self, text: str) -> bool:
        """
        Return whether it prints a text before it ends.
        """
        self.wait_until(lambda output: text in output or not self.running, f"it says {text!r}, or ends")
        return text in self.output

    def wait(self) -> int:
        """
        Return its exit code, once it has ended.
        """
        try:
            return self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.log.name} does not end:\n{self.output[-CHARACTERS:]}") from None

    def stop(self) -> int:
        """
        Tell it to end, as systemd does, and return its exit code.
        """
        self._process.terminate()
        return self.wait()

    def kill(self) -> None:
        """
        End it as a power cut does.
        """
        self._process.kill()
        self._process.wait()
