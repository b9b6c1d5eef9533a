"""Requests, replies and gathering."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import swergio
from tests.live.inbox import Inbox, eventually

Make = Callable[..., Any]


def answering(make: Make, name: str, answer: Callable[[Any], Any], **how: Any) -> Any:
    component = make(name)
    component.on("oracle", **how)(answer)
    return component.start()


def test_the_first_reply_wins_and_none_is_one(make: Make) -> None:
    answering(make, "oracle", lambda message: None if message.data == "nothing" else message.data * 2)
    asker = make("asker").start()
    assert asker.request("oracle", 21) == 42
    assert asker.request("oracle", "nothing") is None
    assert asker.stats.late_replies == 0


def test_a_request_to_a_room_without_members_fails_at_its_deadline(make: Make) -> None:
    asker = make("asker").start()
    with pytest.raises(swergio.NoMembers, match="'nowhere' had no member"):
        asker.request("nowhere", 1, timeout=0.2)


def test_a_request_that_shall_not_wait_fails_at_once(make: Make) -> None:
    asker = make("asker").start()
    with pytest.raises(swergio.NoMembers):
        asker.request("nowhere", 1, timeout=60, wait=False)


def test_a_request_waits_for_a_first_member(make: Make) -> None:
    asker = make("asker").start()
    inbox = Inbox()
    thread = threading.Thread(target=lambda: inbox.put(asker.request("oracle", 5, timeout=20)))
    thread.start()
    answering(make, "oracle", lambda message: message.data + 1)
    assert inbox.wait(1) == [6]
    thread.join()


def test_a_request_that_was_given_up_reaches_nobody_later(make: Make) -> None:
    asker = make("asker").start()
    with pytest.raises(swergio.NoMembers):
        asker.request("oracle", "too late", timeout=0.1)
    inbox = Inbox()
    answering(make, "oracle", inbox.take_data)
    asker.request("oracle", "in time", timeout=10)
    assert inbox.items == ["in time"]


def test_an_observer_is_no_member_that_could_answer(make: Make) -> None:
    observer, asker = make("observer").start(), make("asker").start()
    observer.join("room", observe=True)
    with pytest.raises(swergio.NoMembers):
        asker.request("room", 1, timeout=0.2)


def test_silence_is_a_timeout_that_names_who_was_silent_and_late_replies_are_dropped(make: Make) -> None:
    go_on = threading.Event()
    answering(make, "slow", lambda message: go_on.wait(20) and message.data, blocking=True)
    asker = make("asker").start()
    with pytest.raises(swergio.RequestTimeout, match=r"0 of 1 replies in 'oracle' after 0.2 s; missing slow#"):
        asker.request("oracle", "first", timeout=0.2)
    go_on.set()
    assert asker.request("oracle", "second") == "second"
    assert eventually(lambda: asker.stats.late_replies, "the late reply is counted") == 1


def test_a_handler_that_raises_is_an_error_of_the_request(make: Make) -> None:
    oracle = answering(make, "oracle", lambda message: 1 // message.data)
    asker = make("asker").start()
    with pytest.raises(swergio.HandlerFailed, match=r"oracle#.* ZeroDivisionError"):
        asker.request("oracle", 0)
    assert asker.request("oracle", 1) == 1
    assert oracle.stats.failed == 1


def test_the_failure_of_a_handler_is_reported_in_the_logging_room(make: Make) -> None:
    inbox = Inbox()
    logger, member, sender = make("logger"), make("member"), make("sender")
    logger.on("_logging")(lambda message: inbox.put(message.data))
    member.on("room")(lambda message: message.meta["no such key"])
    for component in (logger, member, sender):
        component.start()
    sender.send("room", 1)
    (report,) = inbox.wait(1)
    assert report["room"] == "room"
    assert report["component"] == "member"
    assert "KeyError" in report["error"]


def test_a_request_inside_a_handler_is_answered(make: Make) -> None:
    answering(make, "oracle", lambda message: message.data + 1)
    relay, asker = make("relay"), make("asker").start()
    relay.on("relay", blocking=True)(lambda message: blocking_request(relay, message.data))
    relay.start()
    assert asker.request("relay", 1) == 2


def blocking_request(component: Any, data: Any) -> Any:
    return component.request("oracle", data, timeout=10)


def test_gather_takes_one_reply_of_each_member(make: Make) -> None:
    for number in range(3):
        answering(make, f"model-{number}", partial(scaled, number))
    asker = make("asker").start()
    asker.join("oracle")
    replies = asker.gather("oracle", 10, timeout=20)
    assert {reply.sender.name: reply.data for reply in replies} == {"model-0": 0, "model-1": 10, "model-2": 20}
    assert len(asker.gather("oracle", 10, count=2, timeout=20)) == 2


def scaled(number: int, message: swergio.Message) -> Any:
    return message.data * number


def test_gather_names_who_is_missing(make: Make) -> None:
    silent = threading.Event()
    answering(make, "quick", lambda message: 1)
    answering(make, "mute", lambda message: silent.wait(30), blocking=True)
    asker = make("asker").start()
    with pytest.raises(swergio.RequestTimeout, match=r"1 of 2 replies in 'oracle' after 0.3 s; missing mute#"):
        asker.gather("oracle", 1, timeout=0.3)
    silent.set()


def test_an_explicit_reply_and_what_a_message_tells_of_itself(make: Make) -> None:
    seen = Inbox()

    def answer(message: swergio.Message) -> None:
        seen.put((message.kind, message.type, message.room, message.parent, message.root == message.id, message.to))
        message.reply({"you": message.sender.name, "said": message.meta["words"]})

    answering(make, "oracle", answer)
    asker = make("asker").start()
    assert asker.request("oracle", "hi", meta={"words": 3}) == {"you": "asker", "said": 3}
    assert seen.items == [(swergio.Kind.REQUEST, "DATA/TEXT", "oracle", None, True, None)]


def test_requests_of_many_threads_at_once(make: Make) -> None:
    answering(make, "oracle", lambda message: message.data)
    asker = make("asker").start()
    inbox = Inbox()

    def ask(base: int) -> None:
        for number in range(base, base + 50):
            inbox.put((number, asker.request("oracle", number)))

    threads = [threading.Thread(target=ask, args=(1000 * which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    assert all(asked == answered for asked, answered in inbox.wait(200))
    for thread in threads:
        thread.join()
