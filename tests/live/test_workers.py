"""
Workers that die in the middle of their work, again and again: everything is done, and what was begun before says so.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import Counter
from multiprocessing.process import BaseProcess
from typing import Any, Self

import pytest

import swergio
from swergio.testing import Inbox, eventually
from tests.live.deployments import deployed

pytestmark = pytest.mark.long

DEATHS = 100
WORKERS = 4
SETTINGS: dict[str, Any] = {"heartbeat": 0.2, "dead_after": 2.0, "hub": {"session_grace": 0.5}}


def work(url: str) -> None:
    """
    Handle jobs until one is deadly; runs in a process of its own.
    """
    worker = swergio.Component("worker", url, **SETTINGS)

    @worker.on("jobs", group="workers")
    def handle(message: swergio.Message) -> None:
        number, deadly = message.data
        if deadly and not message.attempt:
            os.kill(os.getpid(), signal.SIGKILL)
        worker.send("done", [number, message.attempt])

    worker.run()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("deployment", ["ws", "zmq+ipc", "redis"])
def test_a_hundred_workers_that_are_killed_in_mid_handler_lose_no_work(deployment: str) -> None:
    done = Inbox()
    with (
        deployed(deployment, **SETTINGS) as url,
        swergio.Component("boss", url, **SETTINGS) as boss,
        Staff(url) as staff,
    ):
        boss.on("done")(done.take_data)
        eventually(lambda: boss.members("jobs"), "a worker is there")
        jobs = keep_busy(boss, staff, done)
        eventually(lambda: len({number for number, _ in done.items}) == jobs, "all is done", 60)
    assert staff.deaths >= DEATHS
    first = Counter(number for number, attempt in done.items if not attempt)
    assert max(first.values()) == 1, "what was given out again does not say so"
    assert sum(1 for _, attempt in done.items if attempt) >= DEATHS


def keep_busy(boss: swergio.Component, staff: Staff, done: Inbox) -> int:
    """
    Send jobs, a few of them deadly, until a hundred workers have died; return how many.
    """
    jobs, deadly = 0, set[int]()
    while staff.deaths < DEATHS:
        for _ in range(10):
            boss.send("jobs", [jobs, jobs in deadly])
            jobs += 1
        deadly.difference_update(number for number, _ in done.items[-1000:])
        if len(deadly) < WORKERS:
            deadly.add(jobs + 5)
        assert staff.wait(0.01), "a worker ended otherwise than by being killed"
    return jobs


class Staff:
    """
    Four workers, each in a process of its own; another one is hired for each that dies.
    """

    def __init__(self, url: str) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["swergio.settings", __name__])
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._replace)
        self.deaths = 0
        self.odd: list[int | None] = []

    def wait(self, seconds: float) -> bool:
        """
        Let some time pass; false if a worker ended in another way than by SIGKILL.
        """
        self._stop.wait(seconds)
        return not self.odd

    def _hire(self) -> BaseProcess:
        worker = self._context.Process(target=work, args=(self._url,), daemon=True)
        worker.start()
        return worker

    def _replace(self) -> None:
        workers: list[BaseProcess] = [self._hire() for _ in range(WORKERS)]
        while not self._stop.is_set():
            gone = multiprocessing.connection.wait([worker.sentinel for worker in workers], 0.1)
            for place, worker in enumerate(workers):
                if worker.sentinel in gone:
                    worker.join()
                    self.deaths += 1
                    if worker.exitcode != -signal.SIGKILL:
                        self.odd.append(worker.exitcode)
                    workers[place] = self._hire()
        for worker in workers:
            worker.terminate()
            worker.join(20)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
