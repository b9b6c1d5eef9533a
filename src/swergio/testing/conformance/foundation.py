"""What the tests of the suite stand on: the deployment under test, its claims, and components of either face.

Theory of operation. A deployment is made once for each class (and each set of limits), since starting one may be slow;
so each test uses rooms of its own. What a transport claims is asked of a connected component. A test that is marked
with `needs` is skipped, with that reason, where the claim is not made; one marked with `without` runs only there, and
holds the transport to what remains.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeVar, cast

import pytest

from swergio.component import Component
from swergio.testing.conformance.deployment import Deployment, Limits
from swergio.testing.faces import FACES, PlainFace, component
from swergio.transport import Guarantees

F = TypeVar("F", bound=Callable[..., Any])

Make: TypeAlias = Callable[..., PlainFace]
"""
Makes a component that is not started: ``make(name, **settings)``. It is closed after the test.
"""

# Soon noticed, soon given up; three seconds of silence are no accident on a busy machine.
HASTY = Limits(session_grace=0.5, group_grace=0.5)
SHORT = {"heartbeat": 0.5, "dead_after": 3.0}

_numbers = itertools.count(1)


def needs(*claims: str) -> Callable[[F], F]:
    """
    Mark a test of what only a transport with these guarantees keeps.
    """
    return _marked("swergio_needs", claims)


def without(claim: str) -> Callable[[F], F]:
    """
    Mark a test of what a transport without this guarantee still keeps.
    """
    return _marked("swergio_without", (claim,))


def _marked(name: str, claims: tuple[str, ...]) -> Callable[[F], F]:
    def mark(test: F) -> F:
        setattr(test, name, claims)
        return test

    return mark


class Foundation:
    """
    The fixtures of the suite.
    """

    def deploy(self, limits: Limits) -> Iterator[str | Deployment]:
        """
        Start a deployment, yield its URL (or a `Deployment`), and end it. The one method that must be overridden.

        It is a generator. What it yields must be ready for components when it is yielded, hold nothing of earlier
        tests, and share nothing with other deployments that are open at the same time. What follows the ``yield``
        runs when the last test of the class, or the one test that wanted a deployment of its own, has ended.

        Args:
            limits: How the tests would like it to be set. A deployment that has no such limits leaves them be.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method 'deploy(self, limits)'")

    @classmethod
    @contextlib.contextmanager
    def deployed(cls, limits: Limits) -> Iterator[Deployment]:
        """
        Enter what `deploy` starts.
        """
        with contextlib.contextmanager(cls().deploy)(limits) as given:
            yield Deployment(given) if isinstance(given, str) else given

    @pytest.fixture(params=FACES)
    def face(self, request: pytest.FixtureRequest) -> str:
        """
        The face under test.
        """
        return str(request.param)

    @pytest.fixture(scope="class")
    @classmethod
    def deployment(cls) -> Iterator[Deployment]:
        """
        The deployment that all tests of the class share.
        """
        with cls.deployed(Limits()) as deployment:
            yield deployment

    @pytest.fixture(scope="class")
    @classmethod
    def hasty(cls) -> Iterator[Deployment]:
        """
        One that gives up soon whoever is away.
        """
        with cls.deployed(HASTY) as deployment:
            yield deployment

    @pytest.fixture(scope="class")
    @classmethod
    def guarantees(cls, deployment: Deployment) -> Guarantees:
        """
        What the transport claims, as a connected component is told.
        """
        with Component("asking", deployment.url, **deployment.settings) as asking:
            return asking.guarantees

    @pytest.fixture(autouse=True)
    def _claims(self, request: pytest.FixtureRequest, guarantees: Guarantees, deployment: Deployment) -> None:
        test, scheme = request.function, deployment.url.partition("://")[0]
        for claim in getattr(test, "swergio_needs", ()):
            if not getattr(guarantees, claim):
                pytest.skip(f"{scheme}:// does not claim {claim!r}")
        for claim in getattr(test, "swergio_without", ()):
            if getattr(guarantees, claim):
                pytest.skip(f"for transports that do not claim {claim!r}")

    @pytest.fixture
    def room(self, request: pytest.FixtureRequest) -> str:
        """
        A room that no other test uses.
        """
        return f"{request.function.__name__.removeprefix('test_')[:80]} {next(_numbers)}"

    @pytest.fixture
    def make(self, deployment: Deployment, face: str) -> Iterator[Make]:
        """
        Makes components of the face under test, on the deployment of the class.
        """
        with contextlib.ExitStack() as made:
            yield maker(deployment, face, made)

    @pytest.fixture
    def make_hasty(self, hasty: Deployment) -> Iterator[Make]:
        """
        Makes plain components on the hasty deployment, for tests of what happens there, not of a face.
        """
        with contextlib.ExitStack() as made:
            yield maker(hasty, "plain", made, **SHORT)


def maker(deployment: Deployment, face: str, made: contextlib.ExitStack, **more: Any) -> Make:
    """
    Return a function that makes components; ``made`` closes them, the last one first.
    """

    def make(name: str, **settings: Any) -> PlainFace:
        new = component(face, name, deployment.url, **{**deployment.settings, **more, **settings})
        made.callback(new.end)
        return new

    return make


def hook(deployment: Deployment, name: str) -> Callable[..., object]:
    """
    Return a way to disturb a deployment, or skip the test if there is none.
    """
    found = getattr(deployment, name)
    if found is None:
        pytest.skip(f"the deployment has no {name!r}: have 'deploy' yield Deployment(url, {name}=...) to run this")
    return cast("Callable[..., object]", found)
