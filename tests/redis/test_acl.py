"""
The user of the documentation can do all that is needed, and no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import NoPermissionError

import swergio
from swergio.errors import AccessRefused
from swergio.testing import Inbox, eventually
from tests.redis.swarm import Swarm
from tests.servers import RedisServer

PAGE = Path(__file__).parents[2] / "docs/transport-redis.md"


@pytest.fixture
def guarded() -> Iterator[RedisServer]:
    (rules,) = re.findall(r"```acl\nuser (.*)\n```", PAGE.read_text("utf-8"))
    with RedisServer(user=["default on nopass ~* &* +@all", rules]) as server:
        yield server


def test_the_user_of_the_documentation_can_do_all_that_is_needed(guarded: RedisServer) -> None:
    identity: dict[str, Any] = {"username": "swergio", "token": "PASSWORD"}
    with Swarm(guarded.url, 2, 2, **identity) as swarm:
        for _ in range(100):
            swarm.send(bytes(5000))
        answered = Inbox()
        oracle = swarm.members[0]
        oracle.on("question")(lambda message: message.data + 1)
        with swergio.Component("asker", guarded.url, **identity) as asker:
            answered.put(asker.request("question", 41, timeout=20))
            assert len(asker.members("room")) == 2
        assert answered.wait(1) == [42]
        swarm.finish()
        with guarded.client() as client:
            users = {entry["user"] for entry in client.client_list() if entry["name"]}
            denied = client.acl_log()
        assert users == {"swergio"}
        assert denied == []
    swarm.check()


def test_a_user_who_may_not_send_to_a_room_hears_of_it(guarded: RedisServer) -> None:
    sender = swergio.Component("sender", guarded.url, username="swergio", token="PASSWORD")

    def send() -> bool:
        try:
            sender.send("room", "not allowed")
        except AccessRefused as exc:
            return "NOPERM" in str(exc)
        return False

    with guarded.client() as client, sender:
        client.acl_setuser("swergio", enabled=True, reset_keys=True, keys=["swergio:{all}*", "swergio:{inbox:*"])
        eventually(send, "the server has refused it, and the next call says so")


@pytest.mark.parametrize(
    "words", ["FLUSHALL", "GET other", "PUBLISH other x", "CONFIG SET maxmemory 1", "KEYS *", "ACL LIST", "SHUTDOWN"]
)
def test_the_user_of_the_documentation_can_do_nothing_else(guarded: RedisServer, words: str) -> None:
    with guarded.client(username="swergio", password="PASSWORD") as client, pytest.raises(NoPermissionError):
        client.execute_command(*words.split())
