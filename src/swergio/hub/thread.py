"""A hub in a thread of this process: for notebooks, tests and the ``memory`` transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from swergio.hub.server import Hub
from swergio.portal import Portal

if TYPE_CHECKING:
    from swergio.settings import Settings


class HubThread:
    """
    Serves rooms for as long as it is open.

    Example::

        with HubThread(["ws://127.0.0.1:0"]) as hub:
            component = swergio.Component("world", hub.urls[0])

    Args:
        listen: The URLs to listen on; port 0 is a free one.
        settings: Limits and times; by default those that a component would load here.
        authorize: Whether a connection that shows this token (or None) may come in.

    Attributes:
        urls: What components can connect to.

    Raises:
        ConfigurationError, OSError: as `Hub.start`.
    """

    def __init__(
        self,
        listen: Sequence[str],
        settings: Settings | None = None,
        authorize: Callable[[str | None], bool] = lambda token: True,
    ) -> None:
        if settings is None:
            from swergio.settings import load

            settings = load("memory://")
        self._hub = Hub(settings, authorize)
        self._portal: Portal | None = Portal("swergio hub", settings.loop)
        try:
            self.urls = self._portal.call(lambda: self._hub.start(listen))
        except BaseException:
            self._portal.end(1)
            raise

    def close(self) -> None:
        """
        Stop serving; components are told. Closing twice does nothing.
        """
        portal, self._portal = self._portal, None
        if portal is not None:
            portal.call(self._hub.stop)
            portal.end(3)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
