"""What everything is called on the server: keys and channels of a deployment.

All that belongs to one log shares a hash tag, the part in braces, so that a cluster keeps it on one node and a script
may use all of it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from swergio.channels import Lane

MAX_LOGS: Final = 4096
"""Logs whose keys are remembered."""


class LogKeys(NamedTuple):
    """
    The keys of one log, in the order in which scripts expect them.
    """

    meta: bytes
    log: bytes
    members: bytes
    cursors: bytes
    kept: bytes
    bodies: bytes
    channel: bytes
    who: bytes

    def body(self, sender: str, channel: int, last: int) -> bytes:
        """
        Return the key of a large payload, whose last message has this number.
        """
        return self.bodies + f":{sender}/{channel}/{last}".encode()


class Keys:
    """
    Names the keys of one namespace.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._logs: dict[tuple[str, str], LogKeys] = {}
        self.registry = self._key("all", "alive")
        self.rooms = self._key("all", "rooms")

    def room(self, room: str) -> LogKeys:
        """
        Return the keys of a room's log.
        """
        return self._log(f"room:{room}")

    def observed(self, room: str) -> LogKeys:
        """
        Return those of the log of direct messages that are labelled with the room, for its observers.
        """
        return self._log(f"seen:{room}")

    def lane(self, instance: str, lane: Lane | int) -> LogKeys:
        """
        Return those of a lane of an inbox.
        """
        return self._log(f"inbox:{instance}", f"{int(lane)}:")

    def notices(self, instance: str) -> bytes:
        """
        Return the channel on which an instance hears what became of its messages.
        """
        return self._key(f"inbox:{instance}", "notices")

    def instances(self, name: str) -> bytes:
        """
        Return the key of the instances of a name.
        """
        return self._key(f"name:{name}", "instances")

    def record(self, instance: str) -> bytes:
        """
        Return the key of what others must know of an instance when it is gone.
        """
        return self._key(f"inbox:{instance}", "record")

    def alive(self, instance: str) -> bytes:
        """
        Return the key that is there while the instance is.
        """
        return self._key(f"inbox:{instance}", "alive")

    def _key(self, tag: str, part: str) -> bytes:
        return f"{self._namespace}:{{{tag}}}:{part}".encode()

    def _log(self, tag: str, part: str = "") -> LogKeys:
        # They are asked for with each batch, and take as long to make as half of the rest of it.
        keys = self._logs.get((tag, part))
        if keys is None:
            if len(self._logs) >= MAX_LOGS:
                self._logs.clear()
            keys = self._logs[tag, part] = LogKeys(*(self._key(tag, part + field) for field in LogKeys._fields))
        return keys
