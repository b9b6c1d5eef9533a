"""Rooms: joining, no echo, empty rooms, leaving, iterating."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from swergio.errors import ComponentClosed, InvalidName
from swergio.testing.conformance.foundation import Foundation, Make
from swergio.testing.conformance.steps import send_until
from swergio.testing.waiting import Inbox, difference, eventually


class Rooms(Foundation):
    """
    DESIGN section 3, points 1 and 3.
    """

    def test_a_member_gets_everything_that_is_sent_after_join_returned(self, make: Make, room: str) -> None:
        sender, member = make("sender").start(), make("member")
        inbox = Inbox()
        rooms = [f"{room} {number}" for number in range(20)]
        for each in rooms:
            member.on(each)(inbox.take_data)
        member.start()
        for each in rooms:
            sender.send(each, each)
        inbox.expect(rooms, ordered=False)

    def test_a_member_that_joins_while_others_send_has_no_hole(self, make: Make, room: str) -> None:
        """
        Of a sender that goes on all the time, all comes that it sends after the join returned.
        """
        sender, member, inbox = make("sender").start(), make("member"), Inbox()
        member.on(room)(inbox.take_data)
        stop, sent = threading.Event(), [0]

        def send() -> None:
            while not stop.wait(0.0005):
                sender.send(room, sent[0] + 1)
                sent[0] += 1

        thread = threading.Thread(target=send)
        thread.start()
        try:
            eventually(lambda: sent[0] > 20, "the sender runs")
            member.start()
            first = sent[0] + 2  # what is being sent at this moment may have been sent before
            eventually(lambda: sent[0] > first + 50, "the sender goes on")
        finally:
            stop.set()
            thread.join()
        last = sent[0]
        eventually(lambda: last in inbox.items, f"the last message, {last}, came")
        problem = difference([number for number in inbox.items if number >= first], range(first, last + 1))
        assert not problem, f"of the messages {first} to {last}, {problem}"

    def test_a_sender_gets_its_own_messages_only_if_it_asks(self, make: Make, room: str) -> None:
        quiet, loud = Inbox(), Inbox()
        one, two = make("one"), make("two")
        one.on(room)(quiet.take_data)
        two.on(room, echo=True)(loud.take_data)
        one.start()
        two.start()
        one.send(room, "from one")
        one.flush(20)
        two.send(room, "from two")
        loud.expect(["from one", "from two"])
        quiet.expect(["from two"])

    def test_sending_to_an_empty_room_is_no_error(self, make: Make, room: str) -> None:
        sender = make("sender").start()
        sender.send(room, "for nobody")
        sender.flush(20)
        inbox, member = Inbox(), make("member")
        member.on(room)(inbox.take_data)
        member.start()
        sender.send(room, "for the member")
        inbox.expect(["for the member"])

    def test_nothing_of_a_room_is_delivered_after_leave_returned(self, make: Make, room: str) -> None:
        inbox, member, sender = Inbox(), make("member"), make("sender").start()
        member.on(room)(inbox.take_data)
        member.start()
        sender.send(room, 1)
        inbox.expect([1])
        member.leave(room)
        sender.send(room, 2)
        sender.flush(20)
        member.join(room)
        sender.send(room, 3)
        inbox.expect([1, 3])
        assert member.stats.lost == 0

    def test_iterating_over_the_messages_of_a_room(self, make: Make, room: str) -> None:
        reader, sender, inbox, began = make("reader").start(), make("sender").start(), Inbox(), threading.Event()
        messages = reader.messages(room, lossy=False)

        def read() -> None:
            for message in messages:
                began.set()
                if message.data:
                    inbox.put(message.data)
                if message.data == 100:
                    return

        thread = threading.Thread(target=read)
        thread.start()
        send_until(began.is_set, "the iteration has begun", sender, room, 0)
        for number in range(1, 101):
            sender.send(room, number)
        inbox.expect(range(1, 101))
        thread.join(20)
        messages.close()  # type: ignore[attr-defined]
        sender.send(room, 101)
        sender.flush(20)
        assert reader.stats.unhandled == 0

    def test_an_iteration_ends_when_the_component_is_closed(self, make: Make, room: str) -> None:
        reader, sender = make("reader").start(), make("sender").start()
        began, ended = threading.Event(), threading.Event()

        def read() -> None:
            for _ in reader.messages(room):
                began.set()
            ended.set()

        threading.Thread(target=read, daemon=True).start()
        send_until(began.is_set, "the iteration has begun", sender, room, 0)
        reader.close()
        assert ended.wait(20), "the iteration did not end within 20 s"

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("", "neither is empty"),
            ("a" * 129, "129 bytes"),
            (7, "named by text"),
            ("a\nb", "printable"),
            ("_x", "reserved"),
        ],
    )
    def test_a_room_that_cannot_be_named_so_is_refused_at_send(
        self, make: Make, room: str, name: Any, message: str
    ) -> None:
        sender = make("sender").start()
        with pytest.raises(InvalidName, match=message):
            sender.send(name, 1)
        sender.send(room, 1)
        sender.flush(20)

    def test_any_printable_text_names_a_room(self, make: Make, room: str) -> None:
        names = [f"{room}/../{text}" for text in ("a b", "Größe", "価格", "100% *?[a]", "x:y#z.{t}", "..", "\\", "'\"")]
        inbox, member, sender = Inbox(), make("member"), make("sender").start()
        for name in names:
            member.on(name)(lambda message: inbox.put((message.room, message.data)))
        member.start()
        for name in names:
            sender.send(name, name)
        inbox.expect([(name, name) for name in names], ordered=False)

    def test_a_component_that_is_not_open_says_so(self, make: Make, room: str) -> None:
        component = make("late")
        with pytest.raises(ComponentClosed, match="was not started"):
            component.send(room, 1)
        component.start()
        component.close()
        with pytest.raises(ComponentClosed, match="it is closed"):
            component.send(room, 1)
