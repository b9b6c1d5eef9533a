"""Load: full members, slow senders, lossy members, rings; nothing is without a bound, and nothing is lost unsaid."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from swergio.errors import Backlog
from swergio.testing.conformance.foundation import Foundation, Make, needs, without
from swergio.testing.conformance.steps import accounted, held, number_to, taken
from swergio.testing.faces import PlainFace
from swergio.testing.waiting import Inbox, eventually

SMALL: dict[str, Any] = {"window": "16 KiB", "outbox_limit": "16 KiB"}
TINY: dict[str, Any] = {"window": "1 KiB", "outbox_limit": "1 KiB"}
KIB = b"x" * 1024
BOUND = 192 * 1024  # messages of a kibibyte, that is, 192 MiB: three times what a hub keeps unless it is told otherwise


class Load(Foundation):
    """
    DESIGN section 3, point 7.
    """

    @needs("back_pressure")
    def test_a_busy_handler_slows_its_senders_and_loses_nothing(self, make: Make, room: str) -> None:
        """
        More is sent than all queues on the way hold; the sender ends only after the handler goes on.
        """
        count, go_on, inbox, sent = 600, threading.Event(), Inbox(), threading.Event()
        busy, sender = make("busy", **SMALL), make("sender", send_timeout=60, **SMALL).start()
        busy.on(room, blocking=True)(held(go_on, number_to(inbox)))
        busy.start()

        def send() -> None:
            for number in range(count):
                sender.send(room, [number, KIB])
            sent.set()

        thread = threading.Thread(target=send)
        thread.start()
        waits = not sent.wait(0.3)  # unhindered it takes a tenth of that
        go_on.set()
        inbox.expect(range(count), 60)
        thread.join(20)
        assert waits, "600 KiB were taken for a member that takes nothing, with limits of 16 and 256 KiB"
        assert busy.stats.lost == busy.stats.dropped == 0

    @needs("back_pressure")
    def test_a_full_outbox_names_the_member_that_holds_it_back(self, make: Make, room: str) -> None:
        go_on, stuck, sender = threading.Event(), make("stuck", **SMALL), make("sender", send_timeout=0.3, **SMALL)
        stuck.on(room, blocking=True)(taken(Inbox().take_data, go_on))
        stuck.start()
        sender.start()
        told = rf"{room!r} was full for 0.3 s \(its slowest member is stuck#"
        with pytest.raises(Backlog, match=told):  # noqa: PT012  which of them is refused, nobody can know
            for _ in range(BOUND):
                sender.send(room, KIB)
            raise AssertionError(f"{BOUND // 1024} MiB were taken for a member that takes nothing; what bounds them?")
        sender.send(f"{room} beside", "goes on")
        go_on.set()

    @without("back_pressure")
    def test_what_a_full_member_misses_is_reported_to_it(self, make: Make, room: str) -> None:
        count, go_on, inbox = 600, threading.Event(), Inbox()
        busy, sender = make("busy", **SMALL), make("sender", send_timeout=60, **SMALL).start()
        busy.on(room, blocking=True)(held(go_on, number_to(inbox)))
        busy.start()
        for number in range(count):
            sender.send(room, [number, KIB])
        sender.flush(60)
        go_on.set()
        accounted(busy, inbox, count)

    def test_requests_of_many_threads_wait_for_a_full_outbox_without_holding_up_their_replies(
        self, make: Make, room: str
    ) -> None:
        answered, oracle = Inbox(), make("oracle", **TINY)
        oracle.on(room)(lambda message: message.data)
        oracle.start()
        asker = make("asker", send_timeout=20, **TINY).start()

        def ask(which: int) -> None:
            for number in range(10):
                answered.put(asker.request(room, [which, number, "x" * 200], timeout=20)[:2] == [which, number])

        threads = [threading.Thread(target=ask, args=(which,)) for which in range(8)]
        for thread in threads:
            thread.start()
        assert all(answered.wait(8 * 10))
        for thread in threads:
            thread.join()

    def test_a_lossy_member_slows_nobody_and_counts_what_it_skipped(self, make: Make, room: str) -> None:
        count, go_on, inbox = 600, threading.Event(), Inbox()
        monitor, sender = make("monitor", **SMALL), make("sender", send_timeout=20, **SMALL).start()

        monitor.on(room, lossy=True, blocking=True)(held(go_on, number_to(inbox)))
        monitor.start()
        for number in range(count):
            sender.send(room, [number, KIB])
        sender.flush(20)
        go_on.set()
        eventually(lambda: inbox.items and inbox.items[-1] == count - 1, "the newest message came")
        assert inbox.items == sorted(set(inbox.items))
        eventually(
            lambda: monitor.stats.dropped == count - len(inbox.items),
            f"the lossy member has counted the {count - len(inbox.items)} messages that it skipped",
        )
        assert monitor.stats.lost == 0

    def test_a_ring_of_components_that_answer_each_other_does_not_block(self, make: Make, room: str) -> None:
        """
        Each of three sends into the next one's room as fast as it may, and answers what comes in its own room.
        """
        count, rooms = 300, [f"{room} {number}" for number in range(3)]
        ring = [make(f"ring{number}", send_timeout=30, window="8 KiB", outbox_limit="8 KiB") for number in range(3)]
        answers = [Inbox() for _ in ring]
        for number, component in enumerate(ring):
            component.on(rooms[number], "DATA/CUSTOM")(lambda message: message.feedback(message.data, "DATA/REWARD"))
            component.on(rooms[(number + 1) % 3], "DATA/REWARD")(number_to(answers[number]))
        for component in ring:
            component.start()
        threads = [
            threading.Thread(target=send_numbers, args=(ring[number], rooms[(number + 1) % 3], count))
            for number in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for inbox in answers:
            inbox.expect(range(count), 30)


def send_numbers(sender: PlainFace, room: str, count: int) -> None:
    """
    Send numbers with something that makes them fill a queue.
    """
    for number in range(count):
        sender.send(room, [number, KIB], type="DATA/CUSTOM")
