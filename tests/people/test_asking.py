"""Items go to people, and their answers come back to whoever asked."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import swergio
from swergio.people import Choice, Item, Media, Number, Rating, Skip, Text, desk
from swergio.testing import Inbox, eventually
from tests.live.deployments import deployed
from tests.people.conftest import ROOM, Hire

SORTS = [
    (Choice(("bad", "good")), "good"),
    (Rating(1, 5), 4),
    (Number(0, 1), 0.5),
    (Text(), "a bit slow"),
]
SHOWN = [
    "text",
    3.5,
    {"deep": [1, None]},
    np.arange(6, dtype=np.uint8).reshape(2, 3),
    Media(b"RIFF", "audio/wav", "a.wav"),
]


@pytest.mark.parametrize(("kind", "said"), SORTS, ids=lambda one: type(one).__name__)
def test_each_sort_of_item_and_answer_arrives(asker: Any, hire: Hire, kind: Any, said: Any) -> None:
    items = Inbox()

    def answer(item: Item) -> Any:
        items.put(item)
        return said

    person = hire(answer)

    answers = asker.ask_human(ROOM, SHOWN, question="How is it?", answer=kind, timeout=20)

    assert [(answer.value, answer.by) for answer in answers] == [(said, person.instance)] * len(SHOWN)
    assert all(answer.seconds >= 0 for answer in answers)
    assert [str(item.show) for item in items.items] == [str(value) for value in SHOWN]
    assert all((item.question, item.answer) == ("How is it?", kind) for item in items.items)
    assert asker.stats.unmatched_feedback == 0


def test_an_item_may_have_a_question_of_its_own(asker: Any, hire: Hire) -> None:
    hire(lambda item: 3 if item.question == "How many?" else "none")

    one, other = asker.ask_human(ROOM, [Item("sheep", "How many?", Rating(0, 9)), "nothing"], timeout=20)

    assert (one.value, other.value) == (3, "none")


def test_people_share_the_work(asker: Any, hire: Hire) -> None:
    together = threading.Barrier(2)

    def answer(_: Item) -> str:
        together.wait(20)  # neither is done before the other one has something to do
        return "done"

    people = [hire(answer) for _ in range(2)]
    eventually(lambda: len(asker.members(ROOM)) == len(people), "both are there")

    answers = asker.ask_human(ROOM, range(6), timeout=30)

    assert sorted(answer.by for answer in answers) == sorted(3 * [person.instance for person in people])


def test_what_one_leaves_open_goes_to_another(asker: Any, hire: Hire) -> None:
    shown, go_on = threading.Event(), threading.Event()

    def leave(_: Item) -> str:
        shown.set()
        go_on.wait(20)
        raise Skip

    leaver = hire(leave)

    def replace_them() -> None:
        assert shown.wait(20)
        hire(lambda _: "done")
        threading.Thread(target=leaver.close).start()

    replacing = threading.Thread(target=replace_them)
    replacing.start()
    (answer,) = asker.ask_human(ROOM, ["item"], timeout=30)
    go_on.set()
    replacing.join(20)

    assert answer.value == "done"
    assert answer.by != leaver.instance


def test_what_one_skips_goes_to_another(asker: Any, hire: Hire) -> None:
    hire(skip)
    knows = hire(lambda _: "done")
    eventually(lambda: len(asker.members(ROOM)) == 2, "both are there")

    answers = asker.ask_human(ROOM, range(3), timeout=20)

    assert {answer.by for answer in answers} == {knows.instance}


def test_who_takes_too_long_is_not_waited_for(asker: Any, hire: Hire) -> None:
    go_on = threading.Event()
    hire(lambda _: go_on.wait(20) and "late")
    eventually(lambda: asker.members(ROOM), "the slow one is there")
    quick = hire(lambda _: "done")
    eventually(lambda: len(asker.members(ROOM)) == 2, "both are there")

    answers = asker.ask_human(ROOM, range(2), patience=0.1, timeout=30)
    go_on.set()

    assert [answer.by for answer in answers] == [quick.instance] * 2
    eventually(lambda: asker.stats.unmatched_feedback == 1, "what comes too late is counted")


def test_the_deadline_has_a_default(asker: Any, hire: Hire) -> None:
    def only_text(item: Item) -> str:
        if not isinstance(item.show, str):
            raise Skip
        return "fine"

    assert asker.ask_human(ROOM, ["item"], timeout=0.1, default=None)[0].value is None
    hire(only_text)
    known, unknown = asker.ask_human(ROOM, ["item", 3], timeout=2, default=0)

    assert (known.value, unknown) == ("fine", (0, None, None))


def test_without_a_default_the_deadline_is_an_error(asker: Any, hire: Hire) -> None:
    with pytest.raises(swergio.NoMembers):
        asker.ask_human(ROOM, ["item"], timeout=0.1)
    go_on = threading.Event()
    person = hire(lambda _: go_on.wait(20) and "late")
    with pytest.raises(swergio.RequestTimeout, match=f"0 of 2 replies in 'lab' after 0.5 s; missing {person.instance}"):
        asker.ask_human(ROOM, range(2), timeout=0.5)
    go_on.set()


def test_an_answer_that_is_none_is_not_taken(asker: Any, hire: Hire, url: str) -> None:
    hire(lambda _: 9)  # the desk sees it
    with swergio.Component("broken", url) as broken:
        broken.on(ROOM, group="people")(lambda message: message.feedback(9, type="DATA/LABEL"))
        right = hire(lambda _: 3)
        eventually(lambda: len(asker.members(ROOM)) == 3, "all are there")
        (answer,) = asker.ask_human(ROOM, ["item"], answer=Rating(), timeout=20)

    assert (answer.value, answer.by) == (3, right.instance)


def test_who_only_looks_on_is_not_asked(asker: Any, hire: Hire, url: str) -> None:
    with swergio.Component("watcher", url) as watcher:
        watcher.join(ROOM)
        hire(lambda _: "done")
        assert asker.ask_human(ROOM, ["item"], timeout=20)[0].value == "done"


def test_nothing_is_asked_if_an_item_cannot_travel(asker: Any) -> None:
    with pytest.raises(swergio.UnsupportedBody, match="set"):
        asker.ask_human(ROOM, ["item", {1, 2}], timeout=20)
    assert asker.ask_human(ROOM, [], timeout=20) == []


def test_a_plain_message_or_request_is_answered_too(url: str, hire: Hire) -> None:
    hire(lambda item: f"{item.show}?")
    labels = Inbox()
    with swergio.Component("sender", url) as sender:
        sender.on(ROOM, "DATA/LABEL")(labels.take_data)
        eventually(lambda: sender.members(ROOM), "somebody is there")
        sender.send(ROOM, "beep")
        assert labels.wait(1)[0]["answer"] == "beep?"
        assert sender.request(ROOM, "boop", timeout=20)["answer"] == "boop?"


def test_an_item_that_cannot_be_read_is_skipped_and_says_why(url: str, hire: Hire) -> None:
    hire(lambda _: "never")
    with swergio.Component("sender", url) as sender:
        for wrong in (
            {"answer": {"kind": "smell"}},
            {"answer": {"kind": "rating"}},
            {"question": 3},
            {"until": "noon"},
        ):
            assert "an item with" in sender.request(ROOM, {"show": 1, **wrong}, timeout=20)["skipped"]
        assert sender.request(ROOM, {"show": {"media": "audio/wav"}}, timeout=20)["skipped"].endswith("'audio/wav'}")
        assert sender.request(ROOM, {"show": 1, "until": 1.0}, timeout=20) is None


def test_people_can_be_asked_inside_a_handler(url: str, hire: Hire) -> None:
    hire(lambda _: "done")
    with swergio.Component("oracle", url) as oracle, swergio.Component("asker", url) as asker:
        oracle.on("questions")(lambda message: oracle.ask_human(ROOM, [message.data], timeout=20)[0].value)
        assert asker.request("questions", "why?", timeout=20) == "done"


def test_a_desk_of_the_asyncio_face(url: str) -> None:
    from swergio.testing.faces import component

    clerk: Any = component("asyncio", "clerk", url)
    desk(clerk._inner, ROOM, lambda item: f"{item.show}!")
    clerk.start()
    with swergio.Component("asker", url) as asker:
        assert asker.ask_human(ROOM, ["hey"], timeout=20)[0].value == "hey!"
    clerk.end()


@pytest.mark.parametrize("deployment", ["zmq+ipc", "redis"])
def test_it_is_the_same_on_every_transport(deployment: str) -> None:
    with deployed(deployment) as url, swergio.Component("asker", url) as asker:
        people = [swergio.Component("person", url) for _ in range(2)]
        desk(people[0], ROOM, lambda item: item.show)
        desk(people[1], ROOM, skip)
        for person in people:
            person.start()
        answers = asker.ask_human(ROOM, ["a", "b", "c"], timeout=20)
        for person in people:
            person.close()

    assert [answer.value for answer in answers] == ["a", "b", "c"]
    assert {answer.by for answer in answers} == {people[0].instance}


def skip(_: Item) -> str:
    raise Skip("not my field")
