"""
The examination: what is installed, what is configured, and step by step whether the deployment can be reached.

It is a visit of a component like any other, in a room of its own; nobody else notices it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from importlib import metadata
from time import perf_counter

import swergio.asyncio
from swergio.doctor.findings import Finding, Outcome, bad, good, note
from swergio.doctor.installed import installed
from swergio.doctor.places import is_secure, look, places
from swergio.errors import (
    AccessRefused,
    ConfigurationError,
    ConnectFailed,
    IncompatiblePeer,
    MissingExtra,
    SwergioError,
    UnknownScheme,
)
from swergio.settings import Settings, load, origin
from swergio.settings.model import PREFIX, nearest_file
from swergio.transport import find

NAME = "swergio-doctor"
PATIENCE = 10.0


async def examine(url: str | None = None) -> AsyncIterator[Finding]:
    """
    Look at everything, and yield what is found as it is found. What depends on something that is wrong is left out.

    Args:
        url: The deployment; by default that of the settings, or the user's own hub.
    """
    for finding in installed():
        yield finding
    try:
        settings = load(url)
        for finding in configured(settings, url):
            yield finding
        find(settings.url or "ws://")
    except (MissingExtra, UnknownScheme) as exc:
        yield bad("transport", exc.problem, exc.remedy or f"Use {exc.expected}")
        return
    except ConfigurationError as exc:
        yield bad("settings", exc.problem, _in_words(exc))
        return
    async for finding in reached(settings, url):
        yield finding


def _in_words(error: ConfigurationError) -> str:
    return ". ".join(part for part in (f"Expected: {error.expected}" if error.expected else "", error.remedy) if part)


def configured(settings: Settings, url: str | None) -> Iterator[Finding]:
    """
    Yield what is configured, and where that is said; of a token, only where it is.
    """
    if settings.url is None:
        yield good("URL", "none: your own hub on this machine, started when it is needed")
    else:
        yield good("URL", f"{settings.url}, from {origin('url', url=url)}")
    if settings.token is not None:
        yield good("token", f"there is one, from {origin('token', 'token_file', url=url)}")
    elif settings.url is not None and not settings.url.startswith("memory://"):
        yield note("token", "none is set")
    file = nearest_file()
    yield good("swergio.toml", str(file) if file else "there is none in this folder, or above it")
    variables = [name for name in sorted(os.environ) if name.startswith(PREFIX)]
    if variables:
        yield good("variables", ", ".join(variables))


async def reached(settings: Settings, url: str | None) -> AsyncIterator[Finding]:
    """
    Yield how far one comes.
    """
    where = settings.url
    if where and where.startswith("memory:"):
        yield note("memory", "the components of one process; those of any other have a deployment of their own")
    ways = []
    for place in places(where) if where else ():
        findings = [finding async for finding in look(place, settings, secure=is_secure(where or ""))]
        for finding in findings:
            yield finding
        ways.append(all(finding.outcome is not Outcome.BAD for finding in findings))
    if ways and not any(ways):
        return
    async for finding in _visit(settings, url):
        yield finding


async def _visit(settings: Settings, url: str | None) -> AsyncIterator[Finding]:
    if settings.url is None:
        yield _own_hub()
    visitor = swergio.asyncio.Component(NAME, url, connect_timeout=min(PATIENCE, settings.connect_timeout))
    began = perf_counter()
    try:
        await visitor.start()
    except SwergioError as exc:
        yield _explained(exc, settings)
        return
    try:
        yield good("hello", f"welcomed as {visitor.instance}, in {_milliseconds(began)}")
        yield await _versions(visitor)
        yield await _echo(visitor)
        lacking = [name for name, kept in vars_of(visitor.guarantees).items() if not kept and name != "durable"]
        if lacking:
            yield note("guarantees", f"this transport does not keep: {', '.join(lacking)}")
    finally:
        await visitor.close()


def vars_of(guarantees: swergio.Guarantees) -> dict[str, bool]:
    """
    Return the guarantees by their names.
    """
    return {name: getattr(guarantees, name) for name in guarantees.__dataclass_fields__}


def _own_hub() -> Finding:
    from swergio.hub.connection_file import read, runtime_folder

    try:
        folder = runtime_folder()
    except ConfigurationError as exc:
        return bad("own hub", exc.problem, _in_words(exc))
    address = read(folder)
    if address is None:
        return note("own hub", "it does not run, and is started now", f"Its log is {folder / 'hub.log'}")
    return good("own hub", f"{address.url}, process {address.pid}, swergio {address.version}")


def _explained(error: SwergioError, settings: Settings) -> Finding:
    if isinstance(error, ConfigurationError):
        return bad("settings", error.problem, _in_words(error))
    reason = error.reason if isinstance(error, ConnectFailed) else str(error)
    if isinstance(error, AccessRefused):
        if settings.token is None:
            return bad("token", reason, "Set SWERGIO_TOKEN, or name the file that holds the token with token_file")
        return bad("token", reason, "Show the token (and username) that the hub or the Redis was started with")
    if isinstance(error, IncompatiblePeer):
        return bad("versions", reason, "Install the same version of swergio on both sides")
    remedy = "Look whether a hub of swergio, or the Redis, is what listens there, and into its log"
    return bad("hello", reason, remedy)


async def _versions(visitor: swergio.asyncio.Component) -> Finding:
    own = metadata.version("swergio")
    try:
        async with asyncio.timeout(PATIENCE):
            about = await visitor._core.transport.ask("about")  # noqa: SLF001  no component needs to ask this
    except (SwergioError, TimeoutError):
        about = None
    if not isinstance(about, dict) or not about:
        return note("versions", f"swergio {own} here; the other end does not tell")
    there = " and ".join(f"{name} {version}" for name, version in about.items())
    said = f"swergio {own} here, {there} there"
    if about.get("swergio", own) != own:
        return note(
            "versions", said, "They speak one protocol; the same version on both sides has the fewest surprises"
        )
    return good("versions", said)


async def _echo(visitor: swergio.asyncio.Component) -> Finding:
    room = f"{NAME}-{secrets.token_hex(4)}"
    heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def hear(_: swergio.Message) -> None:
        if not heard.done():
            heard.set_result(None)

    try:
        async with asyncio.timeout(PATIENCE):
            await visitor.join(room, echo=True)
            visitor.on(room, echo=True)(hear)
            began = perf_counter()
            await visitor.send(room, "Does anybody hear me?")
            await heard
    except TimeoutError:
        said = f"a message to itself did not come back within {PATIENCE:g} s"
        return bad("message", said, "Look into the log of the hub or the Redis; 'swergio rooms' tells who is behind")
    except SwergioError as exc:
        return bad("message", str(exc), "Look whether its token may join rooms and send")
    return good("message", f"to a room and back in {_milliseconds(began)}")


def _milliseconds(began: float) -> str:
    return f"{1e3 * (perf_counter() - began):.1f} ms"
