"""Who is in which room, and who comes and goes."""

from __future__ import annotations

import logging
from typing import Any

from swergio.errors import ProtocolError
from swergio.transport import Events, Member
from swergio_transports.redis import members
from swergio_transports.redis.access import Access
from swergio_transports.redis.calls import Command
from swergio_transports.redis.limits import information

logger = logging.getLogger("swergio.redis")


class Roster:
    """
    Answers questions about members, and tells of them where that is wanted.
    """

    def __init__(self, access: Access, events: Events) -> None:
        self._broker = access.broker
        self._all = access.all
        self._keys = access.keys
        self._events = events
        self._watched: dict[bytes, tuple[str, dict[str, Member]]] = {}

    def __contains__(self, channel: bytes) -> bool:
        return channel in self._watched

    async def members(self, room: str) -> list[Member]:
        """
        Return the members of a room in the order in which they joined.
        """
        key = self._keys.room(room).members
        return members.listed(await self._broker.ask(key, "HGETALL", key))

    async def watch(self, room: str) -> list[Member]:
        """
        Tell of who joins and leaves from now on; return who is there.
        """
        who = self._keys.room(room).who
        self._watched.setdefault(who, (room, {}))
        await self._broker.subscribe(who)
        there = await self.members(room)
        self._watched[who] = (room, {member.instance: member for member in there})
        return there

    async def unwatch(self, room: str) -> list[Member]:
        """
        Tell no longer.
        """
        who = self._keys.room(room).who
        self._watched.pop(who, None)
        await self._broker.unsubscribe(who)
        return await self.members(room)

    def came(self, channel: bytes, data: bytes) -> None:
        """
        Take a note of somebody who came or went.
        """
        room, there = self._watched[channel]
        try:
            member, joined = members.noted(data)
        except ProtocolError as exc:
            logger.error("%s: %s", channel, exc)
            return
        if joined and member.instance not in there:
            there[member.instance] = member
            self._events.presence(room, member, joined=True)
        elif not joined and member.instance in there:
            self._events.presence(room, there.pop(member.instance), joined=False)

    async def look(self) -> None:
        """
        Find out who came and went while nobody told us.

        Raises:
            BrokerLost: A connection broke.
        """
        for room, before in list(self._watched.values()):
            now = {member.instance: member for member in await self.members(room)}
            for instance in [instance for instance in before if instance not in now]:
                self._events.presence(room, before.pop(instance), joined=False)
            for instance, member in now.items():
                if instance not in before:
                    before[instance] = member
                    self._events.presence(room, member, joined=True)

    async def about(self) -> dict[str, str]:
        """
        Return the version of the server, or of one of them; nothing if it may not be asked.
        """
        info = information(await self._broker.ask(self._keys.rooms, "INFO", "server"))
        names = {"valkey": "valkey_version", "redis": "redis_version"}
        return {name: info[key] for name, key in names.items() if key in info}

    async def rooms(self) -> list[dict[str, Any]]:
        """
        Return what is known of each room that has members: name, members and bytes held for them.
        """
        key = self._keys.rooms
        names = [name.decode() for name in await self._broker.ask(key, "ZRANGE", key, 0, -1)]
        commands = []
        for keys in map(self._keys.room, names):
            commands.append(Command(keys.members, ("HGETALL", keys.members)))
            commands.append(Command(keys.meta, ("HGET", keys.meta, "top")))
            commands.append(Command(keys.cursors, ("ZRANGE", keys.cursors, 0, 0, "WITHSCORES")))
        replies = await self._all(commands)
        described = []
        for name, table, top, slowest in zip(names, replies[::3], replies[1::3], replies[2::3], strict=True):
            if not (there := members.listed(table)):
                continue
            held = max(0, int(top) - int(slowest[0][1])) if top and slowest else 0
            listed = [[member.instance, str(member.mode), member.group] for member in there]
            described.append({"room": name, "members": listed, "held": held})
        return sorted(described, key=lambda room: str(room["room"]))
