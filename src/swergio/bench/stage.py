"""
The processes of one run of a measurement, and whose they are.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from swergio.bench.processes import Command, Process, python

OUT, BACK = "swergio-bench-out", "swergio-bench-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """
    One of the things that are compared.

    Attributes:
        name: What tables call it.
        client: The class that carries its messages (`swergio.bench.clients`), as ``module:class``.
        loop: The event loop that its awaited clients run on: ``asyncio`` or ``uvloop``.
        url: The deployment, where one stands already.
        broker: What the role of its broker is told, where each run has one of its own.
        options: What its client is told.
        forms: The form of its texts and of its arrays (`swergio.bench.counting.FORMS`).
        environment: Variables for all its processes.
        hide: Modules that shall look as if they were not installed.
        interpreter: What starts Python, if not the interpreter that runs this.
        mark: Put behind the names of its rooms, so that several who measure one deployment do not meet.
    """

    name: str
    client: str
    loop: str = "asyncio"
    url: str | None = None
    broker: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    forms: tuple[str, str] = ("text", "array")
    environment: dict[str, str] = field(default_factory=dict)
    hide: tuple[str, ...] = ()
    interpreter: tuple[str, ...] = ()
    mark: str = ""

    def command(self, told: dict[str, Any]) -> Command:
        """
        Return how one of its processes is started.
        """
        told = {"hide": list(self.hide), **told}
        if self.interpreter:
            return Command([*self.interpreter, json.dumps(told)], self.environment)
        return python(told, self.environment)


class Stage:
    """
    The processes of one run, ended with the ``with`` block.

    Args:
        contender: Whose they are.
        core: The core that all of them stay on, or None.

    Attributes:
        url: The deployment.
        broker: Its process, if this run started it.
    """

    def __init__(self, contender: Contender, core: int | None = None) -> None:
        self.contender = contender
        self.broker: Process | None = None
        self._core = core
        self._undo = ExitStack()
        self._roles: defaultdict[str, list[Process]] = defaultdict(list)

    def __enter__(self) -> Self:
        self.url = self.contender.url or ""
        if self.contender.broker is not None:
            with self._undo:
                self.broker = self._start("broker", {"loop": self.contender.loop, **self.contender.broker})
                self.url = self.broker.hear("ready")["url"]
                self._undo = self._undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def add(self, role: str, sends: str | None = None, listens: str | None = None, **told: Any) -> Process:
        """
        Start a role that has a client, and return it; it is not waited for.
        """
        contender = self.contender
        rooms = [name and name + contender.mark for name in (sends, listens)]
        own = {"client": contender.client, "loop": contender.loop, "place": [self.url, *rooms, contender.options]}
        play = told.pop("play", f"swergio.bench.roles:{role}")
        return self._start(role, {"play": play, **own, **told})

    def _start(self, role: str, told: dict[str, Any]) -> Process:
        command = self.contender.command({**told, "core": self._core})
        process = self._undo.enter_context(Process(f"{role} of {self.contender.name}", command))
        self._roles[role].append(process)
        return process

    def cpu(self) -> dict[str, float] | None:
        """
        Return the seconds of CPU that each role has used so far; None where the system does not tell.
        """
        spent: dict[str, float] = {}
        for role, processes in self._roles.items():
            for process in processes:
                seconds = process.cpu()
                if seconds is None:
                    return None
                spent[role] = spent.get(role, 0.0) + seconds
        return spent


def cpu_per_message(before: dict[str, float] | None, after: dict[str, float] | None, count: int) -> dict[str, float]:
    """
    Return the figures of the CPU that messages cost, in microseconds: of all processes, and of each role.
    """
    if before is None or after is None:
        return {}
    each = {f"cpu {role}": (seconds - before[role]) / count * 1e6 for role, seconds in after.items()}
    return {"cpu": sum(each.values()), **each}
