"""The call that appends a batch to a log: how ``scripts/append.lua`` is told what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from swergio.codec.frames import Buffer
from swergio_transports.redis import entries, members
from swergio_transports.redis.access import Access
from swergio_transports.redis.calls import COPIED, Call, Command, Word
from swergio_transports.redis.keys import LogKeys
from swergio_transports.redis.scripts import script
from swergio_transports.redis.ways import Flag

BROUGHT: Final = 60
"""Seconds that a large payload is kept for the call that makes it an entry's."""


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

    def calls(
        self,
        keys: LogKeys,
        said: entries.Delivery,
        payload: Sequence[Buffer],
        flags: int,
        *,
        origin: int = 0,
        aligned: bool = False,
        brought: bool = False,
    ) -> list[Call | Command]:
        """
        Return the call that appends the batch with this header, behind the one that sets its payload if it is large.

        Args:
            keys, said, payload: Where, and what.
            flags: What the caller knows of it; what follows from its size is added.
            origin: Base of the log that has the message before.
            aligned: The payload holds arrays.
            brought: A large payload was set before.
        """
        frame = entries.batch(said, payload, aligned=aligned)
        size = entries.cost(said.messages, payload)
        head = len(frame[0])
        sender = said.sender
        last = said.first + said.messages - 1
        before: list[Call | Command] = []
        # A command without arguments in pieces is packed in C, in a tenth of the time.
        sent: Word = b"".join(frame) if size < COPIED else frame
        if self._loose:
            flags |= Flag.LOOSE
        if size > entries.INLINE:
            flags |= Flag.LARGE
            if self._loose or not flags & Flag.KEEP:
                flags |= Flag.APART
                sent = frame[0]
                if not brought:
                    body = keys.body(sender, said.channel, last)
                    before.append(Command(body, ("SET", body, frame, "NX", "EX", BROUGHT)))
        append = Call(
            self._script,
            keys,
            (
                members.source(sender, said.channel), said.after, last, said.messages, int(flags), size, self._limit,
                self._history, head, self._verb, sender, sent, origin, self._clock.milliseconds,
            ),
        )  # fmt: skip
        return [*before, append]
