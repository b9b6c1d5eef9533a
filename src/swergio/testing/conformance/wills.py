"""Wills: what is sent for a component that went without closing."""

from __future__ import annotations

from swergio.testing.conformance.deployment import Deployment
from swergio.testing.conformance.foundation import Foundation, Make, needs
from swergio.testing.conformance.victim import Victim
from swergio.testing.waiting import Inbox


class Wills(Foundation):
    """
    DESIGN section 3, point 10: the last will. Who cannot tell that somebody is gone cannot send what they left.
    """

    @needs("knows_members")
    def test_the_will_of_a_killed_component_is_sent(self, make_hasty: Make, room: str, hasty: Deployment) -> None:
        inbox, heir = Inbox(), make_hasty("heir")
        heir.on(room)(lambda message: inbox.put((message.data, message.type, message.sender.name, dict(message.meta))))
        heir.start()
        will = {"room": room, "data": {"gone": [1, 2]}, "type": "a will", "meta": {"step": 3}}
        with Victim(hasty, "victim", will=will) as victim:
            victim.kill()
            inbox.expect([({"gone": [1, 2]}, "a will", "victim", {"step": 3})], 40)

    @needs("knows_members")
    def test_a_will_can_be_for_one_component(self, make_hasty: Make, room: str, hasty: Deployment) -> None:
        inbox, others, heir, other = Inbox(), Inbox(), make_hasty("heir"), make_hasty("other")
        heir.on(room)(inbox.take_data)
        other.on(room)(others.take_data)
        heir.start()
        other.start()
        with Victim(hasty, "victim", will={"room": room, "data": "for the heir", "to": "heir"}) as victim:
            victim.kill()
            inbox.expect(["for the heir"], 40)
        other.request(room, None, to="heir", timeout=20)
        assert others.items == []

    @needs("knows_members")
    def test_who_closes_leaves_no_will(self, make: Make, room: str) -> None:
        """
        Neither does who takes it back, nor who only replaced it by another.
        """
        inbox, heir = Inbox(), make("heir")
        heir.on(room)(inbox.take_data)
        heir.start()
        testator = make("testator")
        testator.will(room, "before the start")
        testator.start()
        testator.will(room, "after the start")
        testator.send(room, "a last word")
        testator.close()
        witness = make("witness").start()
        witness.send(room, "later")
        inbox.expect(["a last word", "later"])
