"""Measure swergio beside a bare relay, in alternation, and print ratios of the same run.

python -m benchmarks [--repeat 5] [--count 300000] [--wire ws --wire zmq+ipc --wire redis] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
from contextlib import ExitStack
from importlib.metadata import version
from itertools import product
from typing import Any, Self

DEADLINE = 120


class Role:
    """
    One process of a measurement.
    """

    def __init__(self, name: str, core: int | None, **arguments: Any) -> None:
        command = [sys.executable, "-m", "benchmarks.roles", name, json.dumps(arguments)]
        if core is not None and hasattr(os, "sched_setaffinity"):
            command = ["taskset", "-c", str(core), *command]
        self.name = name
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        try:
            self._process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def read(self) -> dict[str, Any]:
        """
        Return what the process says next.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended without a result")
        result: dict[str, Any] = json.loads(line)
        return result

    def go(self) -> None:
        """
        Have it begin, or end.
        """
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()


LISTEN = {
    "ws": "ws://127.0.0.1:0",
    "zmq+tcp": "zmq+tcp://127.0.0.1:0",
    "zmq+ipc": "zmq+ipc:///tmp/swergio-{}.sock",
    "redis": "",
    "redis?recovery=off": "?recovery=off",
}


def hub_of(kind: str, loop: str, wire: str) -> tuple[str, dict[str, str]]:
    """
    Return the role of the hub, or of the broker, of a measurement, and what it takes.
    """
    if kind != "swergio":
        return f"{kind}_hub", {"loop": loop}
    role = "redis_hub" if wire.startswith("redis") else "swergio_hub"
    return role, {"loop": loop, "listen": LISTEN[wire].format(os.getpid())}


def throughput(kind: str, count: int, size: int, loop: str, wire: str) -> dict[str, float]:
    """
    Measure messages a second from one sender through a hub to one receiver, and the CPU that each costs.
    """
    own = {} if kind == "swergio" else {"loop": loop}
    with ExitStack() as stack:
        name, how = hub_of(kind, loop, wire)
        hub = stack.enter_context(Role(name, None, **how))
        url = hub.read()["url"]
        receiver = stack.enter_context(Role(f"{kind}_receiver", None, url=url, count=count, **own))
        receiver.read()
        sender = stack.enter_context(Role(f"{kind}_sender", None, url=url, count=count, size=size, **own))
        sender.read()
        hub.go()
        sender.go()
        received, sent = receiver.read(), sender.read()
        hub.go()
        spent = [sent["cpu"], hub.read()["cpu"] / count, received["cpu"]]
    if received["wrong"]:
        raise SystemExit(f"{kind}: {received['wrong']} of {count} messages lost, repeated or out of order: no result")
    return {
        "rate": received["rate"],
        "cpu": sum(spent) * 1e6,
        **dict(zip(["sender", "hub", "receiver"], spent, strict=True)),
    }


def round_trip(kind: str, count: int, size: int, loop: str, face: str, core: int | None, wire: str) -> dict[str, float]:
    """
    Measure request and reply, one at a time, in microseconds.
    """
    own = {"face": face} if kind == "swergio" else {}
    with ExitStack() as stack:
        name, how = hub_of(kind, loop, wire)
        hub = stack.enter_context(Role(name, core, **how))
        url = hub.read()["url"]
        stack.enter_context(Role(f"{kind}_echo", core, url=url, loop=loop, **own)).read()
        asker = stack.enter_context(Role(f"{kind}_asker", core, url=url, count=count, size=size, loop=loop, **own))
        asker.read()
        asker.go()
        return asker.read()


def main() -> None:
    """
    Run everything and print a table.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, in alternation")
    parser.add_argument("--count", type=int, default=300_000, help="messages of a throughput run")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio", help="the loop of hubs and askers")
    parser.add_argument("--wire", choices=LISTEN, action="append", help="a transport of swergio; may be given again")
    parser.add_argument("--json", metavar="FILE", help="write every single figure there")
    options = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {}
    wires, loop = options.wire or ["ws"], options.loop
    relays = {"bare": "websockets"} | ({"zeromq": "pyzmq"} if any("zmq" in wire for wire in wires) else {})

    def note(name: str, result: dict[str, float]) -> None:
        runs.setdefault(name, []).append(result)
        print(f"  {name}: " + ", ".join(f"{key} {value:,.6g}" for key, value in result.items()), file=sys.stderr)

    for _ in range(options.repeat):
        for relay, library in relays.items():
            note(f"throughput, bare {library}", throughput(relay, options.count // 5, 128, loop, ""))
        for wire in wires:
            note(f"throughput, swergio {wire}", throughput("swergio", options.count, 128, loop, wire))
        for where, core in (("pinned", 0), ("unpinned", None)):
            for relay, library in relays.items():
                result = round_trip(relay, 3000, 64, loop, "async", core, "")
                note(f"round trip {where}, bare {library}", result)
            for wire, face in product(wires, ("async", "plain")):
                result = round_trip("swergio", 3000, 64, loop, face, core, wire)
                note(f"round trip {where}, swergio {wire} {face}", result)
    print(report(runs, options.loop))
    if options.json:
        with pathlib.Path(options.json).open("w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "loop": options.loop, "runs": runs}, file, indent=2)


def machine() -> str:
    """
    Say what this was measured on.
    """
    packages = ", ".join(f"{name} {version(name)}" for name in ("websockets", "pyzmq", "msgpack"))
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {system}, {packages}"


def report(runs: dict[str, list[dict[str, float]]], loop: str) -> str:
    """
    Return the table as Markdown: medians, spread, and the ratio to the bare relay.
    """
    lines = [f"{machine()}, {loop}; medians of {len(next(iter(runs.values())))} alternating runs", ""]
    lines += ["| | median | spread | to a bare relay of websockets |", "|---|---|---|---|"]
    for name, results in runs.items():
        key, unit = ("rate", "messages/s") if name.startswith("throughput") else ("p50", "µs")
        values = [result[key] for result in results]
        workload = name.partition(",")[0]
        base = statistics.median(result[key] for result in runs[f"{workload}, bare websockets"])
        median = statistics.median(values)
        lines.append(f"| {name} | {median:,.0f} {unit} | {min(values):,.0f}-{max(values):,.0f} | {median / base:.2f} |")
        if key == "rate":
            spent = statistics.median(result["cpu"] for result in results)
            lines.append(f"| {name}, CPU per message | {spent:.2f} µs | | |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
