"""Groups: work that is shared, and what becomes of the work of those who go."""

from __future__ import annotations

import threading

from swergio.testing.conformance.deployment import Deployment
from swergio.testing.conformance.foundation import Foundation, Make, needs
from swergio.testing.conformance.steps import answered, taken
from swergio.testing.conformance.victim import Victim
from swergio.testing.faces import PlainFace
from swergio.testing.waiting import Inbox, eventually

COUNT = 200


class Groups(Foundation):
    """
    DESIGN section 3, point 9.
    """

    @needs("groups")
    def test_each_message_goes_to_one_member_of_a_group(self, make: Make, room: str) -> None:
        inbox, sender = Inbox(), make("sender").start()
        workers = [working(make, room, f"worker-{number}", inbox) for number in range(3)]
        for number in range(COUNT):
            sender.send(room, number)
        inbox.expect(range(COUNT), ordered=False)
        eventually(lambda: sum(worker.stats.handled for worker in workers) == COUNT, "each message is handled once")

    @needs("groups")
    def test_work_is_shared_while_members_are_busy(self, make: Make, room: str) -> None:
        """
        What one member takes long for does not wait for it: each of three blocks on one message, all others pass.
        """
        go_on, busy, sender = threading.Event(), Inbox(), make("sender").start()
        for number in range(3):
            worker = make(f"worker-{number}")
            worker.on(room, group="workers", blocking=True)(taken(busy.take_data, go_on))
            worker.start()
        for number in range(3):
            sender.send(room, number)
            busy.wait(number + 1)
        busy.expect(range(3))
        go_on.set()

    @needs("groups")
    def test_each_group_and_each_member_without_one_gets_all(self, make: Make, room: str) -> None:
        red, blue, all_of_it, sender = Inbox(), Inbox(), Inbox(), make("sender").start()
        for number in range(2):
            working(make, room, f"red-{number}", red, group="red")
            working(make, room, f"blue-{number}", blue, group="blue")
        alone = make("alone")
        alone.on(room)(all_of_it.take_data)
        alone.start()
        for number in range(COUNT):
            sender.send(room, number)
        all_of_it.expect(range(COUNT))
        red.expect(range(COUNT), ordered=False)
        blue.expect(range(COUNT), ordered=False)

    @needs("groups")
    def test_a_member_of_a_group_gets_its_share_in_order(self, make: Make, room: str) -> None:
        inboxes, sender = [Inbox(), Inbox()], make("sender").start()
        for number, inbox in enumerate(inboxes):
            working(make, room, f"worker-{number}", inbox)
        for number in range(COUNT):
            sender.send(room, number)
        eventually(lambda: sum(len(inbox.items) for inbox in inboxes) >= COUNT, f"{COUNT} messages were handled")
        for inbox in inboxes:
            assert inbox.items == sorted(inbox.items)

    @needs("groups")
    def test_a_sender_in_the_group_does_not_get_its_own_message(self, make: Make, room: str) -> None:
        own, others = Inbox(), Inbox()
        sender = working(make, room, "sender", own)
        working(make, room, "worker", others)
        for number in range(20):
            sender.send(room, number)
        others.expect(range(20))
        assert own.items == []

    @needs("groups")
    def test_a_request_to_a_group_is_answered_by_one(self, make: Make, room: str) -> None:
        asked, asker = Inbox(), make("asker").start()
        for number in range(3):
            worker = make(f"worker-{number}")
            worker.on(room, group="workers")(answered(asked, lambda data: data * 2))
            worker.start()
        assert [asker.request(room, number, timeout=20) for number in range(30)] == [2 * n for n in range(30)]
        asked.expect(range(30))
        assert asker.stats.late_replies == 0

    @needs("groups")
    def test_what_a_member_that_leaves_has_not_finished_goes_to_another(self, make: Make, room: str) -> None:
        """
        The one that it was just handling comes as another attempt; whatever comes twice says so.
        """
        go_on, begun, rest, sender = threading.Event(), Inbox(), Inbox(), make("sender").start()
        first, second = make("first"), make("second")
        first.on(room, group="workers", blocking=True)(taken(begun.take_data, go_on))
        first.start()
        for number in range(20):
            sender.send(room, number)
        begun.wait(1)
        second.on(room, group="workers")(lambda message: rest.put((message.data, message.attempt > 0)))
        second.start()
        first.leave(room)
        rest.wait(20)
        assert dict(rest.items)[0], "message 0 was given to a second member without saying that it is an attempt"
        assert sorted(number for number, _ in rest.items) == list(range(20))
        go_on.set()

    @needs("groups")
    def test_what_a_member_that_was_killed_has_not_finished_goes_to_another(
        self, make_hasty: Make, room: str, hasty: Deployment
    ) -> None:
        rest, sender = Inbox(), make_hasty("sender").start()
        with Victim(hasty, "victim", rooms={room: "workers"}) as victim:
            for number in range(20):
                sender.send(room, number)
            victim.came.wait(1)
            worker = make_hasty("worker")
            worker.on(room, group="workers")(lambda message: rest.put((message.data, message.attempt > 0)))
            worker.start()
            victim.kill()
            rest.wait(20, 40)
            assert sorted(number for number, _ in rest.items) == list(range(20))
            assert dict(rest.items)[0], "message 0 was given to a second member without saying that it is an attempt"

    @needs("groups")
    def test_what_a_member_has_finished_is_not_done_again(self, make: Make, room: str) -> None:
        first_inbox, second_inbox, sender = Inbox(), Inbox(), make("sender").start()
        first = working(make, room, "first", first_inbox)
        for number in range(50):
            sender.send(room, number)
        first_inbox.expect(range(50))
        eventually(lambda: first.stats.handled == 50, "all is handled")
        first.close()
        working(make, room, "second", second_inbox)
        sender.send(room, "new")
        second_inbox.expect(["new"])


def working(make: Make, room: str, name: str, inbox: Inbox, group: str = "workers") -> PlainFace:
    """
    Start a member of a group that finishes at once what it is given.
    """
    worker = make(name)
    worker.on(room, group=group)(inbox.take_data)
    return worker.start()
