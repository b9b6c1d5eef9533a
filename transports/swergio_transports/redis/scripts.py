"""The Lua scripts of this package, each read when it is first used."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Final

from swergio_transports.redis.calls import Script

OF_LOGS: Final = {
    "append": (),
    "disband": ("groups",),
    "join": ("log", "groups"),
    "leave": ("groups",),
    "mark": ("log",),
    "past": ("log",),
    "state": (),
    "trim": (),
    "work": ("groups",),
}
"""They begin with ``prelude.lua``, and so share the keys that it explains; then comes what only some of them need."""

OTHERS: Final = ("beat", "bury", "condemn", "enter", "name", "register", "report", "write")


@functools.cache
def script(name: str) -> Script:
    """
    Return one of them.
    """
    parts = ("prelude", *OF_LOGS[name]) if name in OF_LOGS else ()
    return Script("\n".join(map(_text, (*parts, name))))


def scripts() -> list[Script]:
    """
    Return all of them.
    """
    return [script(name) for name in (*OF_LOGS, *OTHERS)]


def _text(name: str) -> str:
    return resources.files(__package__).joinpath("scripts", f"{name}.lua").read_text("utf-8")
