"""A swarm as it is described: checked, and turned into programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from swergio.errors import ConfigurationError
from swergio.settings import load
from swergio.swarm.keys import Entry, File, Restart, checked
from swergio.swarm.programs import FILES, Program, Programs, variables
from swergio.swarm.reading import Source, read

HUB = "hub"
LOOPBACK = "ws://127.0.0.1:0"


class Description:
    """
    What a swarm is to run.

    Args:
        source: A file, a mapping with the keys of a file, or None for nothing yet.

    Attributes:
        programs: The components, by name, in the order in which they are started.
        hub: The hub to start before them; None for none.
        url: The deployment that is said for all of them.
        token: The token that is set for all of them.

    Raises:
        ConfigurationError: something in it is wrong. It names the file and the key, and says what was expected.
        MissingExtra: a file is to be read, and PyYAML is not installed.
    """

    def __init__(self, source: str | Path | Mapping[str, Any] | None = None) -> None:
        self._source = source_ = read(source)
        file = checked(File, source_.said, source_.name)
        self._programs = Programs(source_, file.settings or {})
        self.programs: dict[str, Program] = {}
        for name, entry in file.components.items():
            self._take(name, entry)
        settings = self._programs.settings
        self.url: str | None = settings.get("url")
        token = load(**settings).token
        self.token = token.get_secret_value() if token else None
        self.hub = self._hub(source_, file.hub)

    def add(self, name: str, script: str | None = None, **keys: Any) -> Program:
        """
        Add a component, behind the others.

        Args:
            name: What it is called here.
            script: A file in Python.
            keys: What a file says of a component: see `swergio.swarm.Entry`.

        Raises:
            ConfigurationError: a key or value is wrong, or there is one of the name.
        """
        said = keys if script is None else {"script": script, **keys}
        where = self._source.name
        file = checked(File, {"components": {name: said}}, where)
        if name in self.programs:
            raise ConfigurationError(f"{where}: components.{name} is there already", "another name")
        return self._take(name, file.components[name])

    def _take(self, name: str, entry: Entry) -> Program:
        if name == HUB:
            expected = "another name: it is that of the hub which is started by 'hub: true'"
            raise ConfigurationError(f"{self._source.name}: a component is called {name!r}", expected)
        program = self.programs[name] = self._programs.make(name, entry)
        return program

    def _hub(self, source: Source, said: bool | dict[str, Any]) -> Program | None:
        if said is False:
            return None
        settings = {} if said is True else dict(said)
        curve = settings.get("curve_clients")
        if isinstance(curve, str):
            settings["curve_clients"] = source.folder / Path(curve).expanduser()
        self._programs.check("hub", {"hub": settings})
        listen = load(hub=settings).hub.listen if "listen" in settings else (LOOPBACK,)
        settings.pop("listen", None)
        common = self._programs.settings
        # Its TLS is another one's than that of those who dial: it has that from where any hub has it.
        own = {key: value for key, value in common.items() if key not in {"url", *FILES}}
        return Program(
            name=HUB,
            command=hub_command(listen),
            folder=source.folder,
            environment={**variables(own), **variables(settings, "SWERGIO_HUB_")},
            restart=Restart(policy="on-failure"),
        )


def hub_command(listen: Iterable[str]) -> tuple[str, ...]:
    """
    Return the command of a hub that listens on URLs.
    """
    # -P: the working folder may hold anything, also a random.py.
    urls = [word for url in listen for word in ("--listen", url)]
    return (sys.executable, "-P", "-m", "swergio.hub", *urls)
