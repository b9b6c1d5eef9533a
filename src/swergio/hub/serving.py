"""The hub as a program: in the foreground until it is stopped, or on demand until nobody needs it any more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from swergio.errors import ConfigurationError
from swergio.hub.access import accepting
from swergio.hub.connection_file import Address, ConnectionFile
from swergio.hub.server import Hub
from swergio.loops import run
from swergio.readiness import tell_ready

if TYPE_CHECKING:
    from swergio.settings import Settings

log = logging.getLogger("swergio.hub")

USUAL_URL = "ws://127.0.0.1:7300"
LOOPBACK = "ws://127.0.0.1:0"
FIRST_GRACE = 10.0  # for the component that started it, which still has to connect
LOOK_AROUND = 0.5


def configure(listen: Sequence[str] = (), *, insecure: bool = False, token_file: Path | None = None) -> Settings:
    """
    Return the settings of a hub in the foreground; what is not given comes from the environment and the file.

    Raises:
        ConfigurationError: see `swergio.settings.load`.
    """
    from swergio.settings import load

    told: dict[str, object] = {}
    if listen:
        told["listen"] = list(listen)
    if insecure:
        told["insecure"] = True
    return load(token_file=token_file, hub=told)


def serve(settings: Settings, announce: Callable[[list[str]], None]) -> None:
    """
    Serve on ``settings.hub.listen`` until Ctrl-C or SIGTERM; then tell the components that the hub goes away.

    Args:
        settings: Limits, times, token and TLS.
        announce: Called with the URLs once components can connect.

    Raises:
        ConfigurationError: a URL cannot be listened on, or not safely.
    """
    token = settings.token.get_secret_value() if settings.token else None

    async def main() -> None:
        async with _serving(settings, settings.hub.listen or (USUAL_URL,), token) as (hub, stopping):
            announce(hub.urls)
            tell_ready(" ".join(hub.urls))
            await stopping.wait()

    run(main, settings.loop)


def serve_on_demand(settings: Settings, folder: Path, ready: Callable[[], None]) -> None:
    """
    Serve the components of this user until the last of them has been gone for ``settings.hub.linger`` seconds.

    It also ends when it is told to, and when its connection file is gone or another hub's.

    Args:
        settings: Limits and times.
        folder: Where the connection file is to be.
        ready: Called once components find the hub.

    Raises:
        ConfigurationError: loopback cannot be listened on.
        OSError: the connection file cannot be written.
    """
    token = secrets.token_urlsafe(32)

    async def main() -> None:
        async with _serving(settings, (LOOPBACK,), token) as (hub, stopping):
            file = ConnectionFile(folder, Address(hub.urls[0], token, os.getpid(), version("swergio")))
            try:
                ready()
                await _while_needed(hub, settings.hub.linger, file, stopping)
            finally:
                # First this, so that components that are sent away do not come back here.
                file.withdraw()

    run(main, settings.loop)


async def _while_needed(hub: Hub, linger: float, file: ConnectionFile, stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    began = hub.idle_since
    while file.is_in_force() and not stopping.is_set():
        patience = linger if hub.idle_since > began else max(linger, FIRST_GRACE)
        if not hub.connected and loop.time() - hub.idle_since >= patience:
            log.info("no component for %g s", patience)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AROUND):
                await stopping.wait()


@contextlib.asynccontextmanager
async def _serving(
    settings: Settings, urls: Sequence[str], token: str | None
) -> AsyncIterator[tuple[Hub, asyncio.Event]]:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows ends the process instead
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    hub = Hub(settings, accepting(token))
    try:
        await hub.start(urls)
    except OSError as exc:
        # Beyond the number, asyncio's text says what the URL said already.
        reason = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else exc.strerror
        problem = f"cannot listen on {' and '.join(urls)}: {reason}"
        raise ConfigurationError(problem, "a free address of this host") from exc
    try:
        log.info("listening on %s", " and ".join(hub.urls))
        yield hub, stopping
    finally:
        await hub.stop()
        log.info("ended")
