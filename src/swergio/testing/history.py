"""A record of what every component sent and received, and the check of it."""

from __future__ import annotations

import heapq
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TextIO, get_args

from swergio.errors import ConfigurationError
from swergio.testing.checker import Choices, Event, Record, check
from swergio.testing.findings import Key, Report
from swergio.testing.seeds import environment_seed
from swergio.transport import Loss


class Watchable(Protocol):
    """
    What `History.watch` needs of a component; both faces of `swergio.Component` have it.
    """

    @property
    def name(self) -> str:
        """
        What it is called.
        """

    def on(self, room: str) -> Callable[[Callable[[Any], None]], object]:
        """
        Return what registers a function that is called with each message of a room.
        """

    def on_loss(self, function: Callable[[Loss], None]) -> object:
        """
        Register a function that is called with each loss.
        """


class History:
    """
    Records what components send and receive, and checks it against what they may rely on.

    Around a swarm of your own, with one line where a component is made and one where it sends::

        history = History()
        history.watch(forecaster, "features")                      # what comes there, and the losses it reports
        site.send("features", history.sent("site", "features"))    # a fresh key is the body
        ...
        history.check({"features": ["forecaster"]}).raise_if_bad()

    Anything else that sends and receives calls `sent` just before it sends and `received` when something came. A key
    tells the messages of a room apart; it travels in the message. All methods may be called from any thread.

    Processes record into files of their own, which are merged by time::

        history = History(folder / "site.jsonl")                     # in each process
        History.load(*folder.glob("*.jsonl")).check(...)             # in the test

    A file has one JSON object a line, so a component in any language can write one: ``event`` (``sent``,
    ``received``, ``gap``, ``joined``, ``left``), ``time`` (nanoseconds since 1970), ``who``, ``room``, then ``key``
    for ``sent`` and ``received``, and ``number``: the sender's own, the attempt, or how many are lost. Hosts whose
    clocks differ blur only which messages were sent before a member joined.

    Args:
        path: Write each record to this file as it happens, so that what a killed process did is kept.
        seed: Told by errors; by default ``SWERGIO_SEED``, if it is set.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, seed: int | None = None) -> None:
        self.seed = environment_seed() if seed is None else seed
        self._records: list[Record] = []
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        # Line by line, so that nothing waits in this process when it is killed.
        self._file: TextIO | None = None
        if path is not None:
            self._file = Path(path).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115  close() closes it

    # -- recording ------------------------------------------------------------------------------------------------

    def sent(self, sender: str, room: str, key: Key | None = None, number: int | None = None) -> Key:
        """
        Record a message that is about to be sent, and return its key.

        Args:
            sender: Who sends it; replicas and restarts need names of their own, such as their instance.
            room: Where to.
            key: What tells it apart in the room; by default a new one is made of sender and number.
            number: Its place among the sender's messages in the room; by default they are counted from 1 in the
                order of these calls. Needed only if several threads send as one sender.
        """
        with self._lock:
            self._numbers[sender, room] += 1
            if number is None:
                number = self._numbers[sender, room]
            key = f"{sender}-{number}" if key is None else _as_key(key)
            self._add("sent", sender, room, key, number)
        return key

    def received(self, receiver: str, room: str, key: Any, *, attempt: int = 0) -> None:
        """
        Record a message that came.

        Args:
            receiver: Who got it. What only one of a group gets, the group as a whole receives: give its name.
            room: Where it was sent.
            key: The key that it carried.
            attempt: ``message.attempt``: a message that says that it is another attempt counts as received, and
                neither as duplicated nor as reordered.
        """
        with self._lock:
            self._add("received", receiver, room, _as_key(key), attempt)

    def gap(self, receiver: str, room: str, count: int) -> None:
        """
        Record that a member itself reported ``count`` lost messages.
        """
        with self._lock:
            self._add("gap", receiver, room, None, count)

    def joined(self, member: str, room: str) -> None:
        """
        Record that a join has returned: what is sent from now on is owed to the member.

        Members without this mark are owed everything; what was sent earlier may come and need not.
        """
        with self._lock:
            self._add("joined", member, room, None, 0)

    def left(self, member: str, room: str) -> None:
        """
        Record that a member is about to leave; of each sender, nothing is owed behind the last message that came.

        Mark only members that leave while others go on: what a left member lacks at the end is no loss.
        """
        with self._lock:
            self._add("left", member, room, None, 0)

    def watch(
        self,
        component: Watchable,
        *rooms: str,
        name: str | None = None,
        key: Callable[[Any], Any] = lambda message: message.data,
    ) -> None:
        """
        Record all that a component receives in some rooms, and the losses that it reports there.

        Registers handlers with ``component.on(room)`` and ``component.on_loss``; messages of a type that the
        component has a handler of its own for do not come to ``on(room)``: that handler calls `received` itself.

        Args:
            component: An asyncio component, not yet connected, or a plain one.
            rooms: The rooms; the component joins them.
            name: What it is called in the history; by default its name. Replicas need names of their own.
            key: Finds the key in a message; by default the key is the body.
        """
        who = component.name if name is None else name

        def record(message: Any) -> None:
            self.received(who, message.room, key(message), attempt=message.attempt)

        def report(loss: Loss) -> None:
            if loss.room in rooms:
                self.gap(who, loss.room, loss.count)

        component.on_loss(report)
        for room in rooms:
            component.on(room)(record)

    def _add(self, event: Event, who: str, room: str, key: Key | None, number: int) -> None:
        record = Record(event, time.time_ns(), who, room, key, number)
        self._records.append(record)
        if self._file is not None:
            self._file.write(_as_line(record))

    # -- files ----------------------------------------------------------------------------------------------------

    def dump(self, path: str | os.PathLike[str]) -> None:
        """
        Write all records to a file, as JSON lines.
        """
        with self._lock, Path(path).open("w", encoding="utf-8") as file:
            file.writelines(map(_as_line, self._records))

    @classmethod
    def load(cls, *paths: str | os.PathLike[str], seed: int | None = None) -> Self:
        """
        Return one history of the records of several files, merged by time; the order of each file stays.

        Raises:
            ConfigurationError: a line is no record; names file and line.
        """
        history = cls(seed=seed)
        files = [list(_read(Path(path))) for path in paths]
        history._records = list(heapq.merge(*files, key=lambda record: record.time))
        return history

    def close(self) -> None:
        """
        Close the file that is written to, if there is one.
        """
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- checking -------------------------------------------------------------------------------------------------

    def check(
        self,
        members: Mapping[str, Collection[str]] | None = None,
        *,
        echo: Collection[str] = (),
        lossy: Collection[str] = (),
        unordered: Collection[str] = (),
    ) -> Report:
        """
        Check all that was recorded until now, and return what is wrong.

        Every message owed to a member has come, once, in the order of its sender, and in one order at all members
        of the room; nothing else has come; and every loss was reported by its component, with the right count.

        Args:
            members: Who should receive, by room. A room that is not named has those as members that joined or
                received there, so a member that got nothing would not be missed: name them.
            echo: Members that asked for their own messages; to others, those are not owed and must not come.
            lossy: Members that may lose messages, as long as they report how many.
            unordered: Members whose order does not matter, such as a group that shares work.

        Raises:
            ConfigurationError: two messages of a room have one key.
        """
        with self._lock:
            records = list(self._records)
        return check(records, members or {}, Choices(echo, lossy, unordered), self.seed)


def _as_key(key: Any) -> Key:
    """
    Return a key that can be compared and written; what came instead of one is told by its text.
    """
    if isinstance(key, (str, int)):
        return key
    return repr(key)


def _as_line(record: Record) -> str:
    fields = {name: value for name, value in record._asdict().items() if value is not None}
    return json.dumps(fields) + "\n"


def _as_record(line: str) -> Record:
    record = Record(**json.loads(line))
    if record.event not in get_args(Event):
        raise ValueError(f"event {record.event!r}")
    if (record.key is None) == (record.event in {"sent", "received"}):
        raise ValueError(f"key {record.key!r} with event {record.event!r}")
    return record


def _read(path: Path) -> Iterable[Record]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield _as_record(line)
            except (ValueError, TypeError) as exc:
                raise ConfigurationError(f"{path}, line {number}, is no record ({exc})", "what History writes") from exc
