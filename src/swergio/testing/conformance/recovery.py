"""Recovery: broken connections and restarts lose nothing, or nothing without a word."""

from __future__ import annotations

import contextlib
import threading

from swergio.testing.conformance.deployment import Deployment
from swergio.testing.conformance.foundation import Foundation, Make, hook, needs, without
from swergio.testing.conformance.steps import accounted, held, number_to
from swergio.testing.faces import PlainFace
from swergio.testing.history import History
from swergio.testing.waiting import Inbox, eventually

COUNT = 600
BREAKS = 5


class Recovery(Foundation):
    """
    DESIGN section 3, point 6.
    """

    @needs("recovers")
    def test_broken_connections_lose_double_and_reorder_nothing(
        self, make: Make, room: str, deployment: Deployment
    ) -> None:
        members = disturbed(make, room, deployment)
        assert [member.stats.lost for member in members] == [0] * len(members)

    @without("recovers")
    def test_what_broken_connections_lose_is_reported_with_its_count(
        self, make: Make, room: str, deployment: Deployment
    ) -> None:
        disturbed(make, room, deployment)

    @needs("recovers")
    def test_an_inbox_survives_a_broken_connection(self, make: Make, room: str, deployment: Deployment) -> None:
        break_connections, inbox = hook(deployment, "break_connections"), Inbox()
        worker, boss = make("worker"), make("boss").start()
        worker.on(room)(inbox.take_data)
        worker.start()
        for number in range(200):
            boss.send(room, number, to=worker.instance)
            if number % 50 == 25:
                break_connections()
        inbox.expect(range(200))

    @needs("recovers")
    def test_a_request_survives_a_broken_connection(self, make: Make, room: str, deployment: Deployment) -> None:
        break_connections, asked, go_on = hook(deployment, "break_connections"), threading.Event(), threading.Event()

        def answer(_: object) -> str:
            asked.set()
            go_on.wait(20)
            return "the answer"

        oracle, asker, answers = make("oracle"), make("asker").start(), Inbox()
        oracle.on(room, blocking=True)(answer)
        oracle.start()
        thread = threading.Thread(target=lambda: answers.put(asker.request(room, "the question", timeout=40)))
        thread.start()
        assert asked.wait(20), "the request did not come"
        break_connections()
        go_on.set()
        answers.expect(["the answer"])
        thread.join(20)

    def test_a_membership_survives_a_broken_connection(self, make: Make, room: str, deployment: Deployment) -> None:
        """
        What is sent after all are back arrives, to members that did nothing for it.
        """
        break_connections, inbox = hook(deployment, "break_connections"), Inbox()
        member, sender = make("member"), make("sender").start()
        member.on(room)(inbox.take_data)
        member.start()
        break_connections()
        back(member, sender, at_least=1)
        sender.send(room, "here again")
        inbox.expect(["here again"])

    def test_what_a_restart_took_along_is_reported(self, make: Make, room: str, deployment: Deployment) -> None:
        """
        A member that was behind when all that was in memory went away: it came, or it was reported.
        """
        restart, go_on, inbox = hook(deployment, "restart"), threading.Event(), Inbox()
        member, sender = make("member", window="16 KiB"), make("sender", window="16 KiB").start()
        member.on(room, blocking=True)(held(go_on, number_to(inbox)))
        member.start()
        for number in range(100):
            sender.send(room, [number, b"x" * 1024])
            if number % 10 == 9:
                sender.flush(20)  # in many batches: one alone may be larger than the window
        restart()
        back(member, sender, at_least=1)
        for number in range(100, 120):
            sender.send(room, [number, b""])
        go_on.set()
        eventually(lambda: inbox.items and inbox.items[-1] == 119, "what was sent after the restart came")
        accounted(member, inbox, 120)


def disturbed(make: Make, room: str, deployment: Deployment) -> list[PlainFace]:
    """
    Send while connections break, and check that all came or was reported, once and in order, to three members.
    """
    break_connections, history, ends = hook(deployment, "break_connections"), History(), Inbox()
    members, senders = (
        [make(f"member{number}") for number in range(3)],
        [make(f"sender{number}") for number in range(2)],
    )
    for member in members:
        history.watch(member, room)
        member.on(room, "the end")(ends.put)
    for component in (*members, *senders):
        component.start()
    pace = threading.Event()
    for number in range(COUNT):
        sender = senders[number % 2]
        sender.send(room, history.sent(sender.name, room))
        if number % (COUNT // BREAKS) == COUNT // BREAKS // 2:
            pace.wait(0.05)  # some are on their way, some arrived
            break_connections()
    back(*members, *senders, at_least=1)
    for sender in senders:
        sender.flush(30)
    settled = lambda: all(member.stats.handled + member.stats.lost >= COUNT for member in members)  # noqa: E731
    eventually(settled, f"{COUNT} messages came or were reported at each: {[member.stats for member in members]}", 30)
    names = [member.name for member in members]
    with contextlib.suppress(AssertionError):  # a loss is counted first, and then told
        eventually(lambda: history.check({room: names}, lossy=names).ok, "every loss that was counted is told", 5)
    history.check({room: names}, lossy=names).raise_if_bad()
    return members


def back(*components: PlainFace, at_least: int) -> None:
    """
    Return when each has connected again so many times.
    """
    for component in components:
        eventually(lambda each=component: each.stats.reconnects >= at_least, f"{component.instance} is back")  # type: ignore[misc]
