"""What ``swergio top`` and ``swergio passes`` know, and how it is drawn: no deployment, no terminal."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from swergio.cli import overview, screen, waiting
from swergio.cli.overview import Overview, sparkline
from swergio.cli.show import as_json
from swergio.reports import NodeReport, OpenReport, OrphanReport, PassesReport, Report
from swergio.stats import Stats

MODEL, SITE, TRAINER = "model#aaaa00000000", "site#bbbb00000000", "trainer#cccc00000000"
ROOT = f"{TRAINER}/0/1"


def report(uptime: float = 1.0, handler_seconds: float = 0.0, **more: Any) -> Report:
    counts = more.pop("counts", Stats())
    defaults: dict[str, Any] = {"interval": 1.0, "handling": 0.0, "outbox": 0, "waiting": 0}
    return Report(uptime=uptime, handler_seconds=handler_seconds, counts=counts, **defaults | more)


def drawn(renderable: Any, width: int = 100, height: int = 50) -> str:
    console = Console(file=StringIO(), width=width, height=height, color_system=None)
    console.print(renderable)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


# -- the overview -----------------------------------------------------------------------------------------------------


def test_rates_are_differences_by_the_clock_of_the_component() -> None:
    known = Overview(0.0)
    first = report(10.0, 3.0, counts=Stats(sent=100, received=50, sent_bytes=1000))
    known.report(MODEL, first.to_body(), 0.0)
    (row,) = known.state(0.5).components
    assert (row.sent, row.handler_share, row.state) == (None, None, "here")
    second = report(12.0, 4.0, counts=Stats(sent=140, received=50, sent_bytes=5000, lost=2), waiting=7)
    known.report(MODEL, second.to_body(), 9.0)
    (row,) = known.state(9.0).components
    assert (row.sent, row.received, row.sent_bytes, row.handler_share) == (20.0, 0.0, 2000.0, 0.5)
    assert (row.name, row.waiting, row.totals.lost) == ("model", 7, 2)


def test_a_component_is_silent_when_its_reports_are_overdue_and_forgotten_later() -> None:
    known = Overview(0.0)
    known.report(MODEL, report().to_body(), 0.0)
    known.report(SITE, report(closing=True).to_body(), 0.0)
    assert [row.state for row in known.state(3.9).components] == ["here", "closed"]
    assert [row.state for row in known.state(4.1).components] == ["silent", "closed"]
    assert known.state(64.1).components == ()


def test_a_snapshot_is_complete_when_everybody_has_reported_twice_or_is_overdue() -> None:
    known = Overview(0.0)
    assert not known.complete(2.9)
    assert known.complete(3.0)
    known.report(MODEL, report().to_body(), 0.1)
    known.report(SITE, report().to_body(), 0.1)
    assert not known.complete(1.5)
    known.report(MODEL, report(2.0).to_body(), 1.2)
    assert not known.complete(1.5)
    assert known.complete(2.2)
    known.report(SITE, report(2.0).to_body(), 1.4)
    assert known.complete(1.5)
    assert not known.complete(0.9)


def test_what_cannot_be_read_is_counted_and_everything_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MAX_INSTANCES", 3)
    monkeypatch.setattr(overview, "MAX_INDICATORS", 3)
    known = Overview(0.0)
    for data in (None, {}, {"schema": 1}, [1]):
        known.report(MODEL, data, 0.0)
    for other in (None, {}, {"kpi": 1, "value": 2.0}, {"kpi": "miss", "value": True}):
        known.indicator(MODEL, other)
    assert known.state(0.0).unreadable == 8
    for number in range(5):
        known.report(f"one#{number}", report().to_body(), float(number))
        known.indicator(f"one#{number}", {"kpi": "miss", "value": number, "step": None})
    state = known.state(5.0)
    assert [row.instance for row in state.components] == ["one#2", "one#3", "one#4"]
    assert [row.instance for row in state.indicators] == ["one#2", "one#3", "one#4"]


def test_the_newest_values_of_a_kpi_are_kept_with_its_step() -> None:
    known = Overview(0.0)
    for step in range(100):
        known.indicator(MODEL, {"kpi": "miss", "value": step / 2, "step": step, "component": "model"})
    (row,) = known.state(0.0).indicators
    assert (row.kpi, row.step, row.values) == ("miss", 99, tuple(step / 2 for step in range(68, 100)))


def test_sparklines_go_from_the_smallest_to_the_largest_value() -> None:
    assert sparkline([]) == ""
    assert sparkline([2.0, 2.0]) == "▅▅"
    assert sparkline(range(8)) == "▁▂▃▄▅▆▇█"
    assert sparkline([-1e308, math.nan, 1e308, math.inf]) == "▁·█·"


def test_the_state_is_json_whatever_the_figures_are() -> None:
    known = Overview(0.0)
    known.report(MODEL, report(passes=PassesReport((NodeReport("f", "node", ("a",), "b", 1, 2, 0),))).to_body(), 0.0)
    known.indicator(MODEL, {"kpi": "miss", "value": math.nan})
    known.found([{"room": "a", "members": [[MODEL, "reliable", None]], "held": 3}])
    told = json.loads(as_json(overview.as_record(known.state(0.0))))
    assert told["kpis"][0]["value"] == "nan"
    assert told["nodes"][0] == {
        "instance": MODEL, "name": "f", "kind": "node", "sources": ["a"], "sink": "b", "open": 1, "closed": 2,
        "orphaned": 0, "p50": None, "p99": None,
    }  # fmt: skip
    assert told["rooms"] == [{"room": "a", "members": [[MODEL, "reliable", None]], "held": 3}]
    assert told["components"][0]["totals"]["lost"] == 0


# -- where passes wait ------------------------------------------------------------------------------------------------


def step(waits_for: Any = "feedback", *owing: str, room: str = "forecast", age: float = 1.0, **more: Any) -> OpenReport:
    told: dict[str, Any] = {"root": ROOT, "id": f"{room}/1", "node": "f", "got": 0, "left": 59.0}
    return OpenReport(room=room, waits_for=waits_for, owing=owing, age=age, **told | more)


def told_of(**steps: OpenReport) -> Overview:
    known = Overview(0.0)
    for instance in (MODEL, SITE, TRAINER):
        opened = steps.get(instance.partition("#")[0])
        passes = PassesReport((), int(opened is not None), (opened,) if opened else ())
        known.report(instance, report(passes=passes, handling=0.0).to_body(), 0.0)
    return known


def test_a_pass_waits_for_who_owes_feedback_and_waits_for_nobody() -> None:
    known = told_of(
        trainer=step("product", MODEL, room="cost", age=3.0, left=None),
        model=step("feedback", SITE, age=2.0),
    )
    known.report(SITE, report(2.0, handling=2.5, waiting=4).to_body(), 1.0)
    found = waiting.passes(known, 1.0)
    (one,) = found.open
    assert (one.root, one.began, one.age, one.left) == (ROOT, TRAINER, 4.0, 58.0)
    assert [each.instance for each in one.steps] == [TRAINER, MODEL]
    (place,) = one.waits
    assert (place.at, place.step.room) == (MODEL, "forecast")
    assert place.owing == ((SITE, "at its handler for 2.5 s, 4 messages wait"),)


def test_a_pass_that_has_its_product_waits_for_the_call_of_its_pullback() -> None:
    known = told_of(
        trainer=step("pullback", age=0.5), model=step("feedback", SITE), site=step("feedback", TRAINER, room="cost")
    )
    (place,) = waiting.passes(known, 0.0).open[0].waits
    assert (place.at, place.step.waits_for, place.owing) == (TRAINER, "pullback", ())


def test_a_group_waits_if_one_of_its_members_does() -> None:
    known = told_of(trainer=step("product", "*models", room="features", age=2.0), model=step("feedback", SITE))
    ends = [place.at for place in waiting.passes(known, 0.0).open[0].waits]
    assert ends == [TRAINER, MODEL]  # it is not known who is in the group
    known.found([{"room": "features", "members": [[MODEL, "reliable", "models"]], "held": 0}])
    assert [place.at for place in waiting.passes(known, 0.0).open[0].waits] == [MODEL]


@pytest.mark.parametrize(
    ("last", "how"),
    [(None, "does not report"), (report(), "silent"), (report(closing=True), "closed"), (report(3.0), "idle")],
)
def test_it_is_said_how_those_are_who_are_waited_for(last: Report | None, how: str) -> None:
    known = told_of(model=step("feedback", SITE))
    if last is None:
        del known.seen[SITE]
    else:
        known.report(SITE, last.to_body(), 9.0 if how == "idle" else 1.0)
    known.report(MODEL, report(2.0, passes=PassesReport((), 1, (step("feedback", SITE),))).to_body(), 9.0)
    (place,) = waiting.passes(known, 9.0).open[0].waits
    assert place.owing == ((SITE, how),)
    assert place.standing == "here"


def test_a_pass_that_waits_at_a_component_which_is_gone_says_so() -> None:
    known = told_of(model=step("feedback", SITE, age=2.0))
    found = waiting.passes(known, 20.0)
    assert (found.open[0].age, found.open[0].waits[0].standing) == (22.0, "silent")
    drawn_passes = drawn(screen.passes(found, full().state(1.0).nodes), 160)
    assert "model#aaaa (silent) for feedback from 'forecast', of site#bbbb (silent)" in drawn_passes
    assert "trainer#cccc/0/1 " in drawn_passes


# -- drawing ----------------------------------------------------------------------------------------------------------


def full() -> Overview:
    known = Overview(0.0)
    orphan = OrphanReport(ROOT, "id", "f", "forecast", "no feedback within 60 s", (SITE,), 12.0)
    nodes = (NodeReport("predict", "node", ("features",), "forecast", 1, 1234, 2, 0.0015, 2.5),)
    opened = step("feedback", SITE)
    passes = PassesReport(nodes, 3, (opened,), (orphan,))
    known.report(MODEL, report(1.0, counts=Stats(sent=0)).to_body(), 0.0)
    counts = Stats(sent=25_000, lost=3, failed=1)
    known.report(MODEL, report(2.0, 0.25, counts=counts, waiting=12, passes=passes).to_body(), 1.0)
    known.found([{"room": "features", "members": [[MODEL, "reliable", None]] * 6, "held": 4096}])
    for value in range(8):
        known.indicator(MODEL, {"kpi": "miss", "value": value, "step": 1000 + value})
    return known


def test_top_shows_components_nodes_rooms_and_kpis() -> None:
    lines = [line.split() for line in drawn(screen.top(full().state(1.0))).splitlines()]
    assert ["model#aaaa", "25k", "0", "0", "25%", "12", "0", "3", "3", "lost,", "1", "failed"] in lines
    assert ["predict", "model#aaaa", "features", "→", "forecast", "1", "1,234", "2", "1.5", "ms", "2.5", "s"] in lines
    assert ["features", *["model#aaaa,"] * 4, "…", "6", "in", "all", "4,096"] in lines
    assert ["miss", "model#aaaa", "1,007", "7", "▁▂▃▄▅▆▇█"] in lines


def test_a_small_terminal_gets_what_fits_and_how_much_is_left_out() -> None:
    known = full()
    for number in range(100):
        known.report(f"one#{number:04}", report().to_body(), 1.0)
        known.indicator(f"one#{number:04}", {"kpi": "miss", "value": number})
    known.found([{"room": f"room {number}", "members": [], "held": number} for number in range(100)])
    text = drawn(screen.top(known.state(1.0), 30))
    assert len(text.splitlines()) <= 30
    assert "model#aaaa" in text  # the busiest comes first
    assert [line.split()[1] for line in text.splitlines() if line.startswith("…")] == ["94", "97", "98"]


def test_passes_shows_where_they_wait_and_which_were_given_up() -> None:
    known = full()
    text = drawn(screen.passes(waiting.passes(known, 1.0), known.state(1.0).nodes), 160)
    assert "model#aaaa for feedback from 'forecast', of site#bbbb (does not report)" in text
    assert "no feedback within 60 s (missing site#bbbb)" in text
    assert "2 more open messages" in text
    assert "No component that reports takes part" in drawn(screen.passes(waiting.passes(Overview(0.0), 1.0), ()))


def test_nothing_that_comes_from_others_reaches_the_terminal_as_it_is() -> None:
    evil = "\x1b]0;owned\x07[bold]x"
    known = Overview(0.0)
    node = NodeReport(evil, "node", (evil,), evil, 0, 0, 1)
    orphan = OrphanReport(evil, evil, evil, evil, evil, (evil,), 1.0)
    opened = replace(step("feedback", evil), root=evil, node=evil, room=evil)
    known.report(evil, report(passes=PassesReport((node,), 1, (opened,), (orphan,))).to_body(), 0.0)
    known.found([{"room": evil, "members": [[evil, "reliable", None]], "held": 0}])
    known.indicator(evil, {"kpi": evil, "value": 1.0})
    state = known.state(0.0)
    text = drawn(screen.top(state), 300) + drawn(screen.passes(waiting.passes(known, 0.0), state.nodes), 300)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert text.count("[bold]x") >= 8
