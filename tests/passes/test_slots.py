"""The bound on open passes."""

from __future__ import annotations

import threading

from swergio.passes.slots import Slots


def test_slots_are_handed_over_in_the_order_of_asking() -> None:
    slots = Slots(1)
    first, second, third = (threading.Event() for _ in range(3))
    assert slots.take(first)
    assert not slots.take(second)
    assert not slots.take(third)
    slots.give()
    assert (second.is_set(), third.is_set()) == (True, False)
    slots.give()
    assert third.is_set()


def test_who_waits_no_longer_is_passed_over() -> None:
    slots = Slots(1)
    waiting, next_ = threading.Event(), threading.Event()
    slots.take(threading.Event())
    slots.take(waiting)
    slots.take(next_)
    slots.withdraw(waiting)
    slots.give()
    assert (waiting.is_set(), next_.is_set()) == (False, True)


def test_a_slot_that_was_handed_to_nobody_any_more_is_free() -> None:
    slots = Slots(1)
    late = threading.Event()
    slots.take(threading.Event())
    slots.take(late)
    slots.give()
    slots.withdraw(late)
    assert slots.take(threading.Event())
