"""
A world in memory, without sockets and clocks: components and a hub, joined by wires that lose what is on them when
they are cut. Nothing moves unless it is told to, so that every interleaving can be played and played again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from swergio.channels import Channel
from swergio.codec import pack
from swergio.codec.batch import Batch
from swergio.codec.frames import join, parse
from swergio.errors import SwergioError
from swergio.hub.client import HubClient
from swergio.hub.router import Router
from swergio.messages import Instance, Kind
from swergio.outbox import Outbox
from swergio.transport import NOTHING, Inbound, Loss, Manner, Member, Mode, Past
from tests.hub.records import Got, Membership
from tests.hub.wire import Wire

ROOM_LIMIT = 4000
MEMORY_LIMIT = 100_000
WINDOW = 1500
OUTBOX_LIMIT = 3000
GRACE = 20.0
LARGE = 250  # bytes of a batch that does not travel; of what is sent, only arrays are as large


class Component:
    """
    One component: what it was told, what it has not consumed, and its end of a wire.
    """

    def __init__(self, world: World, name: str, unique: bool = False, shares: bool = True) -> None:
        self.world = world
        self.instance = Instance.of(name)
        self.outbox = Outbox(OUTBOX_LIMIT, WINDOW, lambda: None)
        self.client = HubClient(self.instance, unique, self.outbox, self, shares=shares)
        self.client._borrower._above = self.client._borrower._reserve_above = LARGE
        self.wire = Wire()
        self.wire.open = False
        self.received: list[Got] = []
        self.finished: list[tuple[int, int]] = []  # channel and number of what was handled
        self.attempts: list[int] = []
        self.past: list[bool] = []
        self.unread: deque[Inbound] = deque()
        self.memberships: dict[str, Membership] = {}
        self.joining: dict[str, int] = {}
        self.lost_directly: Counter[str] = Counter()
        self.undelivered: list[tuple[int, int, str]] = []
        self.presences: list[tuple[str, str, bool]] = []
        self.answers: list[tuple[str, Any, str | None]] = []
        self.taken: dict[int, int] = {}
        self.withdrawn: set[tuple[int, int]] = set()

    # -- what the transport would do ------------------------------------------------------------------------------

    def connect(self) -> Component:
        """
        Get a new wire and say HELLO on it.
        """
        self.wire.cut()
        self.wire = Wire()
        self.client.begin()
        return self.write()

    def cut(self, *, hub_knows: bool = True) -> None:
        """
        Lose the wire; the hub may not notice before the next one comes.
        """
        session, wire = self.wire.session, self.wire
        wire.cut()
        self.client.end()
        if hub_knows and session is not None:
            self.world.router.detach(session, wire)

    def write(self) -> Component:
        """
        Put everything that there is to say on the wire.
        """
        while self.wire.open and (packet := self.client.collect()):
            self.wire.up.append(join(packet))
        return self

    def read(self, packets: int = 1000) -> None:
        """
        Take packets from the wire, and write what follows from them.
        """
        while self.wire.down and packets:
            packets -= 1
            self.client.receive(self.wire.down.popleft())
        self.client._control.append(self.client._borrower.wanted(LARGE))  # the first large batch may come late
        self.write()

    def forgotten(self) -> None:
        """
        Note that no hub knows it any more: none will send what was acknowledged until now again.
        """
        self.taken = {channel.number: channel.acknowledged for channel in self.outbox.channels}
        for membership in self.memberships.values():
            membership.expired = True

    def consume(self, batches: int = 1000) -> None:
        """
        Handle what came.
        """
        while self.unread and batches:
            batches -= 1
            inbound = self.unread.popleft()
            self.finished.extend((inbound.channel, inbound.first + index) for index in range(inbound.count))
            self.client.reader.consumed(inbound.receipt)
        self.write()

    def ask(self, verb: str, *arguments: Any, take: Callable[[Any], None] = lambda value: None) -> int:
        """
        Ask the hub something.
        """

        def answer(value: Any, error: str | None) -> None:
            if error is None:
                take(value)
            self.answers.append((verb, value, error))

        number = self.client.ask(verb, arguments, answer)
        self.write()
        return number

    def join(
        self,
        room: str,
        mode: Mode = Mode.RELIABLE,
        *,
        echo: bool = False,
        group: str | None = None,
        past: Past = NOTHING,
    ) -> Component:
        """
        Ask to become a member, which it is when the answer has come.
        """

        def joined(value: Any) -> None:
            self.client.reader.joined(room, Manner(mode, echo, group), value)
            self.joining[room] -= 1
            known = {position[0]: position[2] for position in value[2]}
            was = self.memberships.get(room)
            if was is not None:
                was.change(mode, echo=echo, own=(str(self.instance), known.get(self.instance, 0)))
                return
            before = self.world.taken_before(room) | known
            self.memberships[room] = Membership(mode, echo, before, self.world.sent_to(room), modes={mode})

        self.joining[room] = self.joining.get(room, 0) + 1
        self.ask("join", room, str(mode), echo, group, *past, take=joined)
        return self

    def leave(self, room: str) -> None:
        """
        Cease to be a member at once.
        """
        self.client.reader.left(room)
        self.memberships.pop(room, None)
        self.ask("leave", room)

    def send(self, room: str, data: Any, *, to: str | None = None, array: int = 0, **how: Any) -> int:
        """
        Send to a room, or directly; return the number of the message, 0 if the outbox was full.
        """
        value = {"data": data, "array": np.zeros(array, np.uint8)} if array else data
        _, number = self.outbox.append(room, to, how.pop("type", "DATA/TEXT"), *pack(value, self.client.reserve), **how)
        self.write()
        return number

    def withdraw(self, room: str, number: int) -> None:
        """
        Take back a request to a room.
        """
        channel = self.channel(room)
        self.withdrawn.add((channel.number, number))
        self.client.withdraw(channel.number, number)
        self.write()

    def channel(self, room: str, to: str | None = None, kind: Kind = Kind.MESSAGE) -> Channel:
        """
        Return the channel that leads there.
        """
        return self.outbox.channel_to(room, to, kind)

    def data(self, room: str | None = None) -> list[Any]:
        """
        Return what was received, of one room if it is given.
        """
        return [got.data for got in self.received if room in {None, got.room}]

    # -- Events ---------------------------------------------------------------------------------------------------

    def delivered(self, inbound: Inbound) -> None:
        batch = Batch(inbound.payload, inbound.count)
        membership = self.memberships.get(inbound.room) if inbound.to is None else None
        for index in range(inbound.count):
            data = batch.body(index, "")
            got = Got(
                inbound.room, inbound.to, inbound.sender, inbound.channel, inbound.first + index,
                data["data"] if isinstance(data, dict) else data, self.client._epoch,
            )  # fmt: skip
            self.received.append(got)
            self.attempts.append(inbound.attempt)
            self.past.append(inbound.past)
            if membership is not None:
                membership.got.append(got)
        self.unread.append(inbound)

    def lost(self, loss: Loss) -> None:
        membership = self.memberships.get(loss.room)
        (self.lost_directly if membership is None else membership.lost)[loss.sender] += loss.count

    def dropped(self, room: str, count: int) -> None:
        self.memberships[room].dropped += count

    def undeliverable(self, channel: int, first: int, count: int, reason: str) -> None:
        self.undelivered.extend((channel, number, reason) for number in range(first, first + count))

    def presence(self, room: str, member: Member, joined: bool) -> None:
        self.presences.append((room, member.instance, joined))

    def connected(self, resumed: bool) -> None:
        pass

    def disconnected(self, reason: str) -> None:
        pass

    def failed(self, error: SwergioError) -> None:
        raise error


class World:
    """
    One hub after another, and the components.
    """

    def __init__(self, **limits: Any) -> None:
        self.limits = {
            "room_limit": ROOM_LIMIT, "memory_limit": MEMORY_LIMIT, "window": WINDOW, "grace": GRACE,
            "max_sessions": 100, "history_limit": 0, "group_grace": GRACE,
            "max_packet": 2**26, "patience": 15.0, **limits,
        }  # fmt: skip
        self.now = 0.0
        self.components: list[Component] = []
        self.exact = True  # no hub lived that somebody never reached, so that every loss can be known
        self.router = Router(**self.limits, now=self.now)

    def add(self, *names: str, **how: Any) -> list[Component]:
        """
        Add components that are connected.
        """
        added = [Component(self, name, **how) for name in names]
        self.components += added
        for component in added:
            component.connect()
        self.run()
        return added

    def taken_before(self, room: str) -> dict[str, int]:
        """
        Return the last message of each component to a room that was acknowledged when it or its hub was given up.
        """
        return {one.instance: one.taken.get(one.channel(room).number, 0) for one in self.components}

    def sent_to(self, room: str) -> dict[str, int]:
        """
        Return how much each component has sent to a room, whether or not it left the outbox.
        """
        return {component.instance: component.channel(room).last for component in self.components}

    # -- what the server would do ---------------------------------------------------------------------------------

    def read(self, component: Component, packets: int = 1000) -> None:
        """
        Let the hub take packets of a component.
        """
        wire = component.wire
        while wire.up and packets:
            packets -= 1
            packet = wire.up.popleft()
            if wire.session is not None:
                if wire.session.link is wire:
                    self.router.receive_packet(wire.session, packet)
                continue
            frames = parse(packet)
            wire.session, _ = self.router.greet(wire, next(frames))
            for frame in frames:
                self.router.receive(wire.session, frame)

    def flush(self, *, lazily: bool = True) -> None:
        """
        Let the hub write what is due, and if 20 ms have passed also what may wait so long.
        """
        dirty, self.router.dirty = self.router.dirty, {}
        if lazily:
            lazy, self.router.lazy = self.router.lazy, {}
            for session in lazy:
                session.due = True
            dirty |= lazy
        for session in dirty:
            while session.link is not None and (packet := self.router.collect(session)):
                if session.link.open:
                    session.link.down.append(join(packet))

    def pass_time(self, seconds: float) -> None:
        """
        Let the hub's clock tick.
        """
        self.now += seconds
        before = set(self.router.directory.sessions)
        self.router.tick(self.now)
        for component in self.components:
            if component.instance in before.difference(self.router.directory.sessions):
                component.forgotten()

    def everyone_is_back(self) -> bool:
        """
        Whether each component has been welcomed by this hub.
        """
        return all(component.client._epoch == self.router.epoch for component in self.components)

    def die(self) -> None:
        """
        Kill the hub and start another one.
        """
        self.exact = self.exact and self.everyone_is_back()
        for component in self.components:
            component.cut(hub_knows=False)
            component.forgotten()
        self.router.lender.close()
        self.router = Router(**self.limits, now=self.now)

    def close(self) -> None:
        """
        Let go of what is shared.
        """
        for component in self.components:
            component.client.end()
        self.router.lender.close()

    # -- all together ---------------------------------------------------------------------------------------------

    def run(self, *, consume: bool = True) -> None:
        """
        Let everything happen that can: reconnects, and all packets, until nothing moves any more.
        """
        for component in self.components:
            if not component.wire.open:
                component.connect()
        while self.step(consume=consume):
            pass

    def step(self, *, consume: bool = False, lazily: bool = True) -> bool:
        """
        Let all packets that are on their way arrive, first at the hub, then at the components; whether any did.
        """
        moved = False
        for component in self.components:
            if consume and component.unread:
                component.consume()
            component.write()
            moved |= bool(component.wire.up)
            self.read(component)
        self.flush(lazily=lazily)
        for component in self.components:
            moved |= bool(component.wire.down)
            component.read()
        return moved or (consume and any(component.unread for component in self.components))

    def logs(self) -> Iterator[Any]:
        """
        Return every log of the hub.
        """
        for room in self.router.directory.rooms.values():
            yield from room.logs()
        for session in self.router.directory.sessions.values():
            yield from session.lanes
