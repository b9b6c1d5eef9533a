"""History: what a room still has of its past for those who join later, and the value that it keeps."""

from __future__ import annotations

import threading
import time
from typing import Any

from swergio.testing.conformance.foundation import Foundation, Make, needs
from swergio.testing.faces import PlainFace
from swergio.testing.waiting import Inbox, difference, eventually


class Past(Foundation):
    """
    DESIGN section 3, point 10: late joiners.
    """

    @needs("history")
    def test_who_joins_late_gets_the_last_messages_first(self, make: Make, room: str) -> None:
        sender = told(make, room, range(10))
        inbox = late(make, room, last=3)
        sender.send(room, 10)
        inbox.expect([(7, True), (8, True), (9, True), (10, False)])

    @needs("history")
    def test_who_asks_for_more_than_there_is_gets_what_there_is(self, make: Make, room: str) -> None:
        sender = told(make, room, range(3))
        inbox = late(make, room, last=100)
        sender.send(room, 3)
        inbox.expect([(0, True), (1, True), (2, True), (3, False)])

    def test_who_does_not_ask_gets_nothing_of_the_past(self, make: Make, room: str) -> None:
        sender = told(make, room, range(3))
        inbox = late(make, room)
        sender.send(room, 3)
        inbox.expect([(3, False)])

    @needs("history")
    def test_who_joins_late_gets_what_was_sent_since_a_time(self, make: Make, room: str) -> None:
        sender = told(make, room, range(3))
        threading.Event().wait(1.6)  # not for something to happen: time itself must pass
        since = time.time() - 0.8
        for number in range(3, 6):
            sender.send(room, number)
        sender.flush(20)
        inbox = late(make, room, since=since)
        sender.send(room, 6)
        inbox.expect([(3, True), (4, True), (5, True), (6, False)])

    @needs("history")
    def test_of_two_bounds_of_the_past_the_closer_one_holds(self, make: Make, room: str) -> None:
        sender = told(make, room, range(5))
        inbox = late(make, room, last=2, since=time.time() - 3600)
        sender.send(room, 5)
        inbox.expect([(3, True), (4, True), (5, False)])

    @needs("history")
    def test_the_past_joins_the_present_without_a_hole_and_nothing_comes_twice(self, make: Make, room: str) -> None:
        sender, stop, sent = told(make, room, range(20)), threading.Event(), [19]

        def send() -> None:
            while not stop.wait(0.0005):
                sender.send(room, sent[0] + 1)
                sent[0] += 1

        thread = threading.Thread(target=send)
        thread.start()
        try:
            inbox = late(make, room, last=10)
            joined = sent[0]
            eventually(lambda: sent[0] > joined + 50, "the sender goes on")
        finally:
            stop.set()
            thread.join()
        last = sent[0]
        eventually(lambda: inbox.items and inbox.items[-1][0] == last, f"the last message, {last}, came")
        numbers = [number for number, _ in inbox.items]
        problem = difference(numbers, range(numbers[0], last + 1))
        assert not problem, f"of the messages {numbers[0]} to {last}, {problem}"
        assert [past for _, past in inbox.items] == [True] * 10 + [False] * (len(numbers) - 10)

    @needs("history")
    def test_the_past_has_a_bound_and_its_newest_stay(self, make: Make, room: str) -> None:
        sender = make("sender").start()
        for number in range(300):
            sender.send(room, [number, "x" * 1024])
            if number % 20 == 19:
                sender.flush(20)  # what is sent together may be kept, or not, together
        sender.send(room, [300, ""])
        sender.flush(20)
        inbox = late(make, room, read=lambda data: data[0], last=1000)
        sender.send(room, [301, ""])
        eventually(lambda: inbox.items and inbox.items[-1] == (301, False), "the newest message came")
        numbers = [number for number, _ in inbox.items]
        assert len(numbers) > 20
        problem = difference(numbers, range(numbers[0], 302))
        assert not problem, f"of the messages {numbers[0]} to 301, {problem}"

    @needs("history")
    def test_who_joins_late_gets_the_value_that_a_room_keeps(self, make: Make, room: str) -> None:
        """
        The newest of those that were sent to be kept, however many others came since.
        """
        sender, member, seen = make("sender").start(), make("member"), Inbox()
        member.on(room)(seen.take_data)
        member.start()
        sender.send(room, "old weights", keep=True)
        sender.send(room, "weights", keep=True)
        for number in range(100):
            sender.send(room, number)
        sender.flush(20)
        seen.expect(["old weights", "weights", *range(100)])
        inbox = late(make, room, kept=True)
        sender.send(room, "new")
        inbox.expect([("weights", True), ("new", False)])

    @needs("history")
    def test_the_kept_value_comes_once_if_the_past_contains_it(self, make: Make, room: str) -> None:
        sender = make("sender").start()
        sender.send(room, "before")
        sender.send(room, "weights", keep=True)
        sender.send(room, "after")
        sender.flush(20)
        inbox = late(make, room, kept=True, last=2)
        beside = late(make, room, kept=True, last=1)
        sender.send(room, "new")
        inbox.expect([("weights", True), ("after", True), ("new", False)])
        beside.expect([("weights", True), ("after", True), ("new", False)])

    @needs("history")
    def test_a_member_that_joins_again_gets_nothing_twice(self, make: Make, room: str) -> None:
        sender, inbox = told(make, room, range(5)), Inbox()
        member = make("member")
        member.on(room)(inbox.take_data)
        member.start()
        sender.send(room, 5)
        inbox.expect([5])
        member.join(room, last=5)
        sender.send(room, 6)
        inbox.expect([5, 6])


def told(make: Make, room: str, data: range) -> PlainFace:
    """
    Start a component that sends to a room in which nobody is yet.
    """
    sender = make("sender").start()
    for item in data:
        sender.send(room, item)
    sender.flush(20)
    return sender


def late(make: Make, room: str, *, read: Any = lambda data: data, **past: Any) -> Inbox:
    """
    Start a component that joins with a wish for the past; return where its messages go, each with whether it is past.
    """
    inbox, member = Inbox(), make("late")
    member.on(room, **past)(lambda message: inbox.put((read(message.data), message.past)))
    member.start()
    return inbox
