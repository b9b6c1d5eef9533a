"""Closing: what was sent before arrives, and nothing can hold it up for long."""

from __future__ import annotations

import contextlib
import threading

import pytest

from swergio.errors import ComponentClosed, SwergioError
from swergio.testing.conformance.deployment import Deployment, Limits
from swergio.testing.conformance.errors import lasting
from swergio.testing.conformance.foundation import Foundation, Make, maker
from swergio.testing.waiting import Inbox

IN_TIME = 10.0  # seconds, of which a second is promised; the rest is for a busy machine


class Closing(Foundation):
    """
    DESIGN section 3, point 7: ``close`` flushes under a deadline and reports what was not.
    """

    def test_what_was_sent_before_close_arrives(self, make: Make, room: str) -> None:
        inbox, member, hasty = Inbox(), make("member"), make("hasty", close_timeout=20)
        member.on(room)(inbox.take_data)
        member.start()
        hasty.start()
        for number in range(500):
            hasty.send(room, number)
        assert hasty.close() == 0
        inbox.expect(range(500))

    def test_flush_returns_when_all_is_acknowledged(self, make: Make, room: str) -> None:
        sender = make("sender").start()
        for number in range(500):
            sender.send(room, number)
        sender.flush(20)
        assert sender.close() == 0

    def test_closing_twice_does_nothing(self, make: Make, room: str) -> None:
        component = make("component").start()
        component.send(room, 1)
        assert component.close() == 0
        assert component.close() == 0
        with pytest.raises(ComponentClosed):
            component.send(room, 2)

    def test_a_request_that_waits_ends_when_the_component_is_closed(self, make: Make, room: str) -> None:
        asker, ended, begun = make("asker", close_timeout=0.5).start(), Inbox(), threading.Event()

        def ask() -> None:
            begun.set()
            try:
                asker.request(room, "nobody is there", timeout=60)
            except SwergioError as exc:
                ended.put(type(exc))

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        begun.wait(20)
        asker.close()
        ended.wait(1)

    def test_close_ends_in_time_though_the_deployment_has_gone(
        self, face: str, deployment: Deployment, room: str
    ) -> None:
        """
        It returns how many messages nobody has taken.
        """
        lasting(deployment)
        closed, made = Inbox(), contextlib.ExitStack()
        with self.deployed(Limits()) as gone:
            left = maker(gone, face, made)("left", close_timeout=0.3).start()
            left.send(room, "while it was there")
            left.flush(20)
        for number in range(3):
            left.send(room, number)
        threading.Thread(target=lambda: closed.put(left.close()), daemon=True).start()
        try:
            closed.expect([3], IN_TIME)
        except AssertionError as exc:
            raise AssertionError(f"'close' with a 'close_timeout' of 0.3 s, after {IN_TIME:g} s: {exc}") from exc
        made.close()
