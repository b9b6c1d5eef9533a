"""The configuration of Redis and its users, on a real server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import swergio
from tests.deploy.units import DEPLOY
from tests.servers import RedisServer


def configuration(secrets: Path) -> dict[str, Any]:
    """
    What ``redis.conf`` says, but for the port and TLS: the server of the tests may be one that is built without it.
    """
    text = (DEPLOY / "compose" / "redis.conf").read_text("utf-8").replace("/run/secrets", str(secrets))
    said = dict(re.findall(r"^([a-z-]+) (.+)$", text, re.MULTILINE))
    return {name: value for name, value in said.items() if name != "port" and not name.startswith("tls-")}


def test_a_server_takes_it_and_the_user_can_do_all_that_rooms_need(secrets: Path) -> None:
    with RedisServer(**configuration(secrets)) as server:
        how: dict[str, Any] = {"username": "swergio", "token_file": secrets / "token"}
        with swergio.Component("worker", server.url, **how) as worker, swergio.Component("a", server.url, **how) as a:
            worker.on("sums", group="workers")(lambda message: sum(message.data))
            a.send("sums", [1], keep=True)
            a.flush()
            assert a.map("sums", [[1, 2], [3, 4]], timeout=20) == [3, 7]
            assert [member.instance for member in a.members("sums")] == [worker.instance]


def test_nobody_else_gets_in(secrets: Path) -> None:
    with RedisServer(**configuration(secrets)) as server:
        strangers: list[dict[str, Any]] = [{}, {"username": "swergio", "token": "guessed"}]
        for how in strangers:
            with pytest.raises(swergio.AccessRefused):
                swergio.Component("stranger", server.url, **how).start()
