"""A program of the tests: sends numbered messages, or receives them, and keeps a history of it in a file.

``tally.py send NAME FILE`` and ``tally.py receive NAME FILE``, until SIGTERM.
"""

import logging
import signal
import sys
import threading
import time

import swergio
from swergio.testing import History

ROOM = "tally"
PAUSE = 0.005


def send(component: swergio.Component, history: History) -> None:
    """
    Send until told to end, and then until everything is acknowledged.
    """
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with component:
        print("ready", flush=True)
        while not ended.is_set():
            component.send(ROOM, history.sent(component.name, ROOM))
            time.sleep(PAUSE)
        component.send(ROOM, history.sent(component.name, ROOM))
        component.flush(60)
    print("sent everything", flush=True)


def receive(component: swergio.Component, history: History) -> None:
    """
    Receive until told to end.
    """
    history.watch(component, ROOM)
    component.start()
    history.joined(component.name, ROOM)
    print("ready", flush=True)
    component.run()


if __name__ == "__main__":
    what, name, file = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)
    with History(file) as history:
        {"send": send, "receive": receive}[what](swergio.Component(name), history)
