"""
Messages too large for the log, whose payloads are at keys of their own.
"""

from __future__ import annotations

import numpy as np

import swergio
from swergio.testing import Inbox, choose_seed, eventually
from tests.servers import RedisServer

ARRAY = np.random.default_rng(choose_seed()).random((512, 512), dtype="float32")  # 1 MiB


def test_requests_replies_and_what_a_group_shares_may_be_large(deployment: str) -> None:
    oracle, worker = swergio.Component("oracle", deployment), swergio.Component("worker", deployment)
    oracle.on("question")(lambda message: message.data + 1)
    worker.on("jobs", group="workers")(lambda message: message.data * 2)
    with oracle, worker, swergio.Component("asker", deployment) as asker:
        assert np.array_equal(asker.request("question", ARRAY, timeout=20), ARRAY + 1)
        assert np.array_equal(asker.request("jobs", ARRAY, timeout=20), ARRAY * 2)


def test_who_joins_late_gets_large_messages_too_and_the_one_that_is_kept(deployment: str) -> None:
    with swergio.Component("sender", deployment, hub={"history_limit": "4 MiB"}) as sender:
        for number in range(3):
            sender.send("room", ARRAY + number)
        sender.send("settings", ARRAY, keep=True)
        sender.flush(20)
        past, kept = Inbox(), Inbox()
        member = swergio.Component("member", deployment, hub={"history_limit": "4 MiB"})
        member.on("room", last=2)(lambda message: past.put(message.data))
        member.on("settings", kept=True)(lambda message: kept.put(message.data))
        with member:
            assert [np.array_equal(*pair) for pair in zip(past.wait(2), [ARRAY + 1, ARRAY + 2], strict=True)] == [
                True,
                True,
            ]
            assert np.array_equal(kept.wait(1)[0], ARRAY)


def test_what_was_in_an_inbox_goes_with_its_instance(own_server: RedisServer) -> None:
    hub = {"session_grace": 0.5}
    with swergio.Component("sender", own_server.url, hub=hub) as sender, own_server.client() as client:
        with swergio.Component("receiver", own_server.url, hub=hub) as receiver:
            sender.send("room", ARRAY, to=receiver.instance)
            sender.flush(20)
            assert client.keys("*bodies:*")
        eventually(lambda: not client.keys("*bodies:*"), "the others have removed it")
