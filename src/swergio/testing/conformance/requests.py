"""Requests, replies, and questions to everyone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from swergio.errors import HandlerFailed, NoMembers, RequestTimeout
from swergio.messages import Kind, Message
from swergio.testing.conformance.foundation import Foundation, Make, needs
from swergio.testing.faces import PlainFace
from swergio.testing.waiting import Inbox, eventually


class Requests(Foundation):
    """
    DESIGN section 3, point 4: questions and answers.
    """

    def test_the_first_reply_wins_and_none_is_one(self, make: Make, room: str) -> None:
        answering(make, room, "oracle", lambda message: None if message.data == "nothing" else message.data * 2)
        asker = make("asker").start()
        assert asker.request(room, 21) == 42
        assert asker.request(room, "nothing") is None
        assert asker.stats.late_replies == 0

    def test_a_request_to_a_room_without_members_fails_at_its_deadline(self, make: Make, room: str) -> None:
        asker = make("asker").start()
        with pytest.raises(NoMembers, match=f"{room!r} had no member"):
            asker.request(room, 1, timeout=0.2)

    @needs("knows_members")
    def test_a_request_that_shall_not_wait_fails_at_once(self, make: Make, room: str) -> None:
        asker = make("asker").start()
        with pytest.raises(NoMembers):
            asker.request(room, 1, timeout=60, wait=False)

    def test_a_request_waits_for_a_first_member(self, make: Make, room: str) -> None:
        asker = make("asker").start()
        inbox = Inbox()
        thread = threading.Thread(target=lambda: inbox.put(asker.request(room, 5, timeout=20)))
        thread.start()
        answering(make, room, "oracle", lambda message: message.data + 1)
        assert inbox.wait(1) == [6]
        thread.join()

    def test_a_request_that_was_given_up_reaches_nobody_later(self, make: Make, room: str) -> None:
        asker = make("asker").start()
        with pytest.raises(NoMembers):
            asker.request(room, "too late", timeout=0.1)
        inbox = Inbox()
        answering(make, room, "oracle", inbox.take_data)
        asker.request(room, "in time", timeout=20)
        inbox.expect(["in time"])

    def test_an_observer_is_no_member_that_could_answer(self, make: Make, room: str) -> None:
        observer, asker = make("observer").start(), make("asker").start()
        observer.join(room, observe=True)
        with pytest.raises(NoMembers):
            asker.request(room, 1, timeout=0.2)

    @needs("knows_members")
    def test_silence_is_a_timeout_that_names_who_was_silent_and_late_replies_are_dropped(
        self, make: Make, room: str
    ) -> None:
        go_on = threading.Event()
        answering(make, room, "slow", lambda message: go_on.wait(20) and message.data, blocking=True)
        asker = make("asker").start()
        with pytest.raises(RequestTimeout, match=rf"0 of 1 replies in {room!r} after 0.2 s; missing slow#"):
            asker.request(room, "first", timeout=0.2)
        go_on.set()
        assert asker.request(room, "second") == "second"
        assert eventually(lambda: asker.stats.late_replies, "the late reply is counted") == 1

    def test_a_handler_that_raises_is_an_error_of_the_request(self, make: Make, room: str) -> None:
        oracle = answering(make, room, "oracle", lambda message: 1 // message.data)
        asker = make("asker").start()
        with pytest.raises(HandlerFailed, match=r"oracle#.* ZeroDivisionError"):
            asker.request(room, 0)
        assert asker.request(room, 1) == 1
        assert oracle.stats.failed == 1

    def test_the_failure_of_a_handler_is_reported_in_the_logging_room(self, make: Make, room: str) -> None:
        inbox = Inbox()
        logger, member, sender = make("logger"), make("member"), make("sender")
        logger.on("_logging")(inbox.take_data)
        member.on(room)(lambda message: message.meta["no such key"])
        for component in (logger, member, sender):
            component.start()
        sender.send(room, 1)
        reports = eventually(
            lambda: [data for data in inbox.items if data.get("room") == room], "the failure is reported in _logging"
        )
        (report,) = reports
        assert report["component"] == "member"
        assert "KeyError" in report["error"]

    def test_a_request_inside_a_handler_is_answered(self, make: Make, room: str) -> None:
        answering(make, f"{room} beyond", "oracle", lambda message: message.data + 1)
        relay, asker = make("relay"), make("asker").start()
        relay.on(room, blocking=True)(lambda message: relay.request(f"{room} beyond", message.data, timeout=20))
        relay.start()
        assert asker.request(room, 1) == 2

    def test_gather_takes_one_reply_of_each_member(self, make: Make, room: str) -> None:
        for number in range(3):
            answering(make, room, f"model-{number}", partial(scaled, number))
        asker = make("asker").start()
        asker.join(room)
        replies = asker.gather(room, 10, timeout=20)
        assert {reply.sender.name: reply.data for reply in replies} == {"model-0": 0, "model-1": 10, "model-2": 20}
        assert len(asker.gather(room, 10, count=2, timeout=20)) == 2

    @needs("groups")
    def test_many_questions_over_a_group_are_answered_in_their_order(self, make: Make, room: str) -> None:
        for number in range(3):
            answering(make, room, f"worker-{number}", lambda message: message.data * 2, group="workers")
        asker = make("asker").start()
        assert asker.map(room, range(50), timeout=20) == [2 * number for number in range(50)]
        assert asker.map(room, [], timeout=20) == []

    def test_many_questions_to_one_member_are_answered_in_their_order(self, make: Make, room: str) -> None:
        answering(make, room, "worker", lambda message: message.data * 2)
        asker = make("asker").start()
        assert asker.map(room, range(50), timeout=20) == [2 * number for number in range(50)]

    @needs("knows_members")
    def test_gather_names_who_is_missing(self, make: Make, room: str) -> None:
        go_on = threading.Event()
        answering(make, room, "quick", lambda message: 1)
        answering(make, room, "mute", lambda message: go_on.wait(20), blocking=True)
        asker = make("asker").start()
        with pytest.raises(RequestTimeout, match=rf"1 of 2 replies in {room!r} after 1 s; missing mute#"):
            asker.gather(room, 1, timeout=1)
        go_on.set()

    def test_an_explicit_reply_and_what_a_message_tells_of_itself(self, make: Make, room: str) -> None:
        seen = Inbox()

        def answer(message: Message) -> None:
            seen.put((message.kind, message.type, message.room, message.parent, message.root == message.id, message.to))
            message.reply({"you": message.sender.name, "said": message.meta["words"]})

        answering(make, room, "oracle", answer)
        asker = make("asker").start()
        assert asker.request(room, "hi", meta={"words": 3}) == {"you": "asker", "said": 3}
        assert seen.items == [(Kind.REQUEST, "DATA/TEXT", room, None, True, None)]

    def test_requests_of_many_threads_at_once(self, make: Make, room: str) -> None:
        answering(make, room, "oracle", lambda message: message.data)
        asker = make("asker").start()
        inbox = Inbox()

        def ask(base: int) -> None:
            for number in range(base, base + 50):
                inbox.put((number, asker.request(room, number)))

        threads = [threading.Thread(target=ask, args=(1000 * which,)) for which in range(4)]
        for thread in threads:
            thread.start()
        assert all(asked == answered for asked, answered in inbox.wait(200))
        for thread in threads:
            thread.join()


def answering(make: Make, room: str, name: str, answer: Callable[[Any], Any], **how: Any) -> PlainFace:
    """
    Start a component that answers in a room.
    """
    component = make(name)
    component.on(room, **how)(answer)
    return component.start()


def scaled(number: int, message: Message) -> Any:
    """
    Return a multiple of what came.
    """
    return message.data * number
