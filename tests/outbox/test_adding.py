"""
What is added without the lock, while others add and the loop takes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from swergio.channels import Outbound
from swergio.codec import pack
from swergio.codec.batch import MAX_MESSAGES, MESSAGE_COST
from swergio.messages import Kind
from swergio.outbox import Outbox
from tests.outbox.checks import PLAIN, PLENTY, add, an_outbox, contents, decoded, send, spans, take_all


class Interrupted(list[bytes]):
    """
    The bodies of a batch; another thread does something when one is about to be appended.
    """

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def append(self, body: bytes) -> None:
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        super().append(body)


def interrupt(outbox: Outbox, meanwhile: Callable[[], object]) -> None:
    """
    Begin a batch, and have something done when the next message is added to it.
    """
    assert add(outbox, 0)
    batch = outbox.channels[0].open
    assert batch is not None
    bodies = Interrupted(meanwhile)
    bodies.extend(batch.bodies)
    batch.bodies = bodies


def test_a_message_that_comes_when_its_batch_is_taken_is_in_the_next_one() -> None:
    outbox = an_outbox()
    taken: list[Outbound] = []
    interrupt(outbox, lambda: taken.extend(take_all(outbox)))
    add(outbox, 1)
    add(outbox, 2)
    taken += take_all(outbox)
    assert contents(taken) == [[0], [1, 2]]
    assert spans(taken) == [(1, 1), (2, 3)]


def test_a_message_that_comes_when_its_batch_is_taken_wakes_the_loop() -> None:
    wakes: list[int] = []
    outbox = Outbox(PLENTY, PLENTY, lambda: wakes.append(1))
    interrupt(outbox, lambda: take_all(outbox))
    add(outbox, 1)
    assert len(wakes) == 2


OTHER = (*PLAIN[:2], "OTHER", *PLAIN[3:])


@pytest.mark.parametrize("others", [["x" * 1000], [7], ["x" * 1000, 7], [7, "x" * 1000]])
def test_a_message_that_comes_when_its_batch_is_ended_by_another_thread_is_behind_that_threads(others: Any) -> None:
    outbox = an_outbox()
    interrupt(outbox, lambda: [add(outbox, other, OTHER) for other in others])
    add(outbox, 1)
    assert [body for batch in contents(take_all(outbox)) for body in batch] == [0, *others, 1]


def test_more_threads_than_a_batch_has_places_left_overfill_none() -> None:
    outbox = an_outbox()

    def fill() -> None:
        for number in range(1, MAX_MESSAGES):
            add(outbox, number)

    interrupt(outbox, fill)  # the batch is full when its second message comes
    add(outbox, -1)
    add(outbox, -2)
    batches = take_all(outbox)
    assert contents(batches) == [list(range(MAX_MESSAGES)), [-1, -2]]
    assert outbox.unacknowledged == MAX_MESSAGES + 2


def test_what_was_added_without_the_lock_counts() -> None:
    outbox = an_outbox(limit=100_000)
    added = 0
    while add(outbox, b"x" * 300):
        added += 1
    cost = len(pack(b"x" * 300)[0]) + MESSAGE_COST
    assert (added - 1) * cost < 100_000 <= added * cost
    assert outbox.unacknowledged == added
    assert outbox.sent == added


def test_an_answer_behind_small_messages_has_its_number_and_their_order() -> None:
    outbox = an_outbox()
    for number in range(3):
        add(outbox, number)
    assert send(outbox, 3, kind=Kind.REQUEST) == 4
    add(outbox, 4)
    assert contents(take_all(outbox)) == [[0, 1, 2], [3], [4]]


def test_threads_that_add_while_the_loop_takes_lose_nothing_and_keep_their_orders() -> None:
    outbox = an_outbox(limit=200_000)
    each, threads = 4000, 4
    keys = [PLAIN, PLAIN, PLAIN, OTHER]

    def work(thread: int) -> None:
        for number in range(each):
            body = pack([thread, number, "x" * (700 if number % 97 == 0 else number % 50)])[0]
            while (full := outbox.add(keys[thread], body)) is not None:
                assert outbox.wait(full, 30)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=work, args=[thread]) for thread in range(threads)]
        for worker in workers:
            worker.start()
        came: list[list[int]] = [[] for _ in range(threads)]
        last = 0
        while last < each * threads:
            batch = outbox.take()
            if batch is None:
                assert any(worker.is_alive() for worker in workers) or outbox.has_more
                continue
            assert batch.first == last + 1
            last = batch.last
            for thread, number, _ in decoded(batch).bodies() or ():
                came[thread].append(number)
            outbox.acknowledge(0, last)
    finally:
        sys.setswitchinterval(interval)
    for worker in workers:
        worker.join(30)
    assert came == [list(range(each))] * threads
    assert (outbox.unacknowledged, outbox.channels[0].queued) == (0, 0)
