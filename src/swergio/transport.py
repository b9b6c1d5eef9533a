"""The transport boundary: what moves messages between one component and the rooms of one deployment.

A transport takes batches from the component's `Outbox` and acknowledges them, and reports what arrives to the
component's `Events`. It is connected for its whole life: reconnecting is its own affair. It is found by the scheme of
a URL through the entry-point group ``swergio.transports``; swergio's own are found in exactly the same way.
"""

from __future__ import annotations

import difflib
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from swergio.errors import ConfigurationError, MissingExtra, SwergioError, UnknownScheme
from swergio.outbox import Outbox

if TYPE_CHECKING:
    from swergio.messages import Instance
    from swergio.settings import Settings

GROUP = "swergio.transports"


@dataclass(frozen=True, slots=True)
class Guarantees:
    """
    What a transport promises; by default, all that a component may rely on.

    Attributes:
        one_order: All members of a room see one order.
        recovers: What was sent while a connection was broken arrives after it is back.
        back_pressure: A full reliable member slows its senders, and loses nothing.
        knows_members: It can tell at once who is in a room, and tells who watches of joins and leaves.
        groups: The members of a group share the messages of a room; what one did not finish goes to another.
        history: Who joins can have what a room still holds of its past, and its kept value.
        durable: Messages outlive the server process.
    """

    one_order: bool = True
    recovers: bool = True
    back_pressure: bool = True
    knows_members: bool = True
    groups: bool = True
    history: bool = True
    durable: bool = False


class Mode(StrEnum):
    """
    How a member takes part in a room.

    A reliable member slows the senders when it is full; a lossy one skips ahead, counted; an observer is lossy, sees
    the direct messages of the room too, and does not count as a member for requests.
    """

    RELIABLE = "reliable"
    LOSSY = "lossy"
    OBSERVER = "observer"


class Manner(NamedTuple):
    """
    How a component is a member of a room.

    Attributes:
        mode: Whether it may hold its senders back, and what it sees.
        echo: It gets its own messages too.
        group: It shares the messages with the others of this group, each of which goes to one of them; None if it
            gets all. Only for reliable members.
    """

    mode: Mode = Mode.RELIABLE
    echo: bool = False
    group: str | None = None


class Past(NamedTuple):
    """
    What a component that joins a room wants of what was sent there before. It gets that first, in order.

    Attributes:
        last: The newest so many messages, of those that are still there.
        age: Those that are not older than so many seconds; of two bounds the closer one holds.
        kept: The newest message that was sent to be kept, unless the others contain it.
    """

    last: int | None = None
    age: float | None = None
    kept: bool = False


NOTHING = Past()


@dataclass(frozen=True, slots=True)
class Member:
    """
    One member of a room.
    """

    instance: Instance
    mode: Mode
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """
    A message that is sent when a component is gone without having closed: it was killed, or is away for too long.

    Attributes:
        room, to: As of any message.
        channel: A channel of the component that carries nothing else.
        payload: A batch of one message.
    """

    room: str
    to: str | None
    channel: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Loss:
    """
    Messages that a member should have had and will not get.

    Attributes:
        room: Where they were sent.
        sender: The instance that sent them.
        count: How many.
        reason: What happened to them.
    """

    room: str
    sender: Instance
    count: int
    reason: str

    def __str__(self) -> str:
        return f"{self.count} messages of {self.sender} in {self.room!r} are lost: {self.reason}"


@dataclass(slots=True, eq=False)
class Inbound:
    """
    A batch that came in, in order, for the first time.

    ``receipt`` is the transport's own note, given back to `Transport.consumed`; ``lossy`` says that the member need
    not slow anyone; ``past`` that it was sent before the component joined, ``shared`` that it came to a group.
    """

    room: str
    to: str | None
    sender: Instance
    channel: int
    first: int
    count: int
    attempt: int
    payload: memoryview
    receipt: Any
    lossy: bool = False
    past: bool = False
    shared: bool = False


class Events(Protocol):
    """
    What a transport tells its component, always on the loop's thread. None of these may raise or block.
    """

    def delivered(self, inbound: Inbound) -> None:
        """
        A batch came.
        """

    def lost(self, loss: Loss) -> None:
        """
        Messages of a reliable membership will never come.
        """

    def dropped(self, room: str, count: int) -> None:
        """
        A lossy member skipped ``count`` messages.
        """

    def undeliverable(self, channel: int, first: int, count: int, reason: str) -> None:
        """
        Own messages reached nobody and never will.
        """

    def presence(self, room: str, member: Member, joined: bool) -> None:
        """
        Somebody joined or left a room that is watched.
        """

    def connected(self, *, resumed: bool) -> None:
        """
        A connection stands; ``resumed`` if the other end knew the component already.
        """

    def disconnected(self, reason: str) -> None:
        """
        The connection broke; the transport connects again.
        """

    def failed(self, error: SwergioError) -> None:
        """
        The transport gave up for good: nothing will be delivered or acknowledged again.
        """


class Transport(ABC):
    """
    Moves messages between one component and the rooms of one deployment. All calls on the loop's thread.

    Attributes:
        guarantees: What it promises; one that depends on settings is set in ``__init__``.
    """

    guarantees: Guarantees = Guarantees()

    @property
    def duplicates(self) -> int:
        """
        How many messages came a second time and were dropped.
        """
        return 0

    @property
    def max_message(self) -> int | None:
        """
        The largest message that it can carry, once connected; None if only the settings limit it.
        """
        return None

    def reserve(self, size: int) -> memoryview | None:
        """
        Return memory for the arrays of one message, ``size`` bytes, from which they need not be copied again.

        None if the transport has no such memory, or none just now. When no view of it is left it may be used again.
        Called on any thread.
        """
        return None

    @abstractmethod
    async def connect(self) -> None:
        """
        Establish the first connection, under the settings' ``connect_timeout``.

        Raises:
            ConnectFailed, AccessRefused, IncompatiblePeer, NameTaken: with the reason of the last try.
        """

    @abstractmethod
    def wake(self) -> None:
        """
        The outbox has something to take. Must return at once.
        """

    @abstractmethod
    async def join(self, room: str, manner: Manner, past: Past = NOTHING) -> None:
        """
        Become a member, or change how; effective when it returns, whoever sends. Cancelled: may or may not be joined.

        ``past`` counts for those who are no members yet; what it asks for is delivered before anything newer.
        """

    @abstractmethod
    async def leave(self, room: str) -> None:
        """
        Cease to be a member; nothing of the room is delivered once it returned.
        """

    @abstractmethod
    async def ask(self, verb: str, *arguments: Any) -> Any:
        """
        Ask the deployment something.

        ``members`` (room) gives a list of `Member`; ``watch`` and ``unwatch`` (room) too, and begin or end the
        reports of who joins and leaves; ``rooms`` gives a list of dicts; ``sync`` returns once all that was taken
        from the outbox before is acknowledged; ``about`` gives the versions of what is at the other end, by name, or
        None if that does not tell them.
        """

    @abstractmethod
    def consumed(self, receipt: Any) -> None:
        """
        The batch with this receipt was handled: its credit goes back. Receipts of a room come back in order.
        """

    @abstractmethod
    def withdraw(self, channel: int, number: int) -> None:
        """
        A request that still waits for a member shall not reach one any more.
        """

    @abstractmethod
    async def leave_will(self, will: Will | None) -> None:
        """
        Have ``will`` sent if the component is gone without closing; None: nothing. Effective when it returns.
        """

    @abstractmethod
    async def close(self) -> None:
        """
        Leave in good order and release everything, within a second. Never raises for what the other end does.
        """


@dataclass(slots=True)
class Context:
    """
    What a transport is made with.

    Attributes:
        settings: Timeouts, limits, token and TLS; ``settings.url`` may be None for the user's own hub.
        instance: Who the component is.
        unique: It wants to be the only one of its name.
        outbox: What it sends.
        events: Whom to tell.
    """

    settings: Settings
    instance: Instance
    unique: bool
    outbox: Outbox
    events: Events
    options: Mapping[str, Any] = field(default_factory=dict)


def find(url: str) -> type[Any]:
    """
    Return the transport class for the scheme of ``url``; nothing is imported before its scheme is asked for.

    Raises:
        UnknownScheme: no installed package claims the scheme.
        MissingExtra: the transport needs packages that are not installed.
        ConfigurationError: two packages claim the scheme.
    """
    scheme, separator, _ = url.partition("://")
    points = _claims(scheme)
    if not separator or not points:
        raise _unknown(url, scheme if separator else "", sorted({point.name for point in _known(tuple(sys.path))}))
    if len(points) > 1:
        raise ConfigurationError(f"{' and '.join(points)} both claim {scheme}://", remedy="Uninstall one of them")
    (point,) = points.values()
    try:
        return point.load()  # type: ignore[no-any-return]
    except ImportError as exc:
        extra = f"swergio[{point.extras[0] if point.extras else scheme}]"
        raise MissingExtra(f"{scheme}:// cannot be used: {exc}", remedy=f"Run: pip install '{extra}'") from exc


def _claims(scheme: str) -> dict[str, metadata.EntryPoint]:
    path = tuple(sys.path)
    points = {point.value: point for point in _known(path) if point.name == scheme}
    if not points:  # it may have been installed since: in a notebook, say
        _known.cache_clear()
        points = {point.value: point for point in _known(path) if point.name == scheme}
    return points


@lru_cache(maxsize=1)
def _known(path: tuple[str, ...]) -> metadata.EntryPoints:  # noqa: ARG001  where it is looked for
    # Reading what each of 125 installed packages says took 50 ms on a busy machine: most of the start of a component.
    return metadata.entry_points(group=GROUP)


def _unknown(url: str, scheme: str, known: list[str]) -> UnknownScheme:
    near = difflib.get_close_matches(scheme, known, 1)
    hint = f"Did you mean {near[0]}://?" if near else "Is the package that brings it installed?"
    return UnknownScheme(f"no transport for {url!r}", "one of " + ", ".join(f"{name}://" for name in known), hint)
