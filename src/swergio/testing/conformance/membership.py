"""Membership: who is there, who comes and goes, and who is given up."""

from __future__ import annotations

import pytest

from swergio.errors import NameTaken
from swergio.testing.conformance.deployment import Deployment
from swergio.testing.conformance.foundation import Foundation, Make, needs
from swergio.testing.conformance.victim import Victim
from swergio.testing.waiting import Inbox, eventually


class Membership(Foundation):
    """
    DESIGN section 3, point 10: members.
    """

    @needs("knows_members")
    def test_members_are_listed_until_they_leave(self, make: Make, room: str) -> None:
        one, two = make("one").start(), make("two").start()
        one.join(room)
        two.join(room, observe=True)
        members = one.members(room)
        assert [(member.instance.name, member.mode) for member in members] == [("one", "reliable"), ("two", "observer")]
        one.leave(room)
        assert [member.instance.name for member in two.members(room)] == ["two"]
        two.close()
        eventually(lambda: one.members(room) == [], "a member that closed is not listed any more")

    @needs("knows_members")
    def test_members_are_listed_in_the_order_of_joining_and_with_their_manner(self, make: Make, room: str) -> None:
        reliable, lossy, late = make("reliable").start(), make("lossy").start(), make("late").start()
        lossy.join(room, lossy=True)
        reliable.join(room)
        late.join(room)
        lossy.join(room)  # another manner is no new membership
        listed = [(member.instance, str(member.mode)) for member in late.members(room)]
        assert listed == [(each.instance, "reliable") for each in (lossy, reliable, late)]

    @needs("knows_members")
    def test_a_room_that_is_used_is_listed(self, make: Make, room: str) -> None:
        one = make("one").start()
        one.join(room)
        assert room in [entry["room"] for entry in one.rooms()]

    @needs("knows_members")
    def test_a_unique_name_is_refused_to_a_second_component(self, make: Make, room: str) -> None:
        make(f"one {room}", unique=True).start()
        with pytest.raises(NameTaken, match=room):
            make(f"one {room}").start()

    @needs("knows_members")
    def test_who_watches_a_room_is_told_of_joins_and_leaves(self, make: Make, room: str) -> None:
        """
        The watcher is no member. It is told of those who are there, then of who comes and goes, in order.
        """
        seen, watcher, early, late = Inbox(), make("watcher"), make("early").start(), make("late").start()
        early.join(room)

        def note(presence: object) -> None:
            assert getattr(presence, "room", None) == room
            seen.put((presence.instance, str(presence.mode), presence.joined))  # type: ignore[attr-defined]

        watcher.on_presence(room)(note)
        watcher.start()
        seen.expect([(early.instance, "reliable", True)])
        late.join(room, lossy=True)
        early.leave(room)
        late.close()
        seen.expect(
            [
                (early.instance, "reliable", True),
                (late.instance, "lossy", True),
                (early.instance, "reliable", False),
                (late.instance, "lossy", False),
            ]
        )
        assert watcher.members(room) == []

    @needs("knows_members")
    def test_who_is_killed_has_left_after_the_grace(self, make_hasty: Make, room: str, hasty: Deployment) -> None:
        seen, watcher = Inbox(), make_hasty("watcher")
        watcher.on_presence(room)(lambda presence: seen.put((presence.instance.name, presence.joined)))
        watcher.start()
        with Victim(hasty, "victim", rooms={room: None}) as victim:
            seen.expect([("victim", True)])
            victim.kill()
            seen.expect([("victim", True), ("victim", False)], 40)
            assert watcher.members(room) == []

    @needs("knows_members")
    def test_a_unique_name_is_free_again_after_its_owner_was_killed(
        self, make_hasty: Make, room: str, hasty: Deployment
    ) -> None:
        with Victim(hasty, f"one {room}", unique=True) as victim:
            victim.kill()

            def starts() -> bool:
                try:
                    make_hasty(f"one {room}", unique=True).start()
                except NameTaken:
                    return False
                return True

            eventually(starts, "the name is free again", 40)
