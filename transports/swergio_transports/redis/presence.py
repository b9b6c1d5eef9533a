"""Being there, and noticing who is not any more.

Theory of operation. An instance has a key that expires unless it is renewed, and a record that does not: the rooms that
it is in, and its will. The registry holds until when each is known to be alive. Whoever renews its own entry there is
handed some that are overdue; if their key has expired indeed, it takes them out of their rooms, sends their will and
removes what is left. Every step may be done twice, by two at a time, or by another a while later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgpack

from swergio.channels import Lane
from swergio.codec.frames import rows, unpack
from swergio.errors import NameTaken, ProtocolError
from swergio.messages import Instance
from swergio.transport import Manner, Member, Mode, Will
from swergio_transports.redis import entries, members
from swergio_transports.redis.access import Access
from swergio_transports.redis.appending import Appending
from swergio_transports.redis.calls import Call, Command, Word
from swergio_transports.redis.keys import LogKeys
from swergio_transports.redis.scripts import script
from swergio_transports.redis.ways import Flag

logger = logging.getLogger("swergio.redis")

TRIES = 3
RECORD = 86400  # seconds that a record outlives the last sign of life
GROUP = "\n"
"""Begins the entries of the registry that are groups without members: group, line feed, room. No name has one."""


@dataclass(slots=True)
class Own:
    """
    What others must know of this instance when it is gone.

    Attributes:
        life: How often it has entered; it enters again after it was given up.
        rooms: Where it is a member, and how.
        will: What to send then, and the number of that message.
    """

    life: int = 0
    rooms: dict[str, Manner] = field(default_factory=dict)
    will: Will | None = None
    wills: int = 0


class Graces(NamedTuple):
    """
    Seconds that are waited for an instance that is silent, and for the next member of a group that has none.
    """

    instance: float
    group: float


class Presence:
    """
    Keeps one instance there.

    Args:
        access: The way to the server.
        unique: The instance wants to be the only one of its name.
        graces: How long it is waited for it.
    """

    def __init__(self, access: Access, unique: bool, graces: Graces) -> None:
        self.own = Own()
        self._access = access
        self._instance = access.instance
        self._unique = unique
        self._broker = access.broker
        self._keys = access.keys
        self._verb = access.verb
        self._all = access.all
        self._grace = max(1, int(graces.instance * 1000))
        self._group_grace = max(1, int(graces.group * 1000))

    # -- being there ----------------------------------------------------------------------------------------------

    async def enter(self) -> None:
        """
        Take the name, and be there.

        Raises:
            NameTaken: Somebody else has it.
            BrokerLost: Try again.
        """
        await self._take_name()
        self.own.life += 1
        record, alive = self._keys.record(self._instance), self._keys.alive(self._instance)
        told: list[Any] = []
        for room, manner in self.own.rooms.items():
            told += [f"room {room}", members.written(manner)]
        if self.own.will is not None:
            self.own.wills += 1
            told += ["will", self._written_will()]
        await self._broker.run(script("enter"), (alive, record), (self.own.life, self._grace, *told))
        await self.beat()

    async def beat(self) -> tuple[bool, list[str]]:
        """
        Renew what says so. Return whether it was there still, and who may be gone.
        """
        keys = (self._keys.alive(self._instance), self._keys.record(self._instance))
        there, (now, *overdue) = await self._all(
            [
                Call(script("beat"), keys, (self.own.life, self._grace)),
                Call(script("register"), (self._keys.registry,), (self._instance, self._grace)),
            ]
        )
        self._access.clock.set(now)
        return bool(there), [instance.decode() for instance in overdue if instance.decode() != self._instance]

    async def note_room(self, room: str, manner: Manner | None) -> None:
        """
        Write down a membership, before it begins or after it has ended.
        """
        record = self._keys.record(self._instance)
        if manner is None:
            self.own.rooms.pop(room, None)
            await self._broker.ask(record, "HDEL", record, f"room {room}")
        else:
            self.own.rooms[room] = manner
            await self._write(record, "HSET", f"room {room}", members.written(manner))

    async def leave_will(self, will: Will | None) -> None:
        """
        Write down a will.
        """
        self.own.will = will
        self.own.wills += 1
        record = self._keys.record(self._instance)
        if will is None:
            await self._broker.ask(record, "HDEL", record, "will")
        else:
            await self._write(record, "HSET", "will", self._written_will())

    async def list_room(self, room: str) -> None:
        """
        Write down that there is such a room.
        """
        await self._write(self._keys.rooms, "ZADD", int(time.time()), room, lifetime=0)

    async def _write(self, key: bytes, verb: str, *words: Word, lifetime: int = RECORD) -> None:
        await self._broker.run(script("write"), (key,), (lifetime, verb, *words))

    def _written_will(self) -> bytes:
        will = self.own.will
        assert will is not None
        packed: bytes = msgpack.packb((will.room, will.to, will.channel, self.own.wills, will.payload))
        return packed

    async def bye(self) -> None:
        """
        Be there no longer, without a will.
        """
        await self._remove(self._instance, self.own.life, list(self.own.rooms.items()))

    async def _take_name(self) -> None:
        key = self._keys.instances(self._instance.name)
        others: list[bytes] = []
        for _ in range(TRIES):
            others = await self._broker.run(script("name"), (key,), (self._instance, int(self._unique)))
            if not others:
                return
            for other in others:
                if await self._is_connected(other.decode()):
                    reason = f"{other.decode()} is connected, and {self._instance.name!r} is to be unique"
                    raise NameTaken(self._access.url, reason)
                await self.reap(other.decode(), forced=True)  # it died and was started again
        raise NameTaken(self._access.url, f"{others[0].decode()} does not go")

    async def _is_connected(self, instance: str) -> bool:
        # A process that was killed has no subscriptions: the server noticed when its connection was closed.
        channel = self._keys.lane(instance, Lane.DIRECT).channel
        verb = "SHARDNUMSUB" if self._verb == "SPUBLISH" else "NUMSUB"
        reply = await self._broker.ask(channel, "PUBSUB", verb, channel)
        counts = list(reply.values()) if isinstance(reply, dict) else reply[1::2]
        return any(counts)

    # -- noticing who is not --------------------------------------------------------------------------------------

    async def settle(self, who: str) -> None:
        """
        Do what is to be done about something that is overdue in the registry.
        """
        if who.startswith(GROUP):
            _, group, room = who.split(GROUP, 2)
            await self._disband(room, group)
        else:
            await self.reap(who)

    async def reap(self, instance: str, *, forced: bool = False) -> None:
        """
        Remove an instance if it is gone.
        """
        keys = (self._keys.alive(instance), self._keys.record(instance))
        flat = await self._broker.run(script("condemn"), keys, (int(forced),))
        if flat is None:
            return
        record = dict(zip(flat[::2], flat[1::2], strict=True))
        logger.debug("%s is gone", instance)
        rooms = [(key[5:].decode(), _manner(value)) for key, value in record.items() if key.startswith(b"room ")]
        if b"will" in record:
            await self._send_will(instance, record[b"will"])
        await self._remove(instance, int(record.get(b"life", 0)), rooms)

    async def _remove(self, instance: str, life: int, rooms: Sequence[tuple[str, Manner]]) -> None:
        calls: list[Call | Command] = [self._leaving(room, instance, life, manner) for room, manner in rooms]
        calls += [
            self._leaving(room, instance, life, manner, observed=True)
            for room, manner in rooms
            if manner.mode is Mode.OBSERVER
        ]
        instances = self._keys.instances(Instance(instance).name)
        calls.append(Command(instances, ("HDEL", instances, instance)))
        replies = await self._all(calls)
        for (room, _), group in zip(rooms, replies, strict=False):
            await self._left(room, group)
        # Where senders stood stays: if the instance was only away, it is told what it missed.
        logs = [self._keys.lane(instance, lane) for lane in Lane]
        rest = [key for log in logs for key in (log.log, log.members, log.cursors, log.kept)]
        inbox = (*(log.meta for log in logs), *(log.bodies for log in logs))
        bury = (self._keys.record(instance), *inbox, self._keys.alive(instance), *rest)
        buried = await self._broker.run(script("bury"), bury, (life, len(logs)))
        if buried:
            await self._broker.ask(self._keys.registry, "ZREM", self._keys.registry, instance)

    async def leave(self, room: str, manner: Manner, *, observed: bool) -> None:
        """
        End a membership of this instance.
        """
        call = self._leaving(room, self._instance, self.own.life, manner, observed=observed)
        await self._left(room, await self._broker.run(*call))

    async def _left(self, room: str, group: bytes | None) -> None:
        if group is not None:  # it has no members any more: it is forgotten after a while
            who = f"{GROUP}{group.decode()}{GROUP}{room}"
            await self._broker.run(script("register"), (self._keys.registry,), (who, self._group_grace))

    async def _disband(self, room: str, group: str) -> None:
        left = await self._broker.run(script("disband"), self._keys.room(room), (group, self._group_grace))
        if left is None:
            return  # somebody came and went meanwhile: it is waited for anew
        who = f"{GROUP}{group}{GROUP}{room}"
        calls = [self._notice(head, f"the group {group!r} of {room!r} is gone") for head in left]
        await self._all([*calls, Command(self._keys.registry, ("ZREM", self._keys.registry, who))])

    def _notice(self, head: bytes, reason: str) -> Command:
        said = entries.heading(head)
        channel = self._keys.notices(said.sender)
        return Command(channel, (self._verb, channel, msgpack.packb((said.channel, said.first, said.messages, reason))))

    def _leaving(self, room: str, instance: str, life: int, manner: Manner, *, observed: bool = False) -> Call:
        """
        Return the call that ends a membership.
        """
        keys = self._keys.observed(room) if observed else self._keys.room(room)
        note = members.note(Member(Instance(instance), manner.mode, manner.group), joined=False)
        return Call(script("leave"), keys, (instance, life, self._verb, note))

    async def _send_will(self, instance: str, packed: bytes) -> None:
        try:
            types = (str, (str, type(None)), int, int, bytes)
            ((room, to, channel, number, payload),) = rows([unpack(packed, list)], "a will", *types)
        except ProtocolError as exc:
            logger.error("the will of %s: %s", instance, exc)
            return
        logs: list[LogKeys] = [self._keys.room(room)]
        if to is not None:
            names = [to] if "#" in to else [name.decode() for name in await self._instances(to)]
            logs = [self._keys.lane(name, Lane.DIRECT) for name in names]
        said = entries.Delivery(instance, channel, number - 1, number, 1, room, to)
        flags = Flag.BEGINS | (Flag.INBOX if to is not None else 0)
        append = Appending(self._access, limit=2**53)
        await self._all([call for keys in logs for call in append.calls(keys, said, [payload], flags)])

    async def _instances(self, name: str) -> list[bytes]:
        key = self._keys.instances(name)
        found: list[bytes] = await self._broker.ask(key, "HKEYS", key)
        return found


def _manner(value: bytes) -> Manner:
    mode, echo, group = value.decode().split(" ", 2)
    return Manner(Mode(mode), echo == "1", group or None)
