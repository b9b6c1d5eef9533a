"""What a component tells of itself in the room ``_stats``: one small message a second, while somebody is there to read.

These dataclasses are the schema. A report travels as a map of their fields (nested ones too), in a message of the type
``LOG/STATS``; `read` takes one apart. Counters are totals since the component began, without the reports themselves:
what happens in a second is the difference of two reports, by the difference of their ``uptime``. Times are durations
in seconds and no clock readings, since the clocks of hosts differ.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from swergio.errors import ConfigurationError
from swergio.stats import Stats

if TYPE_CHECKING:
    from pydantic import TypeAdapter

STATS_ROOM = "_stats"
SCHEMA = 1
MAX_NODES = 64
MAX_OPEN = 16
MAX_ORPHANS = 8

WaitsFor = Literal["feedback", "product", "pullback"]


@dataclass(frozen=True, slots=True)
class NodeReport:
    """
    A node, or a process, of a component.

    Attributes:
        name: That of the forward function; of a process ``source → sink``.
        kind: Which of the two it is.
        sources, sink: Its rooms.
        open, closed, orphaned: Of the messages that the node sent on, or of the passes that the process began: on how
            many feedback is owed, how many have all of it, and how many were given up.
        p50, p99: Seconds, of the newest 256 that were closed while somebody listened; None if there are none. Of a
            node from sending on until feedback came, of a process how long its callers waited for a pass.
    """

    name: str
    kind: Literal["node", "process"]
    sources: tuple[str, ...]
    sink: str
    open: int
    closed: int
    orphaned: int
    p50: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class OpenReport:
    """
    A message that a component sent on, or began a pass with, and what it waits for.

    Attributes:
        root: The id of the pass: that of its first message.
        id: The id of the message.
        node: The name of the node or process.
        room: Where the message was sent.
        waits_for: ``feedback``, the ``product`` of a process, or the call of its ``pullback``.
        owing: Who is to answer: instances, and groups as ``*name``; empty if that is not known.
        got: How many feedback messages came.
        age: Seconds since it was sent; of a process, since its product came.
        left: Seconds until it is given up; None if whoever waits for it set no end.
    """

    root: str
    id: str
    node: str
    room: str
    waits_for: WaitsFor
    owing: tuple[str, ...]
    got: int
    age: float
    left: float | None


@dataclass(frozen=True, slots=True)
class OrphanReport:
    """
    A pass that ended without what it was for.

    Attributes:
        root, id, node, room: As of an open one.
        reason: Why.
        missing: Who did not answer, as far as it is known.
        ago: Seconds since it was given up.
    """

    root: str
    id: str
    node: str
    room: str
    reason: str
    missing: tuple[str, ...]
    ago: float


@dataclass(frozen=True, slots=True)
class PassesReport:
    """
    The passes of a component.

    Attributes:
        nodes: Its nodes and processes, 64 at most.
        count: How many messages feedback is owed on.
        open: The oldest 16 of them.
        orphans: The newest 8 that were given up.
    """

    nodes: tuple[NodeReport, ...] = ()
    count: int = 0
    open: tuple[OpenReport, ...] = ()
    orphans: tuple[OrphanReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """
    What a component tells of itself.

    Attributes:
        uptime: Seconds since it connected.
        interval: Seconds until the next report, roughly.
        counts: What it has counted (`swergio.Stats`), without its reports.
        handler_seconds: What its handlers took, since somebody began to listen.
        handling: For how many seconds the handler that is running now has been at its batch; 0 if none is.
        outbox: Messages that are sent and not acknowledged.
        waiting: Messages that wait for a handler, or are with one.
        passes: Its passes; None if it takes part in none.
        closing: It is the last report: the component was closed.
        schema: The version of this schema. Fields may be added to it.
    """

    uptime: float
    interval: float
    counts: Stats
    handler_seconds: float
    handling: float
    outbox: int
    waiting: int
    passes: PassesReport | None = None
    closing: bool = False
    schema: int = SCHEMA

    def to_body(self) -> dict[str, Any]:
        """
        Return it as it travels.
        """
        return asdict(self)


def read(data: object) -> Report:
    """
    Return the report that the data of a ``LOG/STATS`` message is. Fields that are not known are left out.

    Raises:
        ConfigurationError: it is none, or one of another schema.
    """
    from pydantic import ValidationError

    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        said = f"a report of the schema {schema!r}" if schema is not None else f"a {type(data).__name__} without schema"
        raise ConfigurationError(said, f"a report of the schema {SCHEMA}", "Upgrade whichever is older")
    try:
        return _adapter().validate_python(data)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"{where} of a report is {first['input']!r:.60}", first["msg"]) from exc


@cache
def _adapter() -> TypeAdapter[Report]:
    from pydantic import TypeAdapter  # 60 ms, which those who only send reports need not pay

    return TypeAdapter(Report)
