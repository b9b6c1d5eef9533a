"""Hubs that the conformance suite may disturb: what the small class of a hub transport yields."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swergio.component import Component
from swergio.hub import HubThread
from swergio.settings import load
from swergio.testing import FaultProxy
from swergio.testing.conformance import Deployment, Limits


class Served:
    """
    A hub that can be ended and started again at its URL.
    """

    def __init__(self, listen: str, limits: Limits, token: str | None = None, **libraries: str) -> None:
        # As hasty as the components of the hasty tests, where the grace says that this is wanted.
        times: dict[str, Any] = {"heartbeat": 0.5, "dead_after": 3.0} if limits.session_grace < 5 else {}
        self._settings = load("memory://", **limits.settings, **times, **libraries)
        self._authorize = lambda shown: token is None or shown == token
        self._hub = HubThread([listen], self._settings, self._authorize)

    @property
    def url(self) -> str:
        """
        Where it listens.
        """
        return self._hub.urls[0]

    def restart(self) -> None:
        """
        End it, with all that it holds, and start another one at its URL.
        """
        url = self.url
        self._hub.close()
        self._hub = HubThread([url], self._settings, self._authorize)

    def break_connections(self) -> None:
        """
        Break every link from the hub's side.
        """
        hub, portal = self._hub._hub, self._hub._portal
        assert portal is not None

        async def abort() -> None:
            for connection in list(hub._connections):
                connection.link.abort()

        portal.call(abort)

    def close(self) -> None:
        """
        End it.
        """
        self._hub.close()


@contextmanager
def served(listen: str, limits: Limits, token: str | None = None, **libraries: str) -> Iterator[Served]:
    """
    A hub of its own.
    """
    hub = Served(listen, limits, token, **libraries)
    try:
        yield hub
    finally:
        hub.close()


@contextmanager
def behind_a_proxy(listen: str, limits: Limits, **libraries: str) -> Iterator[Deployment]:
    """
    A hub on a socket, its components behind a `FaultProxy` which resets their connections; a token is needed.

    ``libraries`` are the settings that say which ones do the work.
    """
    with served(listen, limits, "the token", **libraries) as hub:
        scheme, _, place = hub.url.partition("://")
        host, _, port = place.rpartition(":")
        by_port = port.isdecimal()
        proxied = FaultProxy(host, int(port)) if by_port else FaultProxy(Path(place), listen=Path(f"{place}-proxy"))
        with proxied as proxy:
            yield Deployment(
                proxy.url(scheme),
                settings={"token": "the token", **libraries},
                refused={"token": "another token"},
                break_connections=proxy.abort,
                restart=hub.restart,
            )


def silence(component: Component) -> None:
    """
    End a component of this process as a kill ends a process: its link breaks, and it never comes back.
    """
    transport: Any = component._core.transport
    transport = getattr(transport, "inner", transport)
    done = threading.Event()

    def end() -> None:
        transport._closing = True
        transport._keeper.cancel()
        done.set()

    component._core.loop.call_soon_threadsafe(end)
    done.wait(20)
