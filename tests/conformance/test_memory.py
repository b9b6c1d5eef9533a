"""Memory against the conformance suite."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from swergio.testing.conformance import ConformanceSuite, Deployment, Limits
from swergio_transports.memory.transport import _starting
from tests.conformance.deployments import served, silence

numbers = itertools.count()


class TestMemory(ConformanceSuite):
    def deploy(self, limits: Limits) -> Iterator[Deployment]:
        with served(f"memory://conformance-{next(numbers)}", limits) as hub:

            def restart() -> None:
                with _starting:  # a component that finds no hub meanwhile would start one of its own, as it should
                    hub.restart()

            yield Deployment(
                hub.url,
                break_connections=hub.break_connections,
                restart=restart,
                kill=silence,
                permanent=True,
            )
