"""Order: each sender in its own, all members in one, nothing twice."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from swergio.testing.conformance.foundation import Foundation, Make, needs
from swergio.testing.faces import PlainFace
from swergio.testing.waiting import Inbox

COUNT = 500


class Order(Foundation):
    """
    DESIGN section 3, point 2.
    """

    def test_messages_of_one_sender_arrive_in_order_and_once(self, make: Make, room: str) -> None:
        member, sender, inbox = make("member"), make("sender").start(), Inbox()
        member.on(room)(inbox.take_data)
        member.start()
        for number in range(COUNT):
            sender.send(room, number)
        inbox.expect(range(COUNT))
        sender.send(room, "the last")
        inbox.expect([*range(COUNT), "the last"])

    def test_messages_of_different_types_keep_their_order(self, make: Make, room: str) -> None:
        """
        A change of type ends a batch, and requests are batches of their own: none overtakes another.
        """
        member, sender, inbox = make("member"), make("sender").start(), Inbox()
        member.on(room)(inbox.take_data)
        member.start()
        for number in range(0, 60, 2):
            sender.send(room, number, type=f"type {number % 3}")
            sender.request(room, number + 1, timeout=20)
        inbox.expect(range(60))

    def test_each_sender_is_in_its_own_order(self, make: Make, room: str) -> None:
        inboxes = three_senders(make, room)
        for inbox in inboxes:
            came = inbox.wait(3 * COUNT)
            for which in range(3):
                assert [number for sender, number in came if sender == which] == list(range(COUNT))

    @needs("one_order")
    def test_all_members_see_one_order_and_each_sender_in_its_own(self, make: Make, room: str) -> None:
        first, second = (inbox.wait(3 * COUNT) for inbox in three_senders(make, room))
        place = next((place for place in range(3 * COUNT) if first[place] != second[place]), None)
        assert place is None, f"message {place} is {first[place]} at one member and {second[place]} at the other"
        for which in range(3):
            assert [number for sender, number in first if sender == which] == list(range(COUNT))


def three_senders(make: Make, room: str) -> Sequence[Inbox]:
    """
    Have three components send at once, and return the inboxes of two members.
    """
    inboxes = [Inbox(), Inbox()]
    for number, inbox in enumerate(inboxes):
        member = make(f"member{number}")
        member.on(room)(inbox.take_data)
        member.start()
    senders = [make(f"sender{number}").start() for number in range(3)]
    at_once = threading.Barrier(len(senders))

    def send(sender: PlainFace, which: int) -> None:
        at_once.wait(20)
        for number in range(COUNT):
            sender.send(room, [which, number])

    threads = [threading.Thread(target=send, args=(sender, which)) for which, sender in enumerate(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return inboxes
