"""The scripts of a log, each read when it is first used."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Final

from swergio_transports.redis.calls import Script

NAMES: Final = ("append", "join", "leave", "state", "mark", "past")


@functools.cache
def script(name: str) -> Script:
    """
    Return a script of this package, behind what all of them share.
    """
    folder = resources.files(__package__).joinpath("scripts")
    return Script(
        "\n".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in ("prelude", name)),
    )


def scripts() -> list[Script]:
    """
    Return all of them.
    """
    return [script(name) for name in NAMES]
