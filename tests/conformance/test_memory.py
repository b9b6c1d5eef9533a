"""Memory against the conformance suite."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from swergio.testing.conformance import ConformanceSuite, Deployment, Limits
from tests.conformance.deployments import served, silence

numbers = itertools.count()


class TestMemory(ConformanceSuite):
    def deploy(self, limits: Limits) -> Iterator[Deployment]:
        with served(f"memory://conformance-{next(numbers)}", limits) as hub:
            yield Deployment(
                hub.url,
                break_connections=hub.break_connections,
                restart=hub.restart,
                kill=silence,
                permanent=True,
            )
