"""People who answer by a rule, on a hub that gives a killed desk up soon, with both faces of the asker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import pytest

import swergio
from swergio.hub import HubThread
from swergio.people import Item, desk
from swergio.settings import load
from swergio.testing.faces import FACES, component

ROOM = "lab"
SETTINGS: dict[str, Any] = {"heartbeat": 0.2, "dead_after": 2.0, "hub": {"session_grace": 0.5}}

Hire: TypeAlias = "Callable[[Callable[[Item], Any]], swergio.Component]"


@pytest.fixture
def url() -> Iterator[str]:
    with HubThread(["ws://127.0.0.1:0"], load("memory://", **SETTINGS)) as hub:
        yield hub.urls[0]


@pytest.fixture(params=FACES)
def asker(url: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """
    A component of either face.
    """
    made = component(request.param, "asker", url)
    made.start()
    yield made
    made.end()


@pytest.fixture
def hire(url: str) -> Iterator[Hire]:
    """
    A function that puts somebody at a desk, who answers by a function; the desks are closed at the end.
    """
    with ExitStack() as people:

        def new(answer: Callable[[Item], Any]) -> swergio.Component:
            person = swergio.Component("person", url)
            desk(person, ROOM, answer)
            return people.enter_context(person)

        yield new
