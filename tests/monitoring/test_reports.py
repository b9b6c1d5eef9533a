"""What components tell of themselves in the room ``_stats``."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import swergio
from swergio.reports import SCHEMA, Report, read
from swergio.stats import Stats
from swergio.testing.waiting import Inbox, eventually
from tests.passes.conftest import Make

QUICK = {"stats_interval": 0.05}
X = np.arange(3.0)


class Reader:
    """
    Keeps the newest report of each component, and waits for one that says something.
    """

    def __init__(self, make: Make) -> None:
        self.latest: dict[str, Report] = {}
        self.count = 0
        self.component = make("reader", stats_interval=0)
        self.component.on("_stats", "LOG/STATS", lossy=True)(self._take)

    def _take(self, message: Any) -> None:
        self.count += 1
        self.latest[message.sender.name] = read(message.data)

    def wait(self, name: str, said: Callable[[Report], object], what: str) -> Report:
        eventually(lambda: name in self.latest and said(self.latest[name]), what)
        return self.latest[name]


def chain(make: Make, **settings: Any) -> tuple[Any, Any]:
    """
    Return a model that sends on to a room where nobody is yet, and the trainer that begins passes.
    """
    model, trainer = make("model", **QUICK, **settings), make("trainer", **QUICK)
    model.forward("features", "forecast")(lambda _ctx, x: x).backward(lambda _ctx, gradient: gradient)
    return model, trainer


def test_a_component_tells_what_it_counts_while_somebody_listens(make: Make) -> None:
    worker, sender = make("worker", **QUICK), make("sender", stats_interval=0)
    worker.on("work")(lambda message: len(message.data))

    def fail(_message: Any) -> None:
        raise RuntimeError("on purpose")

    worker.on("faults")(fail)
    worker.start()
    sender.start()
    reader = Reader(make)
    reader.component.start()
    for _ in range(5):
        sender.send("work", bytes(1000))
    sender.send("faults", 1)
    report = reader.wait("worker", lambda r: r.counts.handled >= 6 and not r.outbox, "the worker told of 6 messages")
    assert (report.counts.received, report.counts.failed, report.waiting) == (6, 1, 0)
    assert report.counts.sent == 1  # the report of its failure, and not those in _stats
    assert report.counts.received_bytes >= 5000
    assert 0 < report.counts.sent_bytes < 1000
    assert (report.interval, report.passes, report.closing, report.schema) == (0.05, None, False, SCHEMA)
    sender.send("work", b"")
    later = reader.wait("worker", lambda later: later.counts.handled == 7, "the worker told more")
    assert later.counts.sent == 1
    assert later.handler_seconds > report.handler_seconds
    assert "sender" not in reader.latest
    worker.close()
    reader.wait("worker", lambda report: report.closing, "the worker said that it was closed")


def test_handler_time_and_waiting_messages_are_told_while_a_handler_works(make: Make) -> None:
    worker, sender = make("worker", **QUICK), make("sender")
    release = threading.Event()
    worker.on("work", blocking=True)(lambda _message: release.wait(20))
    worker.start()
    sender.start()
    reader = Reader(make)
    for _ in range(3):
        sender.send("work", 1)
    eventually(lambda: worker.stats.received == 3, "the worker has the messages")
    reader.component.start()  # the handler began before anybody listened
    try:
        report = reader.wait("worker", lambda report: report.handling > 0.1, "the worker told that it is at work")
    finally:
        release.set()
    assert report.waiting == 3
    assert report.handler_seconds == report.handling
    report = reader.wait("worker", lambda report: not report.waiting, "the worker told that it is done")
    assert report.handling == 0
    assert report.handler_seconds > 0.1


def test_nobody_is_told_anything_when_nobody_listens(make: Make) -> None:
    quiet = make("quiet", **QUICK)
    quiet.start()
    core = quiet._core if hasattr(quiet, "_core") else quiet._inner._core
    reader = Reader(make)
    reader.component.start()
    reader.wait("quiet", lambda report: True, "the component told of itself")
    reader.component.close()
    eventually(lambda: core.publisher._timer is None, "the component has noticed that nobody listens")
    channel = core.outbox.channel_to("_stats", None)
    told = channel.last
    another = make("another").start()  # what is sent after the last report would have been overtaken
    for number in range(3):
        another.send("other", number)
    another.flush()
    assert channel.last == told
    assert core.dispatcher._measured is False


def test_open_passes_say_where_they_wait_and_closed_ones_how_long_they_took(make: Make) -> None:
    model, trainer = chain(make)
    site = make("site", stats_interval=0)
    asked, release = Inbox(), threading.Event()

    def judge(message: Any) -> None:
        asked.put(None)
        release.wait(20)
        message.feedback(message.data)

    site.on("forecast", "DATA/FORWARD", blocking=True)(judge)
    for component in (model, site, trainer):
        component.start()
    reader = Reader(make)
    reader.component.start()
    reader.wait("model", lambda report: True, "the model knows that somebody listens")
    trainer.send("features", X, type="DATA/FORWARD", phase=swergio.Phase.TRAIN)
    asked.wait(1)
    report = reader.wait("model", lambda r: r.passes and r.passes.count, "the model told of an open pass")
    assert report.passes is not None
    (one,) = report.passes.open
    assert (one.node, one.room, one.waits_for, one.got) == ("<lambda>", "forecast", "feedback", 0)
    assert one.owing == (str(site.instance),)
    assert one.root.startswith(str(trainer.instance))
    assert one.id.startswith(str(model.instance))
    assert one.age >= 0
    assert one.left is not None
    assert 0 < one.left <= 60
    release.set()
    report = reader.wait("model", lambda r: r.passes and r.passes.nodes[0].closed, "the pass was closed")
    assert report.passes is not None
    (node,) = report.passes.nodes
    assert (node.kind, node.sources, node.sink, node.open, node.orphaned) == ("node", ("features",), "forecast", 0, 0)
    assert node.p50 == node.p99
    assert node.p50 is not None
    assert node.p50 > 0


def test_orphans_are_told_with_their_reason(make: Make) -> None:
    model, trainer = chain(make)
    site = make("site")
    site.on("forecast")(lambda message: None)
    for component in (model, site, trainer):
        component.start()
    reader = Reader(make)
    reader.component.start()
    trainer.send("features", X, type="DATA/FORWARD", phase=swergio.Phase.TRAIN)
    reader.wait("model", lambda r: r.passes and r.passes.count == 1, "the pass is open")
    left = str(site.instance)
    site.close()
    report = reader.wait("model", lambda r: r.passes and r.passes.orphans, "the pass was given up")
    assert report.passes is not None
    (orphan,) = report.passes.orphans
    assert (orphan.missing, orphan.room, orphan.reason) == ((left,), "forecast", f"{left} left before answering")
    assert orphan.root.startswith(str(trainer.instance))
    (node,) = report.passes.nodes
    assert (node.open, node.closed, node.orphaned) == (0, 0, 1)


def test_processes_tell_of_their_passes_too(make: Make) -> None:
    model, trainer = chain(make)
    model.start()
    trainer.start()
    reader = Reader(make)
    reader.component.start()
    reader.wait("trainer", lambda report: True, "the trainer knows that somebody listens")
    process = trainer.process("features", "forecast")
    with pytest.raises(swergio.PassTimeout):
        trainer.process("features", "nowhere")(X, timeout=0.05)
    _, pullback = process.vjp(X)
    report = reader.wait(
        "trainer", lambda r: r.passes and [o.waits_for for o in r.passes.open] == ["pullback"], "the pullback is due"
    )
    assert report.passes is not None
    assert report.passes.open[0].owing == ()
    pullback(X)
    process(X)
    report = reader.wait("trainer", lambda r: r.passes and r.passes.nodes[0].closed == 2, "two passes were closed")
    assert report.passes is not None
    through, nowhere = report.passes.nodes
    assert (through.name, through.kind, through.orphaned) == ("features → forecast", "process", 0)
    assert through.p50 is not None
    assert through.p99 is not None
    assert 0 < through.p50 <= through.p99
    assert (nowhere.closed, nowhere.orphaned, nowhere.p50) == (0, 1, None)
    assert report.passes.orphans[0].reason == "its product did not come"


# -- the schema -------------------------------------------------------------------------------------------------------


def body() -> dict[str, Any]:
    return Report(2.0, 1.0, Stats(sent=3), 0.5, 0.0, 1, 2).to_body()


def test_a_report_is_read_as_it_was_written_and_unknown_fields_are_left_out() -> None:
    assert read(body() | {"later": 1}) == Report(2.0, 1.0, Stats(sent=3), 0.5, 0.0, 1, 2)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "a NoneType without schema; expected a report of the schema 1"),
        ({}, "a dict without schema"),
        ({"schema": 2}, "a report of the schema 2; expected"),
        (body() | {"uptime": "long"}, "uptime of a report is 'long'"),
        (body() | {"counts": dataclasses.asdict(Stats()) | {"sent": []}}, r"counts\.sent of a report is \[\]"),
        (body() | {"passes": {"open": [{}]}}, r"passes\.open\.0\.root of a report is"),
    ],
)
def test_what_is_no_report_is_named(data: object, problem: str) -> None:
    with pytest.raises(swergio.ConfigurationError, match=problem):
        read(data)


def test_the_interval_is_no_negative_number() -> None:
    with pytest.raises(swergio.ConfigurationError, match="stats_interval"):
        swergio.Component("one", "memory://one", stats_interval=-1)


@pytest.mark.parametrize("room", ["_stats", "_logging"])
def test_applications_cannot_send_there(room: str) -> None:
    with swergio.Component("forger", f"memory://{room}") as forger:
        with pytest.raises(swergio.InvalidName, match=room):
            forger.send(room, body(), type="LOG/STATS")
        with pytest.raises(swergio.InvalidName, match=room):
            forger.will(room, body(), type="LOG/STATS")
        with pytest.raises(swergio.InvalidName, match=room):
            forger.process(room, "product")
