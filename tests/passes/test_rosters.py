"""Who is in a room, whatever is told while it is being asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from swergio.errors import ConnectFailed
from swergio.messages import Instance
from swergio.passes.rosters import Rosters
from swergio.transport import Member, Mode

ME, ANN, BOB, EVE = map(Instance, ("me#1", "ann#1", "bob#1", "eve#1"))

TURNS = 10  # of the loop, which is more than an answer takes to be read


def reliable(instance: Instance) -> Member:
    return Member(instance, Mode.RELIABLE)


def grouped(instance: Instance) -> Member:
    return Member(instance, Mode.RELIABLE, "workers")


class Deployment:
    """
    Rosters over a transport whose answers the test gives, in the order of the questions.
    """

    def __init__(self) -> None:
        self.left: list[str] = []
        self.questions: list[tuple[str, asyncio.Future[list[Member]]]] = []
        core: Any = SimpleNamespace(instance=ME, transport=self)
        self.rosters = Rosters(core, lambda room, instance: self.left.append(f"{instance} {room}"))

    async def ask(self, verb: str, room: str) -> list[Member]:
        self.questions.append((f"{verb} {room}", asyncio.get_running_loop().create_future()))
        return await self.questions[-1][1]

    async def answer(self, *members: Member | Instance, error: Exception | None = None) -> str:
        await asyncio.sleep(0)
        question, future = self.questions.pop(0)
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result([m if isinstance(m, Member) else Member(m, Mode.RELIABLE) for m in members])
        return question

    async def settle(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    @property
    def members(self) -> set[str] | None:
        members = self.rosters.members("room")
        return None if members is None else {member.partition("#")[0] for member in members}


def run(scenario: Callable[[Deployment], Coroutine[Any, Any, None]], *watched: Member | Instance) -> None:
    async def main() -> None:
        deployment = Deployment()
        deployment.rosters.begin("room")
        assert deployment.members is None
        assert await deployment.answer(*watched) == "watch room"
        await deployment.settle()
        await scenario(deployment)
        deployment.rosters.close()

    asyncio.run(main())


def test_only_others_who_cannot_miss_messages_count() -> None:
    async def scenario(deployment: Deployment) -> None:
        assert deployment.members == {"ann"}

    run(scenario, ME, ANN, Member(BOB, Mode.LOSSY), Member(EVE, Mode.OBSERVER))


def test_how_somebody_joins_says_whether_they_count() -> None:
    async def scenario(deployment: Deployment) -> None:
        deployment.rosters.presence("room", Member(BOB, Mode.LOSSY), joined=True)
        assert deployment.members == {"ann"}
        deployment.rosters.presence("room", reliable(BOB), joined=True)
        assert deployment.members == {"ann", "bob"}
        deployment.rosters.presence("room", Member(BOB, Mode.LOSSY), joined=True)
        assert deployment.members == {"ann"}
        assert deployment.left == []

    run(scenario, ANN)


def test_a_group_owes_as_one_for_as_long_as_it_has_members() -> None:
    async def scenario(deployment: Deployment) -> None:
        assert deployment.members == {"ann", "*workers"}
        assert deployment.rosters.owing("room", BOB) == deployment.rosters.owing("room", EVE) == "*workers"
        assert deployment.rosters.owing("room", ANN) == ANN
        deployment.rosters.presence("room", grouped(EVE), joined=False)
        assert deployment.members == {"ann", "*workers"}
        deployment.rosters.presence("room", grouped(BOB), joined=False)
        assert deployment.members == {"ann"}
        assert deployment.left == []  # what a group has not finished waits for its next member

    run(scenario, ANN, grouped(BOB), grouped(EVE))


def test_a_leave_that_is_told_before_an_older_answer_is_read_counts() -> None:
    async def scenario(deployment: Deployment) -> None:
        deployment.rosters.connected(resumed=True)
        await deployment.answer(ANN, BOB)
        deployment.rosters.presence("room", reliable(ANN), joined=False)
        await deployment.settle()
        assert deployment.members is None
        assert deployment.left == ["ann#1 room"]
        await deployment.answer(BOB)
        await deployment.settle()
        assert deployment.members == {"bob"}

    run(scenario, ANN)


def test_a_join_at_the_end_of_a_question_is_asked_for() -> None:
    async def scenario(deployment: Deployment) -> None:
        for member in (BOB, EVE):
            deployment.rosters.connected(resumed=True)
            await deployment.answer(ANN, member)
            await deployment.settle()
            assert deployment.members == {"ann", member.name}

    run(scenario, ANN)


def test_who_left_while_the_connection_was_broken_is_told() -> None:
    async def scenario(deployment: Deployment) -> None:
        deployment.rosters.connected(resumed=True)
        await deployment.answer(BOB)
        await deployment.settle()
        assert deployment.left == ["ann#1 room"]
        assert deployment.members == {"bob"}

    run(scenario, ANN, BOB)


def test_who_is_not_back_at_another_hub_may_still_come() -> None:
    async def scenario(deployment: Deployment) -> None:
        deployment.rosters.connected(resumed=True)
        await asyncio.sleep(0)
        deployment.rosters.connected(resumed=False)  # the hub ended before it answered
        await deployment.answer()
        await deployment.settle()
        await deployment.answer()
        await deployment.settle()
        assert deployment.left == []
        assert deployment.members == set()

    run(scenario, ANN)


def test_a_room_that_may_not_be_watched_stays_unknown() -> None:
    async def scenario(deployment: Deployment) -> None:
        deployment.rosters.connected(resumed=True)
        await deployment.answer(error=ConnectFailed("ws://hub", "not allowed"))
        await deployment.settle()
        assert deployment.members is None
        assert not deployment.rosters.unsettled("room")

    run(scenario, ANN)


def test_who_waits_is_woken_by_a_change() -> None:
    async def scenario(deployment: Deployment) -> None:
        changed, forgotten = asyncio.Event(), asyncio.Event()
        deployment.rosters.members("room", changed)
        deployment.rosters.members("room", forgotten)
        deployment.rosters.forget("room", forgotten)
        deployment.rosters.presence("room", reliable(ANN), joined=False)
        assert (changed.is_set(), forgotten.is_set()) == (True, False)

    run(scenario, ANN)


def test_whoever_left_since_is_found() -> None:
    async def scenario(deployment: Deployment) -> None:
        deployment.rosters.presence("room", reliable(ANN), joined=False)
        assert deployment.rosters.gone("room", frozenset({ANN, BOB})) == {ANN}
        assert deployment.rosters.gone("not watched", frozenset({ANN})) == frozenset()

    run(scenario, ANN, BOB)
