"""
What a program that ``swergio up`` started says to it: that it is ready.

It is a line in a pipe with a name (a FIFO), which `swergio.swarm` waits for. So nothing is inherited that a wrapper
might close, any language can say it (``echo ready > "$SWERGIO_READY"``), and a plain script has nothing to do: the
first of its components says it, once it is connected and in the rooms of its handlers.
"""

from __future__ import annotations

import logging
import os

READY = "SWERGIO_READY"
REPLICA = "SWERGIO_REPLICA"

log = logging.getLogger("swergio.component")


def tell_ready(who: str) -> None:
    """
    Say that a component is ready, if somebody waits for that, and nobody in this process said so before.
    """
    # Taken out, so that neither another component of this process nor a program that it starts says it again.
    path = os.environ.pop(READY, None)
    if not path:
        return
    try:
        # Without a reader this fails at once: who waited is gone, and the component does what it would do without.
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0))
        try:
            os.write(descriptor, f"{who}\n".encode())
        finally:
            os.close(descriptor)
    except OSError as exc:
        log.debug("%s is ready, and nobody waits for that: %s", who, exc)
