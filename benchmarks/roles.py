"""The programs that a measurement is made of, each a process of its own.

``python -m benchmarks.roles ROLE JSON`` runs one. A role prints a JSON line when it is ready, begins when a line comes
in on its standard input, and prints a JSON line with what it measured.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

WARM_UP = 0.1  # share of the messages that is sent before the clock starts


def say(**facts: Any) -> None:
    """
    Print one JSON line.
    """
    print(json.dumps(facts), flush=True)


def wait_for_go() -> None:
    """
    Return when the harness says so.
    """
    sys.stdin.readline()


def cpu() -> float:
    """
    Return the seconds of CPU that this process has used.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def bodies(count: int, size: int) -> Iterator[str]:
    """
    Yield numbered texts of ``size`` bytes.
    """
    filler = "x" * (size - 8)
    for number in range(count):
        yield f"{number:08d}{filler}"


class Counter:
    """
    Counts numbered messages, notices lost, repeated and reordered ones, and takes the time of the steady part.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.seen = 0
        self.wrong = 0
        self.done = threading.Event()
        self._next = 0
        self._warm = int(count * WARM_UP)

    def take(self, body: str | bytes) -> None:
        """
        Count one message.
        """
        number = int(body[:8])
        if number != self._next:
            self.wrong += 1
        self._next = number + 1
        self.seen += 1
        if self.seen == self._warm:
            self.began, self.cpu = time.perf_counter(), cpu()
        elif self.seen == self.count:
            self.ended = time.perf_counter()
            self.cpu = cpu() - self.cpu
            self.done.set()

    def result(self) -> dict[str, Any]:
        """
        Return what was measured.
        """
        steady = self.count - self._warm
        return {
            "rate": steady / (self.ended - self.began),
            "cpu": self.cpu / steady,
            "wrong": self.wrong + self.count - self.seen,
        }


@contextmanager
def measured_cpu(count: int) -> Iterator[Callable[[], float]]:
    """
    Yield a function that tells the CPU seconds per message since the block was entered.
    """
    before = cpu()
    yield lambda: (cpu() - before) / count


def percentiles(times: list[float]) -> dict[str, float]:
    """
    Return round-trip times in microseconds.
    """
    cuts = statistics.quantiles(times, n=1000)
    return {"p50": cuts[499] * 1e6, "p99": cuts[989] * 1e6, "p999": cuts[998] * 1e6}


# -- swergio ------------------------------------------------------------------------------------------------------


def swergio_hub(loop: str, listen: str) -> None:
    """
    A hub of its own.
    """
    from swergio.hub import Hub
    from swergio.settings import load

    async def main() -> None:
        hub = Hub(load())
        (url,) = await hub.start([listen])
        await serve_until_told(url)
        await hub.stop()

    run(main, loop)


def swergio_receiver(url: str, count: int) -> None:
    """
    Counts what comes in a room, in a plain handler.
    """
    import swergio

    counter = Counter(count)
    component = swergio.Component("receiver", url)

    @component.on("bench")
    def take(message: swergio.Message) -> None:
        counter.take(message.data)

    with component:
        say(ready=True)
        counter.done.wait()
        say(**counter.result())


def swergio_sender(url: str, count: int, size: int) -> None:
    """
    Sends as fast as it may.
    """
    import swergio

    with swergio.Component("sender", url) as component:
        say(ready=True)
        wait_for_go()
        send = component.send
        with measured_cpu(count) as spent:
            for body in bodies(count, size):
                send("bench", body)
            component.flush()
            say(cpu=spent())


def swergio_echo(url: str, face: str, loop: str) -> None:
    """
    Answers requests.
    """
    import swergio
    import swergio.asyncio

    if face == "plain":
        plain = swergio.Component("echo", url)
        plain.on("bench")(lambda message: message.data)
        with plain:
            say(ready=True)
            wait_for_go()
        return

    async def main() -> None:
        component = swergio.asyncio.Component("echo", url)

        @component.on("bench")
        async def answer(message: swergio.Message) -> Any:
            return message.data

        async with component:
            await serve_until_told(url)

    run(main, loop)


def swergio_asker(url: str, count: int, size: int, face: str, loop: str) -> None:
    """
    Asks, one question at a time.
    """
    import swergio
    import swergio.asyncio

    body = "x" * size
    times: list[float] = []
    if face == "plain":
        with swergio.Component("asker", url) as plain:
            say(ready=True)
            wait_for_go()
            for _ in range(count):
                began = time.perf_counter()
                plain.request("bench", body)
                times.append(time.perf_counter() - began)
        say(**percentiles(times[count // 10 :]))
        return

    async def main() -> None:
        async with swergio.asyncio.Component("asker", url) as component:
            say(ready=True)
            wait_for_go()
            for _ in range(count):
                began = time.perf_counter()
                await component.request("bench", body)
                times.append(time.perf_counter() - began)
        say(**percentiles(times[count // 10 :]))

    run(main, loop)


# -- a bare relay with the library websockets: no rooms, no acknowledgements, nothing recovered ----------------------


def bare_hub(loop: str) -> None:
    """
    Passes each message on to every other connection, one send a message.
    """
    from websockets.asyncio.server import ServerConnection, serve

    connections: set[ServerConnection] = set()

    async def relay(connection: ServerConnection) -> None:
        connections.add(connection)
        async for message in connection:
            for other in connections:
                if other is not connection:
                    await other.send(message)
        connections.discard(connection)

    async def main() -> None:
        async with serve(relay, "127.0.0.1", 0, compression=None, max_size=None, ping_interval=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            await serve_until_told(f"ws://127.0.0.1:{port}")

    run(main, loop)


def bare_receiver(url: str, count: int, loop: str) -> None:
    """
    Counts what comes.
    """
    from websockets.asyncio.client import connect

    counter = Counter(count)

    async def main() -> None:
        async with connect(url, compression=None, max_size=None, ping_interval=None, proxy=None) as connection:
            say(ready=True)
            while not counter.done.is_set():
                counter.take(await connection.recv())
        say(**counter.result())

    run(main, loop)


def bare_sender(url: str, count: int, size: int, loop: str) -> None:
    """
    Sends as fast as it may.
    """
    from websockets.asyncio.client import connect

    async def main() -> None:
        async with connect(url, compression=None, ping_interval=None, proxy=None) as connection:
            say(ready=True)
            wait_for_go()
            with measured_cpu(count) as spent:
                for body in bodies(count, size):
                    await connection.send(body)
                say(cpu=spent())

    run(main, loop)


def bare_echo(url: str, loop: str) -> None:
    """
    Sends back what comes.
    """
    from websockets.asyncio.client import connect

    async def main() -> None:
        async with connect(url, compression=None, ping_interval=None, proxy=None) as connection:
            say(ready=True)
            async for message in connection:
                await connection.send(message)

    run(main, loop)


def bare_asker(url: str, count: int, size: int, loop: str) -> None:
    """
    Sends, and waits for it to come back.
    """
    from websockets.asyncio.client import connect

    body = "x" * size
    times: list[float] = []

    async def main() -> None:
        async with connect(url, compression=None, ping_interval=None, proxy=None) as connection:
            say(ready=True)
            wait_for_go()
            for _ in range(count):
                began = time.perf_counter()
                await connection.send(body)
                await connection.recv()
                times.append(time.perf_counter() - began)
        say(**percentiles(times[count // 10 :]))

    run(main, loop)


# -- running ------------------------------------------------------------------------------------------------------


def run(main: Callable[[], Any], loop: str) -> None:
    """
    Run a coroutine function on asyncio's own loop or on uvloop.
    """
    if loop == "uvloop":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())


async def serve_until_told(url: str) -> None:
    """
    Say the URL, and return when a line or the end of standard input comes; then say the CPU that was used.
    """
    say(ready=True, url=url)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    before = cpu()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    say(cpu=cpu() - before)


if __name__ == "__main__":
    elsewhere = {"zeromq": "benchmarks.bare_zeromq", "redis": "benchmarks.redis_server"}
    module = elsewhere.get(sys.argv[1].partition("_")[0], __name__)
    getattr(importlib.import_module(module), sys.argv[1])(**json.loads(sys.argv[2]))
