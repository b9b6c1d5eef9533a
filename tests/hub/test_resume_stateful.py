"""
Any interleaving of sending, loss, reconnects, slow members, expiry and the death of hubs: what was promised holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from swergio.hub.arena import BLOCK
from swergio.messages import Kind
from swergio.transport import Mode
from tests.hub import checks
from tests.hub.simulation import GRACE, Component, World

NAMES = ["ann", "bob", "bob", "cy"]
ROOMS = ["red", "blue"]
LABEL = "label"  # the room that direct messages belong to; nobody joins it

who = st.integers(0, len(NAMES) - 1)
rooms = st.sampled_from(ROOMS)
few = st.integers(1, 3)


class Interleavings(RuleBasedStateMachine):
    """
    Four components in two rooms. Rules move single packets; `teardown` lets everything come to rest and looks.
    """

    @initialize(memory_limit=st.sampled_from([100_000, 9_000]), shared_blocks=st.sampled_from([0, 3, 100]))
    def begin(self, memory_limit: int, shared_blocks: int) -> None:
        self.world = World(memory_limit=memory_limit, shared_memory=shared_blocks * BLOCK)
        ann, bob, _ = self.world.add(*NAMES[:3])
        self.world.add(*NAMES[3:], shares=False)
        for component in (ann, bob):
            component.join("red")
        self.world.run()
        self.requests: list[tuple[int, str, int]] = []
        self.numbers: Iterator[int] = iter(range(10**9))

    def component(self, number: int) -> Component:
        return self.world.components[number]

    # -- sending --------------------------------------------------------------------------------------------------

    @rule(who=who, room=rooms, count=few, size=st.sampled_from([0, 0, 400, 2000]), array=st.sampled_from([0, 0, 300]))
    def send(self, who: int, room: str, count: int, size: int, array: int) -> None:
        for _ in range(count):
            text = f"{next(self.numbers)} " + "x" * size
            self.component(who).send(room, text, array=array)

    @rule(
        who=who, to=who, by_name=st.booleans(), count=few, array=st.sampled_from([0, 0, 300]),
        kind=st.sampled_from([Kind.MESSAGE, Kind.REPLY, Kind.FEEDBACK]),
    )  # fmt: skip
    def send_directly(self, who: int, to: int, by_name: bool, count: int, array: int, kind: Kind) -> None:
        instance = self.component(to).instance
        for _ in range(count):
            target = instance.name if by_name else str(instance)
            self.component(who).send(LABEL, next(self.numbers), to=target, kind=kind, array=array)

    @rule(who=who, room=rooms, now=st.booleans())
    def request(self, who: int, room: str, now: bool) -> None:
        number = self.component(who).send(room, next(self.numbers), kind=Kind.REQUEST, now=now)
        if number:
            self.requests.append((who, room, number))

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        who, room, number = data.draw(st.sampled_from(self.requests))
        self.component(who).withdraw(room, number)

    # -- members --------------------------------------------------------------------------------------------------

    @rule(who=who, room=rooms, mode=st.sampled_from([Mode.RELIABLE, Mode.RELIABLE, Mode.LOSSY]), echo=st.booleans())
    def join(self, who: int, room: str, mode: Mode, echo: bool) -> None:
        if room not in self.component(who).memberships:
            self.component(who).join(room, mode, echo=echo)

    @rule(who=who, room=rooms, mode=st.sampled_from([Mode.RELIABLE, Mode.LOSSY]))
    def change(self, who: int, room: str, mode: Mode) -> None:
        membership = self.component(who).memberships.get(room)
        if membership is not None and not self.component(who).joining.get(room):
            self.component(who).join(room, mode, echo=membership.echo)

    @rule(who=who, room=rooms)
    def leave(self, who: int, room: str) -> None:
        if not self.component(who).joining.get(room):
            self.component(who).leave(room)

    @rule(who=who)
    def sync(self, who: int) -> None:
        self.component(who).ask("sync")

    @rule(who=who, count=few)
    def consume(self, who: int, count: int) -> None:
        self.component(who).consume(count)

    # -- packets --------------------------------------------------------------------------------------------------

    @rule(who=who, packets=few)
    def hub_reads(self, who: int, packets: int) -> None:
        self.world.read(self.component(who), packets)

    @rule(lazily=st.booleans())
    def hub_writes(self, lazily: bool) -> None:
        self.world.flush(lazily=lazily)

    @rule(who=who, packets=few)
    def component_reads(self, who: int, packets: int) -> None:
        self.component(who).read(packets)

    @rule(who=who)
    def round_trip(self, who: int) -> None:
        self.world.read(self.component(who))
        self.world.flush()
        self.component(who).read()

    @rule(lazily=st.booleans())
    def all_packets_move(self, lazily: bool) -> None:
        self.world.step(lazily=lazily)

    @rule(consume=st.booleans())
    def everything_moves(self, consume: bool) -> None:
        self.world.run(consume=consume)

    # -- faults ---------------------------------------------------------------------------------------------------

    @rule(who=who, hub_knows=st.booleans())
    def cut(self, who: int, hub_knows: bool) -> None:
        self.component(who).cut(hub_knows=hub_knows)

    @rule(who=who)
    def connect(self, who: int) -> None:
        self.component(who).connect()

    @rule(seconds=st.sampled_from([1.0, GRACE + 1]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @precondition(lambda self: self.world.everyone_is_back())
    @rule()
    def hub_dies(self) -> None:
        self.world.die()

    @rule()
    def hub_dies_young(self) -> None:
        self.world.die()

    # -- what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def bounded(self) -> None:
        if hasattr(self, "world"):
            checks.check_bounds(self.world)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            try:
                come_to_rest(self.world)
            finally:
                self.world.close()


def come_to_rest(world: World) -> None:
    world.run()
    (last,) = world.add("last")  # requests that wait for a member find one
    for room in ROOMS:
        last.join(room)
    world.run()
    world.pass_time(GRACE + 1)
    world.run()
    world.pass_time(1)
    world.run()
    checks.check_bounds(world)
    checks.check_rooms(world)
    checks.check_inboxes(world)
    checks.check_order(world)
    checks.check_rest(world)


TestInterleavings: Any = Interleavings.TestCase
