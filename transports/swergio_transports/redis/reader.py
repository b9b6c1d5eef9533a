"""A connection that messages of subscriptions come in on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from hiredis import PushNotification, ReplyError

from swergio_transports.redis.wire import Wire

CONFIRMED: Final = frozenset({b"subscribe", b"unsubscribe", b"ssubscribe", b"sunsubscribe"})


class Confirmation(asyncio.Future[Any]):
    """
    Waits in the queue of replies for the server's word on each channel, which comes as a message and not as a reply.
    """

    def __init__(self, verb: bytes, channels: Sequence[bytes]) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.verb = verb
        self.left = set(channels)


class Reader(Wire):
    """
    A connection with subscriptions.

    Args:
        came: Called with channel and data of each message.
        removed: Called with a channel that the server took off us: its slot is elsewhere now.
    """

    def __init__(
        self,
        heartbeat: float,
        dead_after: float,
        came: Callable[[bytes, bytes], None],
        removed: Callable[[bytes], None],
    ) -> None:
        super().__init__(heartbeat, dead_after)
        self._came = came
        self._removed = removed

    def confirm(self, verb: bytes, channels: Sequence[bytes]) -> Confirmation:
        """
        Send ``verb``, such as ``ssubscribe``; the result is None once all is confirmed, or a `ReplyError`.

        Raises:
            BrokerLost: There is no connection any more. The future ends with it when that happens later.
        """
        confirmation = Confirmation(verb, channels)
        self.write([(verb, *channels)], [confirmation])
        return confirmation

    def _pushed(self, push: PushNotification) -> None:
        kind = push[0]
        if kind == b"message" or kind == b"smessage":  # noqa: PLR1714  a set costs more, for each message
            self._came(push[1], push[2])
        elif kind in CONFIRMED:
            self._confirmed(kind, push[1])

    def _confirmed(self, verb: bytes, channel: bytes) -> None:
        head = self._waiting[0] if self._waiting else None
        if isinstance(head, Confirmation) and head.verb == verb and channel in head.left:
            head.left.discard(channel)
            if not head.left:
                self._replied(None)
        elif verb == b"sunsubscribe":
            self._removed(channel)

    def _replied(self, reply: Any) -> None:
        head = self._waiting[0] if self._waiting else None
        if isinstance(head, Confirmation) and head.left and not isinstance(reply, ReplyError):
            self.abort("a subscription was answered by something else")
            return
        super()._replied(reply)
