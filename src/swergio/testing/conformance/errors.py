"""Errors: the same ones on every transport, in time, and none of a client library."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from swergio.errors import AccessRefused, ConnectFailed, RequestError, SwergioError
from swergio.testing.conformance.deployment import Deployment, Limits
from swergio.testing.conformance.foundation import Foundation, maker
from swergio.testing.faces import component


class Errors(Foundation):
    """
    DESIGN section 3, point 11.
    """

    def test_a_deployment_that_is_not_there_is_an_error_within_the_deadline(
        self, face: str, deployment: Deployment
    ) -> None:
        lasting(deployment)
        with self.deployed(Limits()) as gone:
            pass
        lonely = component(face, "lonely", gone.url, **{**gone.settings, "connect_timeout": 0.5})
        with pytest.raises(ConnectFailed, match=r"cannot connect to .*'connect_timeout'"):
            lonely.start()
        lonely.end()

    def test_who_may_not_come_in_is_told_so_at_once(self, face: str, deployment: Deployment) -> None:
        if deployment.refused is None:
            pytest.skip("the deployment names no settings that are 'refused'")
        settings = {**deployment.settings, **deployment.refused, "connect_timeout": 60}
        stranger = component(face, "stranger", deployment.url, **settings)
        with pytest.raises(AccessRefused):
            stranger.start()
        stranger.end()

    def test_what_is_called_after_the_deployment_has_gone_fails_with_errors_of_swergio(
        self, face: str, deployment: Deployment, room: str
    ) -> None:
        lasting(deployment)
        with contextlib.ExitStack() as made:
            with self.deployed(Limits()) as gone:
                left = maker(gone, face, made)("left", close_timeout=0.2).start()
            left.send(room, "into the void")
            calls: dict[str, tuple[type[Exception], Callable[[], object]]] = {
                "request": (RequestError, lambda: left.request(room, 1, timeout=0.1)),
                "flush": (TimeoutError, lambda: left.flush(0.1)),
            }
            for name, (expected, call) in calls.items():
                with pytest.raises((expected, SwergioError)) as raised:
                    call()
                assert isinstance(raised.value, (expected, SwergioError)), name


def lasting(deployment: Deployment) -> None:
    """
    Skip a test for which the deployment must go away, if it cannot.
    """
    if deployment.permanent:
        pytest.skip("the deployment is 'permanent': it cannot go away")
