"""Alerts between components."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import swergio
import swergio.asyncio
from swergio.hub import HubThread
from swergio.settings import load
from swergio.testing.waiting import Inbox, eventually
from tests.passes.conftest import Make


def publish(component: Any, kpi: str, *values: float, first: int = 0) -> None:
    for step, value in enumerate(values, first):
        component.kpi(kpi, value, step=step)


def test_a_kpi_that_leaves_its_band_sends_a_message_that_a_component_acts_on(make: Make) -> None:
    trainer, monitor, model = make("trainer"), make("monitor"), make("model")
    alerts = Inbox()
    trainer.on("alerts", "LOG/ALERT")(alerts.take_data)
    watch = monitor.alert("miss", high=1.0, patience=2)
    for component in (trainer, monitor, model):
        component.start()

    publish(model, "miss", 0.5, 3.0, 0.5, 3.0, 4.0, 5.0)
    publish(model, "other", 9.0, 9.0, 9.0)
    (out,) = alerts.wait(1)
    assert out.pop("time") >= out.pop("since") > 0
    assert out == {
        "kpi": "miss", "component": "model", "instance": str(model.instance), "low": None, "high": 1.0,
        "state": "out", "value": 4.0, "step": 4, "since_step": 3,
    }  # fmt: skip

    publish(model, "miss", 0.9, 0.8, 0.7, first=6)
    back = alerts.wait(2)[1]
    assert (back["state"], back["value"], back["step"], back["since_step"]) == ("in", 0.8, 7, 6)
    publish(model, "miss", *[0.5] * 20)
    publish(model, "end", 0.0)
    assert len(alerts.wait(2)) == 2
    assert (watch.fired, watch.returned, watch.out) == (1, 1, [])


def test_each_instance_is_judged_for_itself_and_so_is_the_component_itself(make: Make) -> None:
    monitor = make("monitor")
    alerts = Inbox()
    monitor.on("alerts", "LOG/ALERT", echo=True)(alerts.take_data)
    watch = monitor.alert("loss", low=0.0, patience=3, room="alerts")
    models = [make("model").start() for _ in range(2)]
    monitor.start()
    for step in range(4):  # in turn: no three of one row stand together
        publish(models[0], "loss", -1.0, first=step)
        publish(models[1], "loss", 1.0, first=step)
        publish(monitor, "loss", float("nan"), first=step)
    told = alerts.wait(2)
    assert sorted(alert["instance"] for alert in told) == sorted([str(models[0].instance), str(monitor.instance)])
    assert sorted(watch.out) == sorted([models[0].instance, monitor.instance])


def test_a_loss_is_watched_where_it_is_published_and_a_name_singles_a_component_out(make: Make) -> None:
    site, source = make("site"), make("source")
    alerts = Inbox()
    site.on("alerts", "LOG/ALERT", echo=True)(alerts.take_data)
    site.loss("forecast", name="cost")(lambda _ctx, data: float(data))
    watch = site.alert("cost", high=10.0, patience=2, component="site")
    unmoved = site.alert("cost", high=10.0, patience=2, component="another", room="elsewhere")
    site.start()
    source.start()
    publish(source, "cost", 99.0, 99.0, 99.0)
    for value in (1, 20, 30, 40):
        source.send("forecast", value, type="DATA/FORWARD")
    (alert,) = alerts.wait(1)
    assert (alert["component"], alert["value"], alert["step"]) == ("site", 30.0, None)
    assert (watch.fired, unmoved.fired, unmoved.values) == (1, 0, 0)


def test_alerts_do_not_wait_for_handlers_and_a_malformed_kpi_ends_nothing(make: Make) -> None:
    monitor, model, reader = make("monitor"), make("model"), make("reader")
    alerts, release, busy = Inbox(), Inbox(), Inbox()

    def train(_message: Any) -> None:
        busy.put(None)
        release.wait(1)

    monitor.on("work", blocking=True)(train)
    monitor.alert("miss", high=1.0, patience=1)
    reader.on("alerts")(alerts.take_data)
    for component in (monitor, model, reader):
        component.start()
    model.send("work", 1)
    busy.wait(1)
    core = model._core if hasattr(model, "_core") else model._inner._core  # what no honest component sends
    wrong: list[Any] = [{"kpi": "miss", "value": "much"}, {"kpi": "miss"}, {"kpi": ["miss"]}, ["miss"], None]
    for data in wrong:
        core.report("LOG/KPI", data)
    model.flush()
    publish(model, "miss", 2.0)
    try:
        assert alerts.wait(1)[0]["value"] == 2.0
    finally:
        release.put(None)


def test_false_alarms_over_a_long_quiet_run_are_counted(make: Make) -> None:
    monitor, model = make("monitor"), make("model")
    watch = monitor.alert("miss", high=1.0, patience=3)
    monitor.start()
    model.start()
    ended = Inbox()
    last = make("last")
    last.on("alerts")(ended.take_data)
    last.start()
    publish(model, "miss", *[0.5, 2.0, 0.5, 2.0, 2.0] * 40, 2.0, 2.0)
    assert ended.wait(1)[0]["step"] == 200  # two at the end of the last five, and one more
    assert (watch.fired, watch.returned) == (1, 0)
    assert watch.values >= 201


def test_what_cannot_be_watched_is_refused() -> None:
    monitor = swergio.Component("monitor", "memory://refusals")
    with pytest.raises(swergio.ConfigurationError, match="a band without bounds"):
        monitor.alert("miss")
    with pytest.raises(swergio.InvalidName, match="_logging"):
        monitor.alert("miss", high=1.0, room="_logging")
    with pytest.raises(swergio.InvalidName, match="cannot name a component"):
        monitor.alert("miss", high=1.0, component="a#b")


def test_a_plain_component_that_is_connected_can_begin_to_watch_and_an_asyncio_one_says_when_it_could() -> None:
    with (
        HubThread(["memory://late"], load("memory://")),
        swergio.Component("monitor", "memory://late") as monitor,
        swergio.Component("model", "memory://late") as model,
    ):
        watch = monitor.alert("miss", high=1.0, patience=1)
        publish(model, "miss", 2.0)
        eventually(lambda: watch.fired, "the monitor judged what came after it began to watch")

    async def late() -> None:
        async with swergio.asyncio.Component("monitor", "memory://late") as monitor:
            with pytest.raises(swergio.ConfigurationError, match="before it starts"):
                monitor.alert("miss", high=1.0)

    with HubThread(["memory://late"], load("memory://")):
        asyncio.run(late())
