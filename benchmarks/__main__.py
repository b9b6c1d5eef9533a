"""Measure swergio beside a bare relay, in alternation, and print ratios of the same run.

python -m benchmarks [--repeat 5] [--count 300000] [--wire zmq+ipc] [--json FILE]
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


LISTEN = {"ws": "ws://127.0.0.1:0", "zmq+tcp": "zmq+tcp://127.0.0.1:0", "zmq+ipc": "zmq+ipc:///tmp/swergio-{}.sock"}


def hub_of(kind: str, loop: str, wire: str) -> dict[str, str]:
    """
    Return what the hub of a measurement takes; a bare relay over ZeroMQ is always on a Unix socket.
    """
    listen = LISTEN[wire].format(os.getpid())
    return {"loop": loop, "listen": listen} if kind == "swergio" else {"loop": loop}


def throughput(kind: str, count: int, size: int, loop: str, wire: str) -> dict[str, float]:
    """
    Measure messages a second from one sender through a hub to one receiver, and the CPU that each costs.
    """
    own = {} if kind == "swergio" else {"loop": loop}
    with ExitStack() as stack:
        hub = stack.enter_context(Role(f"{kind}_hub", None, **hub_of(kind, loop, wire)))
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
        hub = stack.enter_context(Role(f"{kind}_hub", core, **hub_of(kind, loop, wire)))
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
    parser.add_argument("--wire", choices=LISTEN, default="ws", help="how swergio's components reach their hub")
    parser.add_argument("--json", metavar="FILE", help="write every single figure there")
    options = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {}
    bare, loop, wire = "bare" if options.wire == "ws" else "zeromq", options.loop, options.wire

    def note(name: str, result: dict[str, float]) -> None:
        runs.setdefault(name, []).append(result)
        print(f"  {name}: " + ", ".join(f"{key} {value:,.6g}" for key, value in result.items()), file=sys.stderr)

    for _ in range(options.repeat):
        bare_count = options.count // 5
        note("throughput bare", throughput(bare, bare_count, 128, loop, wire))
        note("throughput swergio", throughput("swergio", options.count, 128, loop, wire))
        for where, core in (("pinned", 0), ("unpinned", None)):
            note(f"round trip {where} bare", round_trip(bare, 3000, 64, loop, "async", core, wire))
            for face in ("async", "plain"):
                result = round_trip("swergio", 3000, 64, loop, face, core, wire)
                note(f"round trip {where} swergio {face}", result)
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
    lines += ["| | median | spread | to the bare relay |", "|---|---|---|---|"]
    for name, results in runs.items():
        key, unit = ("rate", "messages/s") if name.startswith("throughput") else ("p50", "µs")
        values = [result[key] for result in results]
        workload = name.removesuffix(" bare").partition(" swergio")[0]
        base = statistics.median(result[key] for result in runs[f"{workload} bare"])
        median = statistics.median(values)
        lines.append(f"| {name} | {median:,.0f} {unit} | {min(values):,.0f}-{max(values):,.0f} | {median / base:.2f} |")
        if key == "rate":
            spent = statistics.median(result["cpu"] for result in results)
            lines.append(f"| {name}, CPU per message | {spent:.2f} µs | | |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
