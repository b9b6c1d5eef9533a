"""
A connection between a component and the hub of a simulated world.
"""

from __future__ import annotations

from collections import deque

from swergio.hub.sessions import Session


class Wire:
    """
    One connection, with the packets that are on their way in each direction.
    """

    def __init__(self) -> None:
        self.up: deque[bytes] = deque()
        self.down: deque[bytes] = deque()
        self.session: Session | None = None
        self.open = True

    def cut(self) -> None:
        """
        Lose what is on its way, and everything from now on.
        """
        self.open = False
        self.up.clear()
        self.down.clear()
