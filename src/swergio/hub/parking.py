"""What came and cannot be appended yet.

Theory of operation. A batch that cannot be placed (a reliable member is too far behind; a request finds nobody to
answer it) is parked in its channel, unacknowledged, with everything that follows on that channel; no other channel is
held up. ``place`` says what it waits for. When that may have come, `retry` offers the batches of all channels that
wait for it again, in turns, so that a busy sender does not keep the others out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import TypeVar

from swergio.hub.log import Log
from swergio.hub.sessions import REQUEST, HubChannel, Parcel

T = TypeVar("T")


class Parking:
    """
    The channels that wait.

    Args:
        place: Puts a batch where it belongs; returns what it waits for instead, nothing if it was placed.
        skip: Passes over a batch that nobody wants placed any more.
    """

    def __init__(
        self,
        place: Callable[[HubChannel, Parcel], tuple[Hashable, ...]],
        skip: Callable[[HubChannel, Parcel], None],
    ) -> None:
        self._place = place
        self._skip = skip
        self._waiting: dict[Hashable, dict[HubChannel, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __contains__(self, awaited: Hashable) -> bool:
        return awaited in self._waiting

    def publish(self, channel: HubChannel, parcel: Parcel) -> None:
        """
        Place a batch, or park it until it can be.
        """
        channel.received = parcel.last
        if channel.parked or not self._try(channel, parcel):
            channel.park(parcel)

    def withdraw(self, channel: HubChannel, number: int) -> None:
        """
        Have the request ``number``, which nobody waits for any more, not placed if it was not yet.

        A batch goes when all its requests are withdrawn.
        """
        if channel.appended < number:
            channel.withdraw(number)
            while self._offer(channel):
                pass

    def retry(self, awaited: Hashable) -> None:
        """
        Offer what waits for ``awaited`` again.
        """
        if awaited not in self._waiting:
            return
        channels = deque(self._waiting.pop(awaited))
        while channels:
            channel = channels.popleft()
            if self._offer(channel):
                channels.append(channel)
            elif isinstance(awaited, Log) and channel in self._waiting.get(awaited, ()):
                self._waiting[awaited].update(dict.fromkeys(channels))  # full again: the others need not try
                return

    def awaited(self, kind: type[T]) -> list[T]:
        """
        Return everything of a kind that is waited for.
        """
        return [awaited for awaited in self._waiting if isinstance(awaited, kind)]

    def sweep(self) -> None:
        """
        Forget channels that wait no more; many of their like would be kept by what never comes.
        """
        for awaited, channels in list(self._waiting.items()):
            for channel in [channel for channel in channels if not (channel.parked and channel.session.alive)]:
                del channels[channel]
            if not channels:
                del self._waiting[awaited]

    def _offer(self, channel: HubChannel) -> bool:
        # True if the first batch was placed and there are more.
        if not (channel.parked and channel.session.alive and self._try(channel, channel.parked[0])):
            return False
        channel.unpark()
        return bool(channel.parked)

    def _try(self, channel: HubChannel, parcel: Parcel) -> bool:
        if channel.withdrawn and parcel.flags & REQUEST and channel.withdrawn.issuperset(parcel.numbers):
            self._skip(channel, parcel)
            return True
        awaited = self._place(channel, parcel)
        for what in awaited:
            self._waiting.setdefault(what, {})[channel] = None
        return not awaited
