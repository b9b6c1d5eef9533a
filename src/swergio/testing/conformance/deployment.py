"""What a transport gives the suite to work on: a deployment, and ways to disturb it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swergio.component import Component

KIB = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How the tests would like a deployment to be set, so that they need not send much or wait long.

    A deployment that has no such limit leaves it. The names are those of `swergio.settings`.

    Attributes:
        window: Bytes that a member is given ahead of its handler.
        room_limit: Bytes that a room keeps for members that are behind.
        history_limit: Bytes that a room keeps for those who join later.
        session_grace: Seconds that a component whose connection broke is waited for.
        group_grace: Seconds that a group without members is waited for.
    """

    window: int = 64 * KIB
    room_limit: int = 256 * KIB
    history_limit: int = 64 * KIB
    session_grace: float = 20.0
    group_grace: float = 20.0

    @property
    def settings(self) -> dict[str, Any]:
        """
        The limits as the settings of a hub: ``load(url, **limits.settings)``.
        """
        hub = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "window"}
        return {"window": self.window, "hub": hub}


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    A running deployment. Only ``url`` is needed; what is left out skips the tests that need it, with that reason.

    Attributes:
        url: What components connect to.
        settings: What they need beside it, such as a token.
        refused: Settings with which nobody may come in, such as a wrong token.
        break_connections: Breaks the connections of all components, which then may connect again. May be called from
            any thread, again and again.
        restart: Ends whatever serves the deployment and starts it again at its URL, without what it had in memory.
        kill: Ends a component of this process as SIGKILL ends a process: it says nothing more and never comes back.
            Only for transports which do not reach beyond one process; for all others the tests kill processes.
        permanent: It cannot go away, or comes back by itself when somebody connects.
    """

    url: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, Any] | None = None
    break_connections: Callable[[], object] | None = None
    restart: Callable[[], object] | None = None
    kill: Callable[[Component], object] | None = None
    permanent: bool = False
