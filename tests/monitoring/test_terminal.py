"""``swergio top`` and ``swergio passes`` as programs, against running components on every transport."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest

import swergio
from swergio.testing.waiting import Inbox, eventually
from tests.live.deployments import deployed

pytestmark = pytest.mark.long  # programs that take seconds, and say the same on each Python

DEADLINE = 60.0
SWERGIO = [sys.executable, "-c", "from swergio.cli import main; main()"]
RATE = 100.0
X = np.arange(3.0)


def program(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*SWERGIO, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def output(started: subprocess.Popen[str]) -> str:
    with started:
        try:
            told, errors = started.communicate(timeout=DEADLINE)
        except BaseException:
            started.kill()
            raise
    assert (started.returncode, errors) == (0, "")
    return told


@pytest.fixture(params=["ws", "zmq+ipc", "redis"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "redis":
        yield f"{request.getfixturevalue('shared_server').url}?namespace={uuid.uuid4().hex}"
        return
    with deployed(request.param) as url:
        yield url


@contextmanager
def steady(sender: Any, room: str) -> Iterator[None]:
    """
    Have messages sent at a known rate; what a pause of the machine held up is made up for.
    """
    ending = threading.Event()

    def send() -> None:
        begun, sent = time.monotonic(), 0
        while not ending.wait(0.005):
            while sent < (time.monotonic() - begun) * RATE:
                sender.send(room, sent)
                sent += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


@contextmanager
def process(url: str) -> Iterator[tuple[str, str]]:
    """
    A process with a pass that was given up, as who owed feedback left, and one that waits; yields the ids of both.
    """
    asked = Inbox()
    model = swergio.Component("model", url)
    model.forward("features", "forecast")(lambda _ctx, x: x).backward(lambda _ctx, gradient: gradient)
    trainer = swergio.Component("trainer", url)

    def site() -> Any:
        made = swergio.Component("site", url)
        made.on("forecast", "DATA/FORWARD")(lambda message: asked.put(message.root))
        return made.start()

    with model, trainer, ExitStack() as stack:
        first = site()
        trainer.send("features", X, type="DATA/FORWARD", phase=swergio.Phase.TRAIN)
        asked.wait(1)
        first.close()
        stack.callback(site().close)
        trainer.send("features", X, type="DATA/FORWARD", phase=swergio.Phase.TRAIN)
        given_up, open_one = asked.wait(2)
        yield given_up, open_one


def told(url: str, *names: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    Return what both commands tell, once these components have begun to look whether somebody listens.
    """
    found: list[dict[str, Any]] = []

    def complete() -> bool:
        found[:] = [json.loads(output(one)) for one in [program(*asked, "--url", url) for asked in commands]]
        return set(names) <= {row["name"] for row in found[0]["components"]}

    commands = (["top", "--once", "--json"], ["passes", "--json"])
    eventually(complete, f"reports of {', '.join(names)}", DEADLINE)
    return found[0], found[1]


def test_top_and_passes_tell_what_a_process_does(url: str) -> None:
    with process(url) as (given_up, waiting), swergio.Component("sender", url) as sender, steady(sender, "work"):
        receiver = swergio.Component("receiver", url)
        receiver.on("work")(lambda message: message.data)
        with receiver:
            for step in range(3):
                sender.kpi("miss", step / 2, step=step)
            top, passes = told(url, "sender", "receiver", "model", "site")

    rows = {row["name"]: row for row in top["components"]}
    assert RATE / 5 < rows["sender"]["sent"] < RATE * 5
    assert RATE / 5 < rows["receiver"]["handled"] < RATE * 5
    assert 0 <= rows["receiver"]["handler_share"] <= 1
    assert rows["model"]["open_passes"] == 1
    assert {"work", "features", "forecast"} <= {row["room"] for row in top["rooms"]}
    assert top["unreadable"] == 0

    (node,) = passes["nodes"]
    assert (node["sources"], node["sink"], node["open"], node["orphaned"]) == (["features"], "forecast", 1, 1)
    (one,) = passes["open"]
    assert one["root"] == waiting
    assert one["began"].startswith("trainer#")
    assert 0 < one["left"] < 60
    (place,) = one["waits"]
    assert place["at"].startswith("model#")
    assert (place["for"], place["room"]) == ("feedback", "forecast")
    assert [(who.partition("#")[0], how) for who, how in place["owing"].items()] == [("site", "idle")]
    (orphan,) = passes["orphaned"]
    assert orphan["root"] == given_up
    assert orphan["reason"].endswith("left before answering")
    assert [who.partition("#")[0] for who in orphan["missing"]] == ["site"]


@pytest.fixture
def hub() -> Iterator[str]:
    with deployed("ws") as url:
        yield url


def test_without_a_terminal_top_shows_once_and_says_when_nobody_reports(hub: str) -> None:
    both = [program("top", "--url", hub), program("passes", "--url", hub)]
    top, passes = map(output, both)
    assert top.startswith("No component reports yet.\nroom")
    assert passes == "No component that reports takes part in passes.\n"


def test_in_a_terminal_top_goes_on_until_ctrl_c(hub: str) -> None:
    here, there = pty.openpty()
    with (
        swergio.Component("worker", hub, stats_interval=0.1) as worker,
        subprocess.Popen([*SWERGIO, "top", "--url", hub], stdin=there, stdout=there, stderr=there) as top,
    ):
        os.close(there)
        text = ""
        try:
            while not (f"worker#{worker.instance.partition('#')[2][:4]}" in text and "curve" in text):
                text += os.read(here, 4096).decode(errors="replace")
                worker.kpi("curve", len(text))
            top.send_signal(signal.SIGINT)
            reading = threading.Thread(target=drain, args=(here,), daemon=True)
            reading.start()
            assert top.wait(DEADLINE) == 0
        finally:
            top.kill()
    os.close(here)


def drain(file: int) -> None:
    """
    Read until the other end is closed, so that whoever writes there is not held up.
    """
    try:
        while os.read(file, 4096):
            pass
    except OSError:
        pass


def test_as_json_top_prints_a_line_a_second(hub: str) -> None:
    with swergio.Component("worker", hub, stats_interval=0.1):
        top = program("top", "--json", "--url", hub)
        assert top.stdout is not None
        lines = [json.loads(top.stdout.readline()) for _ in range(2)]
        while not lines[-1]["components"]:
            lines.append(json.loads(top.stdout.readline()))
        top.send_signal(signal.SIGINT)
        output(top)
    assert lines[-1]["components"][0]["name"] == "worker"
