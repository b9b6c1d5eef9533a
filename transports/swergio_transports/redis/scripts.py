"""The Lua scripts of this package, each read when it is first used."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Final

from swergio_transports.redis.calls import Script

OF_LOGS: Final = ("append", "disband", "join", "leave", "mark", "past", "state", "trim", "work")
"""They share ``prelude.lua``, and the keys that it explains."""

OTHERS: Final = ("beat", "bury", "condemn", "name", "register", "report")


@functools.cache
def script(name: str) -> Script:
    """
    Return one of them.
    """
    return Script(_text("prelude") + "\n" + _text(name) if name in OF_LOGS else _text(name))


def scripts() -> list[Script]:
    """
    Return all of them.
    """
    return [script(name) for name in (*OF_LOGS, *OTHERS)]


def _text(name: str) -> str:
    return resources.files(__package__).joinpath("scripts", f"{name}.lua").read_text("utf-8")
