"""How a history is recorded: by threads, by processes, around components."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import swergio
from swergio.errors import ConfigurationError
from swergio.hub import HubThread
from swergio.testing import (
    Duplicated,
    FromNowhere,
    History,
    Lost,
    Unreported,
)
from tests.testing.planted import ROOM, findings, history_of


def test_threads_may_record_at_once() -> None:
    history = History()
    start = threading.Barrier(4)

    def send() -> None:
        start.wait()
        for _ in range(500):
            history.received("m1", ROOM, history.sent("a", ROOM))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    report = history.check(unordered=["m1"])
    assert report.ok
    assert (report.sent, report.received) == (2000, 2000)


def test_processes_record_into_files_that_are_merged_by_time(tmp_path: Path) -> None:
    program = """
import os, sys
from swergio.testing import History
history = History(sys.argv[1])
for line in sys.stdin:
    history.received("m1", "room", int(line))
    print(flush=True)
os._exit(1)  # killed: nothing is closed or flushed
"""
    with (
        History(tmp_path / "sender.jsonl") as history,
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "receiver.jsonl")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as process,
    ):  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        for key in (1, 2, 3):
            history.sent("a", ROOM, key)
            process.stdin.write(f"{key}\n")
            process.stdin.flush()
            assert process.stdout.readline()
        history.sent("a", ROOM, 4)

    merged = History.load(tmp_path / "receiver.jsonl", tmp_path / "sender.jsonl", seed=3)
    assert findings(merged.check()) == [Lost("m1", ROOM, "a", (4,), 4), Unreported("m1", ROOM, 1, 0)]
    merged.dump(tmp_path / "all.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [(line["event"], line["key"]) for line in lines] == [
        ("sent", 1), ("received", 1), ("sent", 2), ("received", 2), ("sent", 3), ("received", 3), ("sent", 4),
    ]  # fmt: skip
    assert findings(History.load(tmp_path / "all.jsonl").check()) == findings(merged.check())


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        '"text"',
        '{"event": "sent"}',
        '{"event": "lost", "time": 1, "who": "a", "room": "r"}',
        '{"event": "sent", "time": 1, "who": "a", "room": "r"}',
        '{"event": "gap", "time": 1, "who": "a", "room": "r", "key": 1}',
    ],
)
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"event": "joined", "time": 1, "who": "a", "room": "r"}\n' + line + "\n")

    with pytest.raises(ConfigurationError, match=r"bad\.jsonl, line 2, is no record"):
        History.load(path)


def test_watching_a_component_records_what_comes_to_it() -> None:
    history = History()
    came = threading.Event()
    with HubThread(["ws://127.0.0.1:0"]) as hub:
        model = swergio.Component("model", hub.urls[0])
        history.watch(model, ROOM)
        model.on("done")(lambda message: came.set())
        with model, swergio.Component("site", hub.urls[0]) as site:
            for _ in range(10):
                site.send(ROOM, history.sent("site", ROOM))
            site.send(ROOM, "a stranger")
            site.flush(10)
            site.send("done", None)
            assert came.wait(10)

    assert findings(history.check({ROOM: ["model"]})) == [
        FromNowhere("model", ROOM, "a stranger", "nobody sent it there")
    ]


def test_watching_a_component_records_attempts_and_the_losses_of_its_rooms() -> None:
    class Component:
        name = "model"

        def on(self, room: str) -> Callable[[Callable[..., None]], object]:
            def register(function: Callable[..., None]) -> None:
                for key, attempt in ((4, 0), (5, 0), (5, 0), (4, 1)):
                    function(SimpleNamespace(room=room, data={"key": key}, attempt=attempt))

            return register

        def on_loss(self, function: Callable[[swergio.Loss], None]) -> object:
            for room, count in ((ROOM, 2), ("elsewhere", 5), (ROOM, 1)):
                function(swergio.Loss(room, swergio.Instance("a#1"), count, "it was full"))
            return function

    history = history_of([("a", key) for key in range(1, 6)], {})
    history.watch(Component(), ROOM, name="model-1", key=lambda message: message.data["key"])

    report = history.check(lossy=["model-1"])
    assert findings(report) == [Lost("model-1", ROOM, "a", (1, 2, 3), 5), Duplicated("model-1", ROOM, 5, 2)]
