from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Self

import pytest


class HubProcess:
    """
    A hub that can be killed, and started again on the same port.
    """

    def __init__(self) -> None:
        self.url = "ws://127.0.0.1:0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        command = [sys.executable, "-m", "swergio.hub", "--listen", self.url]
        self._program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._program.stdout is not None
        announced = self._program.stdout.readline()
        if not announced:
            self.kill()
            pytest.fail("the hub ended before it listened")
        self.url = announced.removeprefix("listening on ").strip()

    def kill(self) -> None:
        self._program.kill()
        self._program.communicate()


@pytest.fixture(scope="module")
def hub() -> Iterator[HubProcess]:
    with HubProcess() as hub:
        yield hub
