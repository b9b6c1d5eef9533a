"""
From what is said about components to what is run: commands, folders, variables.

All that can be checked before anything is started is checked here: that scripts, interpreters and folders are there,
that settings are settings, and that one thing is not said twice. Relative paths begin at the folder of the file.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swergio.errors import ConfigurationError, InvalidName
from swergio.messages import check_name
from swergio.settings import load
from swergio.settings.loading import KEYS
from swergio.swarm.keys import Common, Entry, Restart, checked, unknown

if TYPE_CHECKING:
    from swergio.swarm.reading import Source

READY_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0  # beyond 'close_timeout', in which a component still sends what is queued

SETTINGS = [key for key in KEYS if key not in {"hub", "token"}]
NEVER = Restart()
FILES = {"token_file", "tls_ca", "tls_cert", "tls_key", "curve_key", "curve_hub"}
_INTERPRETERS = ("bin/python", "Scripts/python.exe", "python", "python.exe")


@dataclass(frozen=True, slots=True)
class Program:
    """
    What is started for a component.

    Attributes:
        name: The component's name in the file.
        command: The program and its arguments.
        folder: Its working folder.
        environment: Variables of its own.
        replicas: How many of it.
        restart: What happens when one of them ends.
        joins: It says itself when it is ready.
        ready_timeout, stop_timeout: Seconds until it must be ready, or must have ended.
        delay: Seconds between its being ready and the next one's start.
        main: When it ends, all is done.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    replicas: int = 1
    restart: Restart = NEVER
    joins: bool = True
    ready_timeout: float = READY_TIMEOUT
    stop_timeout: float = STOP_TIMEOUT
    delay: float = 0.0
    main: bool = False


class Programs:
    """
    Makes programs of what a file says.

    Args:
        source: The file.
        said: Its table ``settings``.

    Attributes:
        settings: Those of swergio that hold for all components.

    Raises:
        ConfigurationError: one of the settings is wrong.
    """

    def __init__(self, source: Source, said: Mapping[str, Any]) -> None:
        self._source = source
        own = {str(key): value for key, value in said.items() if key not in KEYS}
        self._common = checked(Common, own, source.name, "settings", SETTINGS)
        self._refuse_terminals("settings", self._common)
        self.settings = self._settings("settings", {key: value for key, value in said.items() if key in KEYS})

    def make(self, name: str, entry: Entry) -> Program:
        """
        Return the program of a component.

        Raises:
            ConfigurationError: something that it needs is not there, or is said twice, or does not fit.
        """
        place = f"components.{name}"
        try:
            check_name(name, "component")
        except InvalidName as exc:
            raise ConfigurationError(f"{self._source.name}: {place}: {exc}") from None
        self._refuse_terminals(place, entry)
        common = self._common
        settings = self._settings(f"{place}.settings", entry.settings)
        return Program(
            name=name,
            command=self._command(place, entry),
            folder=self._folder(place, entry.folder),
            environment={
                **variables(self.settings), **common.environment, **variables(settings), **entry.environment,
            },
            replicas=entry.replicas,
            restart=entry.restart or common.restart or NEVER,
            joins=self._joins(entry),
            ready_timeout=entry.ready_timeout or common.ready_timeout or READY_TIMEOUT,
            stop_timeout=entry.stop_timeout or common.stop_timeout or STOP_TIMEOUT,
            delay=entry.delay,
            main=entry.main,
        )  # fmt: skip

    def _wrong(self, place: str, problem: str, expected: str = "", remedy: str = "") -> ConfigurationError:
        return ConfigurationError(f"{self._source.name}: {place} {problem}", expected, remedy)

    def _refuse_terminals(self, place: str, said: Common | Entry) -> None:
        if said.terminal_cmd is not None:
            remedy = "Take it out: what all components print comes here, each line with its name"
            raise self._wrong(f"{place}.terminal_cmd", "is of 0.0.2, and no terminals are opened any more", "", remedy)

    # -- commands -------------------------------------------------------------------------------------------------

    def _command(self, place: str, entry: Entry) -> tuple[str, ...]:
        ways = [key for key in ("script", "module", "command", "filepath") if getattr(entry, key)]
        if len(ways) != 1:
            problem = f"says {' and '.join(ways)}" if ways else "does not say what to run"
            raise self._wrong(place, problem, "one of script, module, command and filepath")
        if entry.command:
            return self._any_command(place, entry)
        if entry.filepath and entry.filepath.endswith(".jl"):
            return self._julia(place, entry)
        if entry.filepath and not entry.filepath.endswith(".py"):
            raise self._wrong(f"{place}.filepath", f"is {entry.filepath!r}", "a file that ends in .py or .jl", _COMMAND)
        python = self._interpreter(place, entry)
        if entry.module:
            return (python, "-m", entry.module, *entry.arguments)
        key = "script" if entry.script else "filepath"
        return (python, self._file(f"{place}.{key}", entry.script or entry.filepath or ""), *entry.arguments)

    def _any_command(self, place: str, entry: Entry) -> tuple[str, ...]:
        for key in ("arguments", "python", "python_cmd", "envpath"):
            if getattr(entry, key):
                raise self._wrong(f"{place}.{key}", "stands beside a command", "a command that says all of it")
        return entry.command

    def _julia(self, place: str, entry: Entry) -> tuple[str, ...]:
        project = entry.envpath or self._common.julia_envpath
        options = [f"--project={self._source.folder / project}"] if project else []
        return ("julia", *options, self._file(f"{place}.filepath", entry.filepath or ""), *entry.arguments)

    @staticmethod
    def _joins(entry: Entry) -> bool:
        if entry.ready is not None:
            return entry.ready == "joined"
        return not entry.command and not (entry.filepath or "").endswith(".jl")

    def _interpreter(self, place: str, entry: Entry) -> str:
        for where, said in ((place, entry), ("settings", self._common)):
            words = {key: getattr(said, key, None) for key in ("python", "envpath", "python_envpath", "python_cmd")}
            given = {key: value for key, value in words.items() if value}
            # 0.0.2 looked for python_cmd in the environment, and its default has a value in many files.
            if len(given) == 2 and given.get("python_cmd") == "python" and "python" not in given:
                del given["python_cmd"]
            if len(given) > 1:
                raise self._wrong(where, f"says {' and '.join(given)}", "one interpreter")
            for key, value in given.items():
                return self._found(f"{where}.{key}", value)
        return sys.executable

    def _found(self, place: str, said: str) -> str:
        path = self._source.folder / Path(said).expanduser()
        candidates = [path / inside for inside in _INTERPRETERS] if path.is_dir() else [path]
        # Not resolved: where the interpreter is linked from tells which environment it belongs to.
        found = next((str(file) for file in candidates if os.access(file, os.X_OK) and file.is_file()), None)
        if found is None and Path(said).name == said:
            found = shutil.which(said)
        if found is None:
            raise self._wrong(place, f"is {said!r}", "an interpreter of Python, or the folder of an environment")
        return found

    def _file(self, place: str, said: str) -> str:
        path = self._source.folder / Path(said).expanduser()
        if not path.is_file():
            raise self._wrong(place, f"is {said!r}", f"a file; there is no {path}")
        return str(path)

    def _folder(self, place: str, said: str | None) -> Path:
        path = self._source.folder / Path(said or "").expanduser()
        if not path.is_dir():
            raise self._wrong(f"{place}.folder", f"is {said!r}", f"a folder; there is no {path}")
        return path

    # -- swergio's settings ---------------------------------------------------------------------------------------

    def _settings(self, place: str, said: Mapping[str, Any]) -> dict[str, Any]:
        for key in said:
            if key == "token":
                remedy = "Name the file that holds it with token_file, or set SWERGIO_TOKEN"
                raise self._wrong(f"{place}.token", "is a secret, in a file that others read", "no token", remedy)
            if key not in SETTINGS:
                raise unknown(f"{self._source.name}: {place}.{key}", str(key), SETTINGS)
        told = {key: self._from_here(key, value) for key, value in said.items()}
        self.check(place, told)
        return told

    def _from_here(self, key: str, value: Any) -> Any:
        return self._source.folder / Path(value).expanduser() if key in FILES and isinstance(value, str) else value

    def check(self, place: str, settings: Mapping[str, Any]) -> None:
        """
        Have swergio look at settings before a component does.

        Raises:
            ConfigurationError: one of them is wrong; it is called by its place in the file.
        """
        try:
            load(**settings)
        except ConfigurationError as exc:
            key = re.match(r"argument '([\w.]+)'", exc.problem)
            if key is None:
                raise
            said = exc.problem[key.end() :].strip()
            name = key[1].removeprefix("hub.") if place == "hub" else key[1]
            raise self._wrong(f"{place}.{name}", said, exc.expected, exc.remedy) from None


_COMMAND = "Say any other program with 'command'"


def variables(settings: Mapping[str, Any], prefix: str = "SWERGIO_") -> dict[str, str]:
    """
    Return the variables that say settings to a program.
    """
    return {prefix + key.upper(): _as_variable(value) for key, value in settings.items()}


def _as_variable(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
