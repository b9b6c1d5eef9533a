"""Handlers: one at a time, in order, and what happens when one raises."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from swergio.errors import ComponentClosed
from swergio.messages import Message
from swergio.testing.conformance.foundation import Foundation, Make
from swergio.testing.conformance.steps import held, send_until
from swergio.testing.waiting import Inbox

COUNT = 200


class Handlers(Foundation):
    """
    DESIGN section 3, point 5.
    """

    def test_handlers_run_one_at_a_time_in_order_whether_they_are_async_or_not(self, make: Make, room: str) -> None:
        order, running, together = Inbox(), threading.Lock(), Inbox()

        def note(message: Message) -> None:
            if not running.acquire(blocking=False):
                together.put(message.data)
                return
            order.put(message.data)
            running.release()

        async def later(message: Message) -> None:
            await asyncio.sleep(0)
            note(message)

        component, sender = make("component"), make("sender").start()
        component.on(f"{room} plain", blocking=True)(note)
        component.on(f"{room} async", blocking=True)(later)
        component.start()
        for number in range(COUNT):
            sender.send(f"{room} plain", ["plain", number])
            sender.send(f"{room} async", ["async", number])
        came = order.wait(2 * COUNT)
        assert together.items == [], "two handlers ran at once"
        for kind in ("plain", "async"):
            assert [number for which, number in came if which == kind] == list(range(COUNT))

    def test_a_component_goes_on_after_a_handler_that_raised(self, make: Make, room: str) -> None:
        component, sender, inbox = make("component"), make("sender").start(), Inbox()
        component.on(room)(lambda message: inbox.put(1 // message.data))
        component.start()
        for number in (0, 1, 0, 1):
            sender.send(room, number)
        inbox.expect([1, 1])
        assert component.stats.failed == 2

    def test_a_handler_that_raises_ends_the_component_if_that_was_asked_for(self, make: Make, room: str) -> None:
        component, sender, raised = make("component", on_error="raise"), make("sender").start(), Inbox()
        component.on(room)(lambda message: 1 // message.data)

        def run() -> None:
            try:
                component.run()
            except ZeroDivisionError as exc:
                raised.put(str(exc))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        send_until(lambda: raised.items, "the component ended with the handler's exception", sender, room, 0)
        thread.join(20)

    def test_run_can_be_stopped_by_a_handler(self, make: Make, room: str) -> None:
        component, sender = make("component"), make("sender").start()
        component.on(room)(lambda message: component.stop())
        thread = threading.Thread(target=component.run, daemon=True)
        thread.start()
        send_until(lambda: not thread.is_alive(), "the component stopped", sender, room, "stop")
        with pytest.raises(ComponentClosed):
            component.send(room, 1)

    def test_a_handler_can_send_and_what_it_sends_keeps_its_order(self, make: Make, room: str) -> None:
        inbox, relay, end, sender = Inbox(), make("relay"), make("end"), make("sender").start()
        relay.on(room, blocking=True)(lambda message: relay.send(f"{room} on", message.data))
        end.on(f"{room} on")(inbox.take_data)
        end.start()
        relay.start()
        for number in range(COUNT):
            sender.send(room, number)
        inbox.expect(range(COUNT))

    def test_a_handler_of_a_type_gets_that_type_and_no_other(self, make: Make, room: str) -> None:
        ours, others, component, sender = Inbox(), Inbox(), make("component"), make("sender").start()
        component.on(room, "our type")(ours.take_data)
        component.on(room)(others.take_data)
        component.start()
        sender.send(room, 1, type="our type")
        sender.send(room, 2, type="their type")
        sender.send(room, 3, type="our type")
        ours.expect([1, 3])
        others.expect([2])

    def test_a_handler_that_takes_long_holds_nobody_else_up(self, make: Make, room: str) -> None:
        """
        While one waits, its component can ask, is asked in vain, and others go on.
        """
        go_on, inbox, answers = threading.Event(), Inbox(), Inbox()
        busy, other, sender = make("busy"), make("other"), make("sender").start()
        busy.on(room, blocking=True)(held(go_on, inbox.take_data))
        other.on(room)(answers.take_data)
        other.on(f"{room} ask")(lambda message: message.data)
        busy.start()
        other.start()
        values: list[Any] = list(range(50))
        for number in values:
            sender.send(room, number)
        answers.expect(values)
        assert busy.request(f"{room} ask", "hello", timeout=20) == "hello"
        assert inbox.items == []
        go_on.set()
        inbox.expect(values)
