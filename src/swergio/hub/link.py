"""The boundary between the hub protocol and a wire.

A transport that goes through a hub implements three small things: a `Link` (one connection), a `Listener`
(accepts links) and a function that dials. Everything else (heartbeats, resuming, limits on what a session may
hold, encoding) sits above and is written once. A link may lose what it was given when it breaks; it never
reorders, duplicates or alters a packet.

All calls, in both directions, happen on the thread of the event loop that the link was made on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from swergio.codec import frames

Buffer: TypeAlias = frames.Buffer
Packet: TypeAlias = frames.Packet

MOMENT = 0.0001
"""Seconds after a write in which what follows is gathered until the end of the loop's turn.

Gathering always would cost a lone message a turn (10 µs) at each station of its way; never, a packet for each of many.
"""

HEADROOM = 4 * 2**20  # bytes of a packet beside the largest message: what travels with it, and its headers


class LinkEvents(Protocol):
    """
    What a link tells its owner. None of these may raise.
    """

    def packet_received(self, packet: Packet) -> None:
        """
        One whole packet came in. The owner may keep ``packet``; the link will not touch it again.

        It may be in parts, as the wire carried them: joining large ones would be a copy that nobody needs.
        """

    def writable_again(self) -> None:
        """
        ``link.writable`` is true again. May be called from inside ``link.send``.
        """

    def link_lost(self, reason: str, *, final: bool = False) -> None:
        """
        The link is gone: called exactly once, however it ended, and nothing is called after it.

        ``final`` says that the peer refused for good (a wrong token), so that trying again is useless.
        """


class Link(ABC):
    """
    One connection between a component and its hub.

    Attributes:
        peer: Where the other end is, for logs.
        writable: False while so much is queued that the owner should wait for ``writable_again``.
        received_at: ``loop.time()`` at which any byte last came in, for liveness.
    """

    peer: str
    writable: bool
    received_at: float

    @abstractmethod
    def send(self, packet: Sequence[Buffer]) -> None:
        """
        Queue one packet, whose content is the given buffers joined. Never blocks; ignored once the link is lost.

        The buffers may be kept until they are written and are not altered by the caller meanwhile.
        """

    @abstractmethod
    def close(self, reason: str = "") -> None:
        """
        Send what is queued, then end the connection. Bounded in time by the link itself; ``link_lost`` follows.

        ``reason`` (at most 120 bytes) reaches the peer where the wire can carry it.
        """

    @abstractmethod
    def abort(self) -> None:
        """
        End the connection at once and drop what is queued. ``link_lost`` follows.
        """


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """
    What a wire needs to know to open or accept links.

    Attributes:
        token: What a dialling side shows; never logged.
        authorize: Asked by a listener for every connection, with the token shown (or None); false refuses it
            before anything else is done for it.
        max_packet: Bytes in one packet; a peer that sends more is cut off.
        max_links: Connections that a listener holds at once.
        handshake_timeout: Seconds for the wire's own handshake (TLS included).
        tls_ca, tls_cert, tls_key: Paths of PEM files: whom to trust, and what to show.
        curve_key: Path of the own CURVE key pair.
        curve_hub: Path of the public key of the hub that is dialled.
        curve_clients: Path of the public keys, in a folder or a file, that a listener lets in.
        insecure: Listening beyond loopback without token and TLS (or CURVE) is meant.
        origins: Browser origins that may connect; none by default.
        websocket: The library that makes WebSocket frames, ``websockets`` or ``picows``, or ``auto``.
    """

    token: str | None = None
    authorize: Callable[[str | None], bool] = lambda token: True
    max_packet: int = 68 * 2**20
    max_links: int = 4096
    handshake_timeout: float = 5.0
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    curve_key: str | None = None
    curve_hub: str | None = None
    curve_clients: str | None = None
    insecure: bool = False
    origins: tuple[str, ...] = ()
    websocket: str = "auto"


class Listener(ABC):
    """
    Accepts links on one URL until it is closed.

    Attributes:
        url: The URL to dial, with the port that was really taken.
    """

    url: str

    @abstractmethod
    async def close(self) -> None:
        """
        Stop accepting. Links that exist go on; their owner closes them.
        """


Accept: TypeAlias = Callable[[Link], LinkEvents]
"""Called by a listener for each accepted link; returns the owner of its events."""
