"""What the hub says of its limits in its welcome, and what components make of it."""

from __future__ import annotations

import time

import numpy as np
import pytest

import swergio
from swergio.testing import Inbox
from tests.live.deployments import deployed
from tests.live.wires import WIRES

KIB = 2**10


@pytest.mark.parametrize("wire", WIRES)
def test_what_the_hub_would_not_take_is_refused_at_send(wire: str) -> None:
    """
    A packet above the limit of the hub would end the connection, again after each reconnect.
    """
    came = Inbox()
    with deployed(wire, max_message=64 * KIB) as url:
        member = swergio.Component("member", url)
        member.on("room")(lambda message: came.put(message.data.nbytes))
        with member, swergio.Component("sender", url) as sender:
            with pytest.raises(swergio.MessageTooLarge, match="the limit is 65,536: raise 'max_message'"):
                sender.send("room", np.zeros(64 * KIB, np.uint8))
            sender.send("room", np.zeros(32 * KIB, np.uint8))
            assert came.wait(1, 20) == [32 * KIB]
            assert sender.stats.reconnects == 0


@pytest.mark.long
def test_a_component_beats_as_often_as_the_hub_needs_it() -> None:
    with (
        deployed("ws", heartbeat=1, dead_after=3) as url,
        swergio.Component("idle", url, heartbeat=60, dead_after=120) as idle,
    ):
        time.sleep(5)  # nothing else to wait for: nothing may happen
        assert idle.stats.reconnects == 0
