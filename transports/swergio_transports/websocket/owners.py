"""Stand-ins for the owner of a link, for as long as it has none."""

from __future__ import annotations

from swergio.hub.link import Packet


class Nobody:
    """
    Owns a connection in its handshake: there is nobody to tell.
    """

    def packet_received(self, packet: Packet) -> None:
        """
        Drop it.
        """

    def writable_again(self) -> None:
        """
        Nobody waits.
        """

    def link_lost(self, reason: str, *, final: bool = False) -> None:
        """
        Nobody minds.
        """


class Early:
    """
    Keeps what happens on a link whose owner does not hold it yet.

    Attributes:
        packets: What came, in order.
        lost: The reason and finality of its end, if it ended.
    """

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.lost: tuple[str, bool] | None = None

    def packet_received(self, packet: Packet) -> None:
        """
        Keep it.
        """
        self.packets.append(packet)

    def writable_again(self) -> None:
        """
        Nobody can have written.
        """

    def link_lost(self, reason: str, *, final: bool = False) -> None:
        """
        Keep it.
        """
        self.lost = reason, final
