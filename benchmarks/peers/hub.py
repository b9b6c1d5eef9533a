"""swergio's own hub, as ``python -m swergio.hub`` runs it."""

from __future__ import annotations

import os

from swergio.bench.role import Orders, say
from swergio.hub.serving import configure
from swergio.hub.serving import serve as serve_hub


def serve(listen: str, **_: str) -> None:
    """
    Serve until told to end.
    """
    Orders()
    # A socket in the folder of this process is no other run's.
    url = listen.format(os.getpid())
    serve_hub(configure([url]), lambda urls: say(ready=True, url=urls[0]))
