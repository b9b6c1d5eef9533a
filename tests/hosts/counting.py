"""Numbered messages between hosts, and the check of what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from swergio.testing import History, Report
from tests.hosts.programs import DEADLINE, Program

Start = Callable[[str, str, Path], Program]


class Tally:
    """
    A sender on one host and receivers on others, each with a history in a file of its own.
    """

    def __init__(self, start: Start, folder: Path, sender: str, receivers: Sequence[str]) -> None:
        self._start = start
        self._folder = folder
        # All at once: what is sent before a receiver has joined is not owed to it.
        self._receivers = {host: self._receive(host) for host in receivers}
        self.sender = start(sender, "send", folder / f"sender-{sender}.jsonl")
        self._name = sender
        for program in (self.sender, *self._receivers.values()):
            program.wait_for("ready")

    def add(self, host: str) -> None:
        """
        Have one more host receive.
        """
        self._receivers[host] = self._receive(host)
        self._receivers[host].wait_for("ready")

    def _receive(self, host: str) -> Program:
        return self._start(host, "receive", self._folder / f"receiver-{host}.jsonl")

    def forget(self, host: str) -> None:
        """
        A host is lost: nothing is owed to it any more.
        """
        del self._receivers[host]

    def check(self, *, lossy: bool = False) -> None:
        """
        End the sender, and check that every receiver got everything, once and in order.

        Args:
            lossy: Messages may be lost, as long as each receiver reports exactly how many.
        """
        assert self.sender.stop() == 0, self.sender.output
        deadline = time.monotonic() + DEADLINE
        while not (report := self._report(lossy=lossy)).ok and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [receiver.stop() for receiver in self._receivers.values()] == [0] * len(self._receivers)
        report.raise_if_bad()

    def _report(self, *, lossy: bool) -> Report:
        files = [self._folder / f"receiver-{host}.jsonl" for host in self._receivers]
        history = History.load(self._folder / f"sender-{self._name}.jsonl", *files)
        return history.check({"tally": list(self._receivers)}, lossy=list(self._receivers) if lossy else ())
