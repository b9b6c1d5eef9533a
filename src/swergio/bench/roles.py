"""
The roles of a measurement: receiver, sender, echo and asker, whoever carries their messages.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

from swergio.bench.clients import Awaited, Blocking, Place
from swergio.bench.counting import Tally, probe_of, ring_of
from swergio.bench.role import Orders, find, run_loop, say

PATIENCE = 0.05  # between looks at whether probes came


class Audience:
    """
    The members of one process that receives: has each of them count, and tells of all together.
    """

    def __init__(self, members: int, form: str, size: int, senders: int) -> None:
        self._senders = senders
        self._waiting = members
        self._lock = threading.Lock()
        self.tallies = [Tally(form, size, senders, self._finished) for _ in range(members)]
        self.orders = Orders(expect=self._expect, report=self._report, heard=self._tell_heard)

    def _expect(self, count: int) -> None:
        self._waiting = len(self.tallies)
        for tally in self.tallies:
            tally.expect(count)
        say(expecting=count)

    def _finished(self) -> None:
        ended = time.perf_counter()
        with self._lock:
            self._waiting -= 1
            last = not self._waiting
        if last:
            say(finished=True, ended=ended)

    def _tell_heard(self, _: Any) -> None:
        say(heard=min(len(tally.heard) for tally in self.tallies) == self._senders)

    def _report(self, _: Any) -> None:
        say(
            report=True,
            seen=sum(tally.seen for tally in self.tallies),
            lost=sum(tally.lost for tally in self.tallies),
            duplicated=sum(tally.duplicated for tally in self.tallies),
            reordered=sum(tally.reordered for tally in self.tallies),
        )


class Speech:
    """
    What one process that sends has to say, part by part.
    """

    def __init__(self, form: str, size: int, sender: int) -> None:
        self.probe = probe_of(form, size, sender)
        self._supply = cycle(ring_of(form, size, sender))

    def next(self, count: int) -> Iterator[Any]:
        """
        Return the next so many bodies.
        """
        return islice(self._supply, count)


class Question:
    """
    The times of requests, and whether their replies were theirs.
    """

    def __init__(self, form: str, size: int) -> None:
        self._supply = cycle(ring_of(form, size))
        self.wrong = 0
        self.times: list[float] = []

    def next(self, count: int) -> Iterator[Any]:
        """
        Return the next so many bodies; forgets the times of those before.
        """
        self.times, self.wrong = [], 0
        return islice(self._supply, count)

    def note(self, began: float, asked: Any, reply: Any) -> None:
        """
        Note a reply.
        """
        self.times.append(time.perf_counter() - began)
        self.wrong += reply != asked

    def tell(self) -> None:
        """
        Tell the times in microseconds.
        """
        cuts = statistics.quantiles(self.times, n=1000)
        told = {"p50": cuts[499], "p99": cuts[989], "p999": cuts[998]}
        say(asked=len(self.times), wrong=self.wrong, **{name: value * 1e6 for name, value in told.items()})


def receiver(client: str, place: list[Any], loop: str, form: str, size: int, senders: int, members: int) -> None:
    """
    Receive, as one member or as several.
    """
    make, audience = find(client), Audience(members, form, size, senders)
    if issubclass(make, Blocking):
        threads = [
            threading.Thread(target=make(Place(*place)).listen, args=[tally.take], daemon=True)
            for tally in audience.tallies[1:]
        ]
        for thread in threads:
            thread.start()
        first = make(Place(*place))
        say(ready=True)
        first.listen(audience.tallies[0].take)
        return

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for tally in audience.tallies:
                member = make(Place(*place))
                await member.connect()
                group.create_task(member.listen(tally.take))
            say(ready=True)

    run_loop(main, loop)


def sender(client: str, place: list[Any], loop: str, form: str, size: int, number: int) -> None:
    """
    Send as many as it is told, when it is told.
    """
    make, orders, speech = find(client), Orders(), Speech(form, size, number)
    if issubclass(make, Blocking):
        _send_plainly(make(Place(*place)), orders, speech)
    else:
        run_loop(lambda: _send(make(Place(*place)), orders, speech), loop)


def _send_plainly(client: Blocking, orders: Orders, speech: Speech) -> None:
    say(ready=True)
    while True:
        count = orders.next().get("send")
        began = time.perf_counter()
        client.send_all([speech.probe] if count is None else speech.next(count))
        client.flush()
        say(sent=count or 0, began=began)


async def _send(client: Awaited, orders: Orders, speech: Speech) -> None:
    await client.connect()
    say(ready=True)
    while True:
        count = (await orders.next_one()).get("send")
        began = time.perf_counter()
        await client.send_all([speech.probe] if count is None else speech.next(count))
        await client.flush()
        say(sent=count or 0, began=began)


def echo(client: str, place: list[Any], loop: str) -> None:
    """
    Send back what comes.
    """
    make = find(client)
    Orders()
    if issubclass(make, Blocking):
        plain: Blocking = make(Place(*place))
        say(ready=True)
        plain.echo()
        return

    async def main() -> None:
        awaited: Awaited = make(Place(*place))
        await awaited.connect()
        say(ready=True)
        await awaited.echo()

    run_loop(main, loop)


def asker(client: str, place: list[Any], loop: str, form: str, size: int) -> None:
    """
    Ask as often as it is told, one question at a time.
    """
    make, orders, question = find(client), Orders(), Question(form, size)
    if issubclass(make, Blocking):
        _ask_plainly(make(Place(*place)), orders, question)
    else:
        run_loop(lambda: _ask(make(Place(*place)), orders, question), loop)


def _ask_plainly(client: Blocking, orders: Orders, question: Question) -> None:
    say(ready=True)
    while True:
        for body in question.next(orders.next()["ask"]):
            began = time.perf_counter()
            question.note(began, body, client.ask(body))
        question.tell()


async def _ask(client: Awaited, orders: Orders, question: Question) -> None:
    await client.connect()
    say(ready=True)
    while True:
        for body in question.next((await orders.next_one())["ask"]):
            began = time.perf_counter()
            question.note(began, body, await client.ask(body))
        question.tell()
