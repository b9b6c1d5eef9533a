"""
A whole feedback pass: a trainer and two nodes, forward and back; and its six messages alone.

The messages alone go the same way, with the same bodies, between the same components, by ``send`` and plain handlers:
what a pass takes beyond that is what its ids, its ledger and its faces cost.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.subjects import Subject
from benchmarks.workloads.case import Case, Column, Scale, Workload
from swergio.bench.outcome import Outcome
from swergio.bench.processes import DEADLINE, RoleFailed
from swergio.bench.role import Orders, say
from swergio.bench.stage import Contender, Stage, cpu_per_message

HERE = "benchmarks.workloads.passes"
COUNT = 1500
NODES = 2
ROOMS = ["features", "forecast", "cost"]
WAYS = {
    "as a pass": "pass",
    "its messages alone": "messages",
}


def _cases(subjects: Sequence[Subject], scale: Scale) -> list[Case]:
    count = scale.count(COUNT)
    return [
        Case(variant, contender.name, partial(_measure, contender, way, count, scale.deadline))
        for subject in subjects
        if subject.is_swergio
        for contender in subject.contenders(("plain",))
        for variant, way in WAYS.items()
    ]


def _measure(contender: Contender, way: str, count: int, deadline: float) -> Outcome:
    try:
        with Stage(contender, 0) as stage:
            nodes = [stage.add("node", play=f"{HERE}:node_of_{way}", at=at) for at in range(NODES)]
            for node in nodes:
                node.hear("ready")
            trainer = stage.add("trainer", play=f"{HERE}:trainer_of_{way}")
            trainer.hear("ready")
            trainer.tell(passes=max(2, count // 10))
            trainer.hear("done", deadline)
            before, sent_before = stage.cpu(), _sent(nodes)
            trainer.tell(passes=count)
            told = trainer.hear("done", deadline)
            spent = cpu_per_message(before, stage.cpu(), count)
            sent = told["sent"] + _sent(nodes) - sent_before
    except RoleFailed as exc:
        return Outcome(problem=str(exc))
    return Outcome({"time": told["seconds"] / count * 1e6, "messages": sent / count, **spent})


def _sent(nodes: list[Any]) -> int:
    for node in nodes:
        node.tell(sent=True)
    return sum(node.hear("sent", DEADLINE)["sent"] for node in nodes)


def node_of_pass(place: list[Any], at: int, **_: str) -> None:
    """
    Multiply by two on the way there, and on the way back.
    """
    import swergio

    component = swergio.Component(f"node-{at}", place[0])

    @component.forward(ROOMS[at], ROOMS[at + 1])
    def double(_: swergio.Context, x: Any) -> Any:
        return x * 2

    @double.backward
    def back(_: swergio.Context, gradient: Any) -> Any:
        return gradient * 2

    _serve(component)


def node_of_messages(place: list[Any], at: int, **_: str) -> None:
    """
    The same with messages.
    """
    import swergio

    component = swergio.Component(f"node-{at}", place[0])
    component.on(ROOMS[at])(lambda message: component.send(ROOMS[at + 1], message.data * 2))
    component.on(_back(ROOMS[at + 1]))(lambda message: component.send(_back(ROOMS[at]), message.data * 2))
    _serve(component)


def _back(room: str) -> str:
    return f"{room}-back"


def _serve(component: Any) -> None:
    orders = Orders()
    with component:
        say(ready=True)
        while True:
            orders.next()
            say(sent=component.stats.sent)


def trainer_of_pass(place: list[Any], **_: str) -> None:
    """
    Begin passes, one at a time.
    """
    import swergio

    with swergio.Component("trainer", place[0]) as component:
        process = component.process(ROOMS[0], ROOMS[-1])

        def once(x: Any) -> Any:
            y, pullback = process.vjp(x, timeout=DEADLINE)
            return pullback(y, timeout=DEADLINE)

        _train(component, once)


def trainer_of_messages(place: list[Any], **_: str) -> None:
    """
    The same with messages.
    """
    import swergio

    component = swergio.Component("trainer", place[0])
    came: queue.SimpleQueue[Any] = queue.SimpleQueue()
    component.on(ROOMS[-1])(lambda message: came.put(message.data))
    component.on(_back(ROOMS[0]))(lambda message: came.put(message.data))

    def once(x: Any) -> Any:
        component.send(ROOMS[0], x)
        component.send(_back(ROOMS[-1]), came.get(timeout=DEADLINE))
        return came.get(timeout=DEADLINE)

    with component:
        _train(component, once)


def _train(component: Any, once: Callable[[Any], Any]) -> None:
    orders, x = Orders(), np.ones(16)
    say(ready=True)
    while True:
        many, sent, began = orders.next()["passes"], component.stats.sent, time.perf_counter()
        for _ in range(many):
            gradient = once(x)
        seconds = time.perf_counter() - began
        if not np.array_equal(gradient, x * 4**NODES):
            raise SystemExit(f"the gradient is {gradient}")
        say(done=many, seconds=seconds, sent=component.stats.sent - sent)


PASSES = Workload(
    "pass",
    "A feedback pass of three components, pinned",
    (Column("time", "µs"), Column("messages", "messages", 2), Column("cpu", "CPU µs")),
    less_is_more=True,
    cases=_cases,
)
