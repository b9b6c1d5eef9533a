"""
Settings: URL, token, timeouts and limits, and the places that say them.

One setting may be said in several places; the first of these that names it counts: an argument in the code, the query
of the URL, a ``SWERGIO_*`` variable, ``swergio.toml`` in the working folder or the nearest folder above it, the
default. The query comes before the environment since it belongs to one URL, and a variable to all that a program uses.

Importing this package imports pydantic, which takes longer than the rest of swergio: import it where a component
connects, not at the top of a module that ``import swergio`` reaches.
"""

from swergio.settings.loading import load, origin
from swergio.settings.model import HubSettings, Settings

__all__ = ["HubSettings", "Settings", "load", "origin"]
