"""One hub that listens on several URLs: components on different transports share its rooms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swergio
from swergio.hub import HubThread
from swergio.settings import load
from swergio.testing import Inbox
from tests.live.wires import WIRES, address

MIB = 2**20


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[list[str]]:
    with HubThread([address(wire, tmp_path) for wire in WIRES], load("memory://", max_message="80 MiB")) as hub:
        yield hub.urls


def test_components_on_different_transports_share_rooms(urls: list[str]) -> None:
    count = 500
    components = [swergio.Component(f"component{number}", url) for number, url in enumerate(urls)]
    inboxes = [Inbox() for _ in components]
    for component, inbox in zip(components, inboxes, strict=True):
        component.on("room", echo=True)(inbox.take_data)
        component.on(component.name)(lambda message: [message.sender.name, message.data])
    with ExitStack() as stack:
        for component in components:
            stack.enter_context(component)
        for number in range(count):
            for component in components:
                component.send("room", [component.name, number])
        first, *others = [inbox.wait(count * len(components), 30) for inbox in inboxes]
        assert all(other == first for other in others), "members saw different orders"
        for component in components:
            assert [number for name, number in first if name == component.name] == list(range(count))
            for other in components:
                if other is not component:
                    assert component.request(other.name, 7, timeout=20) == [component.name, 7]


@pytest.mark.parametrize("size", [64 * 1024, MIB, 64 * MIB])
def test_arrays_arrive_whole_from_one_transport_to_another(urls: list[str], size: int) -> None:
    sent = np.random.default_rng(1).random(size // 8)
    settings: dict[str, Any] = {"max_message": "80 MiB", "request_timeout": 60}
    with ExitStack() as stack:
        components = [swergio.Component(f"c{number}", url, **settings) for number, url in enumerate(urls)]
        for component in components:
            component.on(component.name)(lambda message: message.data)
            stack.enter_context(component)
        for component, other in zip(components, [*components[1:], components[0]], strict=True):
            came = component.request(other.name, sent)
            assert np.array_equal(came, sent)
            assert not came.flags.writeable
            assert came.flags.aligned
