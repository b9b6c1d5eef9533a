"""The swarm for scripts and notebooks: a thin door to a supervisor, whose loop runs in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from swergio.portal import Portal
from swergio.swarm.description import Description
from swergio.swarm.keeper import Status
from swergio.swarm.output import OWN_NAME, Printer
from swergio.swarm.supervisor import Supervisor


class Swarm:
    """
    The programs of a process, started and stopped together.

    Example::

        with swergio.Swarm({"hub": True}) as swarm:
            swarm.add("forecaster", "forecaster.py")
            swarm.add("site", "site.py", replicas=3, restart="on-failure")
            swarm.start()  # what was added; a with block begins with this too
            with swergio.Component("trainer", swarm.url, token=swarm.token) as trainer:
                ...

    What components print appears where the swarm was made, each line with the name of its component. At the end of the
    ``with`` block, or with `stop`, all of them end; so they do if this process is killed.

    Args:
        source: A file, such as ``swarm.yaml``; or a mapping with the same keys; or nothing, for what `add` will name.
        output: Called with a name and each line that this component prints; the name is "" for what the swarm itself
            has to tell. By default they are printed. It is called on a thread of the swarm, and must not block.

    Raises:
        ConfigurationError: something in it is wrong. It names the file and the key, and says what was expected.
        MissingExtra: a file is to be read, and PyYAML is not installed.
    """

    def __init__(
        self,
        source: str | Path | Mapping[str, Any] | None = None,
        *,
        output: Callable[[str, str], None] | None = None,
    ) -> None:
        self._description = Description(source)
        self._output = output or _printed(Printer())
        self._portal: Portal | None = None
        self._supervisor: Supervisor | None = None

    def add(self, name: str, script: str | None = None, **keys: Any) -> None:
        """
        Add a component, which `start` starts behind the others.

        Args:
            name: What it is called here.
            script: A file in Python; relative paths begin at the folder of the file, or at the working folder.
            keys: What a file says of a component, such as ``arguments``, ``replicas`` or ``restart``: see
                `swergio.swarm.Entry`.

        Raises:
            ConfigurationError: a key or value is wrong, or there is one of the name.
        """
        self._description.add(name, script, **keys)

    def start(self, components: str | Iterable[str] | None = None) -> Self:
        """
        Start components, each when the one before is ready: connected, and in its rooms. All are when this returns.

        Those that run already are left alone.

        Args:
            components: The name of one, or several names; by default all.

        Raises:
            ComponentFailed: one could not be started, or failed for good. The others run on.
            ConfigurationError: there is none of the name; or a swarm cannot be run here, on Windows.
        """
        names = _names(components)
        supervisor = self._open()
        self._door().call(lambda: supervisor.start(names))
        return self

    def stop(self, components: str | Iterable[str] | None = None) -> None:
        """
        Stop components: SIGTERM, and SIGKILL if they have not ended within their ``stop_timeout``.

        Args:
            components: The name of one, or several names; by default all, and the hub of the swarm after them.
        """
        supervisor, portal = self._supervisor, self._portal
        if supervisor is None or portal is None:
            return
        if components is not None:
            names = _names(components)
            portal.call(lambda: supervisor.stop(names))
            return
        self._supervisor = self._portal = None
        try:
            portal.call(lambda: supervisor.__aexit__(None, None, None))
        finally:
            portal.end(1)

    def wait(self, timeout: float | None = None) -> None:
        """
        Return when all components have ended, or those that are ``main``. The others run on.

        Raises:
            ComponentFailed: one failed for good.
            TimeoutError: that took longer than ``timeout`` seconds.
        """
        supervisor = self._supervisor
        if supervisor is not None:
            self._door().call(lambda: asyncio.wait_for(supervisor.wait(), timeout))

    @property
    def url(self) -> str | None:
        """
        The deployment of the components; None for the one that a component without a URL finds here.

        It is that of the swarm's own hub once that runs.
        """
        return self._supervisor.url if self._supervisor else self._description.url

    @property
    def token(self) -> str | None:
        """
        What the swarm's own hub asks for; else what is set for the components, or None.
        """
        if self._supervisor is not None and self._description.hub is not None:
            return self._supervisor.token
        return self._description.token

    @property
    def status(self) -> list[Status]:
        """
        How it stands with each process that was started, in the order of their starts.
        """
        supervisor = self._supervisor
        return supervisor.statuses if supervisor else []

    def _open(self) -> Supervisor:
        if self._supervisor is None:
            # asyncio's own, as on the command line: there is nothing to be gained from another one here.
            portal = Portal("swergio swarm", "asyncio")
            try:
                self._supervisor = portal.call(self._entered)
            except BaseException:
                portal.end(1)
                raise
            self._portal = portal
        return self._supervisor

    async def _entered(self) -> Supervisor:
        return await Supervisor(self._description, self._output).__aenter__()

    def _door(self) -> Portal:
        assert self._portal is not None
        return self._portal

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _names(components: str | Iterable[str] | None) -> list[str] | None:
    if components is None:
        return None
    return [components] if isinstance(components, str) else list(components)


def _printed(printer: Printer) -> Callable[[str, str], None]:
    return lambda name, line: printer(name or OWN_NAME, line)
