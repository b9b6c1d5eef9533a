"""A component that is made to be killed: in a process of its own, or (where a transport has but one) in this one."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

import pytest

from swergio.component import Component
from swergio.testing.conformance.deployment import Deployment
from swergio.testing.conformance.foundation import SHORT
from swergio.testing.waiting import Inbox

START = 60.0  # seconds; a loaded machine takes its time to start an interpreter


class Victim:
    """
    Joins rooms, and tells what comes there; its handlers never return, so that all of it is unfinished.

    Args:
        deployment: Where.
        name: What it is called.
        unique: As of a component.
        rooms: The rooms that it is a member of, and the group of each or None.
        will: The arguments of `Component.will`, if it leaves one.

    Attributes:
        came: The data of what it was given.
    """

    def __init__(
        self,
        deployment: Deployment,
        name: str,
        *,
        unique: bool = False,
        rooms: Mapping[str, str | None] | None = None,
        will: Mapping[str, Any] | None = None,
    ) -> None:
        self._deployment = deployment
        settings = {**deployment.settings, **SHORT, "unique": unique}
        self._plan: dict[str, Any] = {
            "url": deployment.url, "name": name, "settings": settings, "rooms": dict(rooms or {}), "will": will,
        }  # fmt: skip
        self.came = Inbox()
        self._ready = threading.Event()
        self._ended = False
        self._end = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if self._deployment.kill is None:
            self._begin_process()
        else:
            self._begin_here(self._deployment.kill)
        started = self._ready.wait(START) and not self._ended
        if not started:
            self.kill()
        assert started, f"the component that is to be killed did not start within {START:g} s, or ended; see stderr"
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def kill(self) -> None:
        """
        Kill it, unless that was done.
        """
        self._end.close()

    def _say(self, word: str, data: Any = None) -> None:
        if word == "ready":
            self._ready.set()
        else:
            self.came.put(data)

    def _begin_process(self) -> None:
        if self._deployment.permanent:
            pytest.skip("the deployment has no 'kill', and nothing of other processes reaches it")
        command = [sys.executable, "-c", f"from {__name__} import main; main()", json.dumps(self._plan, default=str)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603  this module

        def read() -> None:
            assert process.stdout is not None
            with process.stdout:
                for line in process.stdout:
                    self._say(*json.loads(line))
            self._ended = True
            self._ready.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        self._end.callback(reader.join, 20)
        self._end.callback(process.wait, 20)
        self._end.callback(process.kill)

    def _begin_here(self, kill: Callable[[Component], object]) -> None:
        go_on = threading.Event()
        component = begin(self._plan, self._say, go_on)
        self._end.callback(component.close)
        self._end.callback(go_on.set)
        self._end.callback(kill, component)


def begin(plan: Mapping[str, Any], say: Callable[..., None], go_on: threading.Event) -> Component:
    """
    Start the component of a plan; it says when it is ready, and what comes.
    """
    component = Component(plan["name"], plan["url"], close_timeout=0.2, **plan["settings"])
    if plan["will"] is not None:
        component.will(**plan["will"])
    for room, group in plan["rooms"].items():

        def take(message: Any) -> None:
            say("came", message.data)
            go_on.wait()

        component.on(room, group=group)(take)
    component.start()
    say("ready")
    return component


def tell(word: str, data: Any = None) -> None:
    """
    Say something to the process that will kill this one.
    """
    print(json.dumps([word, data]), flush=True)  # noqa: T201  it is read by the test


def main() -> None:
    """
    Be the victim, in a process of its own.
    """
    until_killed = threading.Event()
    begin(json.loads(sys.argv[1]), tell, until_killed)
    until_killed.wait()
