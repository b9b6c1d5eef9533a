"""
Groups over Redis: work is shared, and what somebody did not finish is for others.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import swergio
from swergio.testing import Inbox, eventually

SETTINGS: dict[str, Any] = {"heartbeat": 0.2, "dead_after": 5.0, "hub": {"session_grace": 0.5}}

Make = Callable[..., swergio.Component]


@pytest.fixture
def make(deployment: str) -> Iterator[Make]:
    made: list[swergio.Component] = []

    def component(name: str, **how: Any) -> swergio.Component:
        made.append(swergio.Component(name, deployment, **{**SETTINGS, **how}))
        return made[-1]

    yield component
    for one in reversed(made):
        one.close()


def test_each_message_goes_to_one_member_whoever_is_quick_gets_more(make: Make) -> None:
    done, held = Inbox(), threading.Event()
    slow, quick, boss = make("slow"), make("quick"), make("boss").start()

    @slow.on("jobs", group="workers")
    def hold(message: swergio.Message) -> None:
        held.wait(20)
        done.put(message.data)

    quick.on("jobs", group="workers")(done.take_data)
    slow.start()
    boss.send("jobs", 0)
    boss.flush(20)
    quick.start()
    for number in range(1, 300):
        boss.send("jobs", number)
    done.wait(290)
    held.set()
    assert sorted(done.wait(300)) == list(range(300))


def test_what_a_member_that_leaves_had_not_finished_goes_to_another(make: Make) -> None:
    first, second, boss = make("first"), make("second"), make("boss").start()
    begun, held, done = Inbox(), threading.Event(), Inbox()

    @first.on("jobs", group="workers")
    def hold(message: swergio.Message) -> None:
        begun.put(message.data)
        held.wait(20)

    @second.on("jobs", group="workers")
    def finish(message: swergio.Message) -> None:
        done.put((message.data, message.attempt))

    first.start()
    boss.send("jobs", "job")
    begun.wait(1)
    second.start()
    first.leave("jobs")
    assert done.wait(1) == [("job", 1)]
    held.set()


def test_a_member_does_not_get_its_own_messages_and_alone_they_are_passed_over(make: Make) -> None:
    one, two = make("one"), make("two")
    by_one, by_two = Inbox(), Inbox()
    one.on("jobs", group="workers")(by_one.take_data)
    two.on("jobs", group="workers")(by_two.take_data)
    one.start()
    one.send("jobs", "to nobody")
    one.flush(20)
    two.start()
    for number in range(20):
        one.send("jobs", number)
    assert sorted(by_two.wait(20)) == list(range(20))
    assert not by_one.items


def test_a_group_that_nobody_comes_to_is_forgotten_and_its_senders_are_told(make: Make) -> None:
    soon = {"session_grace": 5.0, "group_grace": 0.5}
    worker, boss = make("worker", hub=soon), make("boss", hub=soon).start()
    worker.on("jobs", group="workers")(lambda message: None)
    worker.start()
    worker.leave("jobs")
    for number in range(10):
        boss.send("jobs", number)
    eventually(lambda: boss.stats.undeliverable == 10, "the sender is told")


def test_questions_to_a_group_are_shared(make: Make) -> None:
    answered = Counter[str]()
    boss = make("boss").start()
    for _ in range(3):
        worker = make("worker")

        @worker.on("double", group="workers")
        def double(message: swergio.Message, name: str = str(worker.instance)) -> int:
            answered[name] += 1
            return 2 * int(message.data)

        worker.start()
    assert boss.map("double", list(range(200)), timeout=30) == [2 * number for number in range(200)]
    assert answered.total() == 200
