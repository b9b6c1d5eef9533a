"""What components ask the hub: a verb and its arguments, as docs/wire.md lists them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from swergio.hub.cursors import Cursor
from swergio.hub.greeting import checked_manner
from swergio.hub.rooms import Rooms
from swergio.hub.sessions import Session
from swergio.messages import check_name
from swergio.transport import Past


def answer_to(rooms: Rooms, session: Session, verb: str, arguments: list[Any]) -> Any:
    """
    Do what a component asks for, and return what it is to be told.

    Raises:
        ValueError: nothing like this can be asked.
        InvalidName: the room cannot be called so.
    """
    match verb, arguments:
        case "join", [room, str(mode), bool(echo), group, last, age, bool(kept)]:
            past = _past(last, age, kept=kept)
            joined = rooms.join(session, check_name(room, "room"), checked_manner(mode, echo, group), past)
            cursor = joined.cursor
            value = None if joined.kept is None else [*joined.kept.source, joined.kept.number, joined.kept.payload]
            return [cursor.log.number, cursor.covered, joined.positions, joined.begin, joined.until, value]
        case "leave", [str(room)]:
            rooms.leave(session, room)
            return True
        case "members", [str(room)]:
            return _members(rooms.members(room))
        case (("watch" | "unwatch"), [str(room)]):
            rooms.presence.watch(session, check_name(room, "room"), wanted=verb == "watch")
            return _members(rooms.members(room))
        case "rooms", []:
            return rooms.describe()
        case "about", []:
            return {"swergio": version("swergio")}
    raise ValueError(f"the hub cannot be asked {verb!r} with {len(arguments)} arguments")


def _past(last: Any, age: Any, *, kept: bool) -> Past:
    if not (last is None or (type(last) is int and last > 0)) or not (age is None or type(age) in (int, float)):
        raise ValueError(f"the past cannot be asked for by last={last!r} and age={age!r}")
    return Past(last, age, kept)


def _members(cursors: Iterable[Cursor]) -> list[tuple[str, str, str | None]]:
    return [(cursor.instance, str(cursor.mode), cursor.group) for cursor in cursors]
