"""Units of systemd, read as far as these tests need it."""

from __future__ import annotations

import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


class Unit:
    """
    What a unit says in its section ``[Service]``.
    """

    def __init__(self, name: str) -> None:
        self.text = (DEPLOY / "systemd" / name).read_text("utf-8")
        section = self.text.partition("[Service]\n")[2].partition("\n[")[0]
        lines = [line for line in section.splitlines() if line and not line.startswith("#")]
        self.said: list[tuple[str, str]] = []
        for line in lines:
            key, _, value = line.partition("=")
            self.said.append((key, value))

    def all(self, key: str) -> list[str]:
        """
        Return every value of a key.
        """
        return [value for name, value in self.said if name == key]

    @property
    def credentials(self) -> dict[str, str]:
        """
        Where the secrets come from, by the name under which the service finds them.
        """
        return dict(value.split(":", 1) for value in self.all("LoadCredential"))

    def command(self, specifiers: dict[str, str]) -> list[str]:
        """
        Return what it runs.
        """
        (command,) = self.all("ExecStart")
        return shlex.split(_filled(command, specifiers))

    def environment(self, specifiers: dict[str, str]) -> dict[str, str]:
        """
        Return the variables that it sets.
        """
        return dict(_filled(value, specifiers).split("=", 1) for value in self.all("Environment"))


def _filled(text: str, specifiers: dict[str, str]) -> str:
    for specifier, value in specifiers.items():
        text = text.replace(specifier, value)
    return text
