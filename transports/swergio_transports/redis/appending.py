"""The call that appends a batch to a log: how ``scripts/append.lua`` is told what to do."""

from __future__ import annotations

from collections.abc import Sequence

from swergio.codec.frames import Buffer
from swergio_transports.redis import entries, members
from swergio_transports.redis.access import Access
from swergio_transports.redis.calls import COPIED, Call
from swergio_transports.redis.keys import LogKeys
from swergio_transports.redis.scripts import script
from swergio_transports.redis.ways import Flag


class Appending:
    """
    Writes calls.

    Args:
        access: Names, limits and the time.
        limit: What members may be behind; the one that is set, unless it is given.
    """

    def __init__(self, access: Access, limit: int | None = None) -> None:
        self._script = script("append")
        self._limit = access.limits.room if limit is None else limit
        self._history = access.limits.history
        self._verb = access.verb
        self._loose = access.loose
        self._clock = access.clock

    def call(
        self,
        keys: LogKeys,
        said: entries.Delivery,
        payload: Sequence[Buffer],
        flags: int,
        *,
        origin: int = 0,
        aligned: bool = False,
    ) -> Call:
        """
        Return the call that appends the batch with this header.

        Args:
            keys, said, payload: Where, and what.
            flags: What the caller knows of it; what follows from its size is added.
            origin: Base of the log that has the message before.
            aligned: The payload holds arrays.
        """
        frame = entries.batch(said, payload, aligned=aligned)
        size = entries.cost(said.messages, payload)
        head = len(frame[0])
        # A command without arguments in pieces is packed in C, in a tenth of the time.
        whole = b"".join(frame) if size < COPIED else frame
        if self._loose:
            flags |= Flag.LOOSE
        if size > entries.INLINE:
            flags |= Flag.LARGE
        sender = said.sender
        last = said.first + said.messages - 1
        return Call(
            self._script,
            keys,
            (
                members.source(sender, said.channel), said.after, last, said.messages, int(flags), size, self._limit,
                self._history, head, self._verb, sender, whole, origin, self._clock.milliseconds,
            ),
        )  # fmt: skip
