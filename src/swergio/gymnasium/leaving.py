"""Who has left the rooms in which a component has environments."""

from __future__ import annotations

import threading
import weakref

from swergio.component import Component
from swergio.presence import Presence

# A component cannot be told to forget a handler, and one may have thousands of environments, one after another.
_watched: weakref.WeakKeyDictionary[Component, dict[str, set[str]]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def left(component: Component, room: str) -> set[str]:
    """
    Return the instances that have left a room and are not back: always the same set, which is kept up to date.
    """
    with _lock:
        rooms = _watched.setdefault(component, {})
        if room in rooms:
            return rooms[room]
        gone = rooms[room] = set()

    @component.on_presence(room)
    def note(change: Presence) -> None:
        (gone.discard if change.joined else gone.add)(change.instance)

    return gone
