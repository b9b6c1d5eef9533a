"""
Any interleaving of sending, slow workers, broken connections and workers that come and go: everything is finished.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from swergio.hub.arena import BLOCK
from tests.hub import checks
from tests.hub.simulation import GRACE, Component, World

who = st.integers(0, 2)
few = st.integers(1, 3)


class Shifts(RuleBasedStateMachine):
    """
    A sender, and three places for workers, who may be replaced by others.
    """

    @initialize()
    def begin(self) -> None:
        self.world = World(group_grace=10**6, shared_memory=10 * BLOCK)
        (self.ann,) = self.world.add("ann")
        self.workers: list[Component] = []
        self.gone: list[Component] = []
        for _ in range(3):
            self.hire()
        self.world.run()
        self.sent = 0

    def hire(self) -> None:
        worker = Component(self.world, "worker")
        self.world.components.append(worker)
        worker.connect().join("jobs", group="workers")
        self.workers.append(worker)

    def dismiss(self, number: int) -> Component:
        worker = self.workers.pop(number)
        self.gone.append(worker)
        self.world.components.remove(worker)
        return worker

    # -- what happens ---------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 12), size=st.sampled_from([0, 0, 300]), array=st.sampled_from([0, 0, 100]))
    def send(self, count: int, size: int, array: int) -> None:
        for _ in range(count):
            self.sent += bool(self.ann.send("jobs", "x" * size, array=array))

    @rule(count=few)
    def send_in_one_batch(self, count: int) -> None:
        for _ in range(count * 4):
            self.sent += bool(self.ann.outbox.append("jobs", None, "DATA/TEXT", b"\x01")[1])
        self.ann.write()

    @rule(who=who, batches=few)
    def work(self, who: int, batches: int) -> None:
        self.workers[who].consume(batches)

    @rule(who=who, hub_knows=st.booleans())
    def cut(self, who: int, hub_knows: bool) -> None:
        self.workers[who].cut(hub_knows=hub_knows)

    @rule(who=who)
    def connect(self, who: int) -> None:
        self.workers[who].connect()

    @rule(hub_knows=st.booleans())
    def cut_the_sender(self, hub_knows: bool) -> None:
        self.ann.cut(hub_knows=hub_knows)
        self.ann.connect()

    @rule(who=who, politely=st.booleans())
    def replace(self, who: int, politely: bool) -> None:
        worker = self.dismiss(who)
        if politely:
            worker.client.bye()
            worker.write()
            self.world.read(worker)
        worker.cut()
        session = self.world.router.directory.sessions.get(worker.instance)
        if session is not None:  # it has fallen silent, on whichever link the hub knows
            self.world.router.detach(session, session.link)
        self.hire()

    @rule()
    def time_passes(self) -> None:
        self.world.pass_time(GRACE + 1)

    @rule(consume=st.booleans())
    def packets_move(self, consume: bool) -> None:
        self.world.step(consume=consume)

    # -- what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def bounded(self) -> None:
        if hasattr(self, "world"):
            checks.check_bounds(self.world)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        world.run()
        world.pass_time(GRACE + 1)  # whoever was replaced in bad order is given up now
        world.run()
        everyone = self.workers + self.gone
        finished = {number for worker in everyone for _, number in worker.finished}
        assert finished == set(range(1, self.sent + 1))
        first = Counter(
            got.number for worker in everyone for got, attempt in zip(worker.received, worker.attempts, strict=True)
            if attempt == 0
        )  # fmt: skip
        assert max(first.values(), default=0) <= 1, "a message came twice, and the second one did not say so"
        assert not self.ann.undelivered
        checks.check_rest(world)
        world.close()


TestShifts: Any = Shifts.TestCase
