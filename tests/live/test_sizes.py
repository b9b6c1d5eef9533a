"""Arrays from 64 KiB to 1 GiB on each transport: they arrive whole, or are refused at `send` with the limit named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import swergio
from swergio.testing import Inbox
from tests.live.deployments import DEPLOYMENTS, deployed

pytestmark = pytest.mark.long

KIB, MIB, GIB = 2**10, 2**20, 2**30
LIMIT: dict[str, Any] = {"max_message": 80 * MIB, "outbox_limit": 80 * MIB}


@pytest.fixture(params=["memory", *DEPLOYMENTS])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with deployed(request.param, **LIMIT) as url:
        yield url


def test_arrays_arrive_whole_or_are_refused_with_the_limit(url: str) -> None:
    came = Inbox()
    member = swergio.Component("member", url, **LIMIT)
    member.on("room")(lambda message: came.put((message.data.nbytes, float(message.data[0]), float(message.data[-1]))))
    with member, swergio.Component("sender", url, **LIMIT) as sender:
        for number, size in enumerate([64 * KIB, MIB, 64 * MIB], 1):
            sender.send("room", np.full(size // 4, number, np.float32))
            came.wait(number, 60)
        with pytest.raises(
            swergio.MessageTooLarge, match=f"the limit is {LIMIT['max_message']:,}: raise 'max_message'"
        ):
            sender.send("room", np.zeros(GIB // 4, np.float32))
        sender.send("room", np.full(1, 4, np.float32))
        assert came.wait(4, 60) == [(64 * KIB, 1, 1), (MIB, 2, 2), (64 * MIB, 3, 3), (4, 4, 4)]
        assert member.stats.lost == 0
