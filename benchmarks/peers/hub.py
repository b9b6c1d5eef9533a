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
    url = listen.format(os.getpid())  # a socket is no other run's
    serve_hub(configure([url]), lambda urls: say(ready=True, url=urls[0]))
