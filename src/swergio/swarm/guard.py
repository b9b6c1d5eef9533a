"""
Ends the programs of a swarm whose own process was killed, and could not do it.

It is a program of its own, which needs the standard library alone: ``python guard.py FOLDER``. On its standard input it
is told which process groups there are (``+ID``), and which are no more (``-ID``). When that input ends, whoever told it
is gone, however that came: the groups that are left are told to end, and after a grace killed; then the folder is
removed. It has a session of its own, so that nothing that is done to the swarm's terminal or group reaches it.

Why so: a parent's death can be noticed by the kernel on Linux alone (``PR_SET_PDEATHSIG``), which also fires when the
*thread* that started a program ends; and programs that should notice it themselves would have to be of our making.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

GRACE = 5.0  # what a component's close may take, by its setting 'close_timeout'
LOOK_AROUND = 0.05


def main() -> None:
    """
    Listen until the end of the input, and then clean up.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    end(groups)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


def end(groups: set[int]) -> None:
    """
    End process groups: SIGTERM, and what is there after the grace gets SIGKILL.
    """
    left = {group for group in groups if tell(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE
    # They are nobody's children any more: there is nothing to wait for but their being gone.
    while left and time.monotonic() < deadline:
        time.sleep(LOOK_AROUND)
        left = {group for group in left if tell(group, 0)}
    for group in left:
        tell(group, signal.SIGKILL)


def tell(group: int, number: int) -> bool:
    """
    Send a signal to a group, and return whether there is one.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    main()
