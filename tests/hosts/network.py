"""Hosts with a network between them whose links can be cut: what the scenarios need of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.hosts.programs import CHARACTERS, Program

HOSTS = ("north", "east", "west", "spare")
SERVER = HOSTS[0]


class Network(ABC):
    """
    Four hosts. Servers (a hub, a Redis) listen on the first one, ``north``; the others reach it over links.

    Up inside ``with``; at its end, whatever runs on the hosts is killed, and nothing of them is left.

    Args:
        folder: Where the output of programs goes.
    """

    @property
    def address(self) -> str:
        """
        That of `SERVER`.
        """
        return self.address_of(SERVER)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs: dict[str, list[Program]] = {host: [] for host in HOSTS}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """
        End everything on all hosts, and mend their links.
        """
        for host in HOSTS:
            self.power_off(host)
            self.mend(host)

    def run(self, host: str, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Program:
        """
        Start a program on a host; what programs of one name print goes to one file.
        """
        log = self.folder / f"{host}-{name}.log"
        program = Program([*self.prefix(host), *command], environment, log)
        self._programs[host].append(program)
        return program

    def power_off(self, host: str) -> None:
        """
        Kill everything that runs on a host.
        """
        while self._programs[host]:
            self._programs[host].pop().kill()

    def lose(self, host: str) -> None:
        """
        Lose a host: nothing comes from it any more, not even the news that its connections are gone.
        """
        self.cut(host)
        self.power_off(host)

    def told(self) -> str:
        """
        Return the end of all that was printed, for a failure.
        """
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"-- {log.name}\n{log.read_text(errors='replace')[-CHARACTERS:]}" for log in logs)

    @abstractmethod
    def prefix(self, host: str) -> Sequence[str]:
        """
        Return what stands before a command to have it run on a host.
        """

    @abstractmethod
    def address_of(self, host: str) -> str:
        """
        Return the address of a host.
        """

    @abstractmethod
    def free_port(self) -> int:
        """
        Return a port that nobody listens on.
        """

    @abstractmethod
    def reach(self, host: str, port: int) -> tuple[str, int]:
        """
        Return the address and port at which a host reaches a port of `SERVER`.
        """

    @abstractmethod
    def cut(self, host: str) -> None:
        """
        Let nothing through to a host and from it, and tell nobody, as a cable does that is pulled out.
        """

    @abstractmethod
    def mend(self, host: str) -> None:
        """
        Let everything through again.
        """
