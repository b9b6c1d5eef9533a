"""Every error that swergio raises, in one tree.

The type says whose doing it was; a builtin is the second base where callers would catch it::

    SwergioError
    ├── ConfigurationError (ValueError)        what you configured or named
    │   ├── InvalidName
    │   ├── MissingExtra (ImportError)
    │   └── UnknownScheme (LookupError)
    ├── UnsupportedBody (TypeError)            what you sent
    ├── MessageTooLarge (ValueError)
    ├── Backlog (TimeoutError)                 the room did not take it in time
    ├── ComponentClosed (RuntimeError)         you closed it
    ├── UsedAfterFork (RuntimeError)
    ├── ComponentFailed (RuntimeError)         a program that you had started
    ├── ConnectFailed (ConnectionError)        the other end is not there, or does not want you
    │   ├── AccessRefused (PermissionError)
    │   ├── IncompatiblePeer
    │   └── NameTaken
    ├── RequestError                           your request
    │   ├── NoMembers (LookupError)
    │   ├── RequestTimeout (TimeoutError)
    │   └── HandlerFailed                      their reply
    ├── PassError                              a feedback pass
    │   ├── PassFailed
    │   ├── PassTimeout (TimeoutError)
    │   └── AmbiguousProcess
    ├── CheckpointFailed                       what is kept on disk
    ├── CorruptBody (ValueError)               what a peer sent
    └── ProtocolError

Errors carry fields, and ``str()`` writes the sentence: the value at fault, what was expected, and what to do.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any


class SwergioError(Exception):
    """
    Base of every error of swergio.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # OSError and ImportError rebuild themselves from positional arguments that a dataclass does not keep.
        if dataclasses.is_dataclass(self):
            return type(self), tuple(getattr(self, f.name) for f in dataclasses.fields(self))
        return super().__reduce__()  # type: ignore[return-value]


@dataclass(eq=False)
class ConfigurationError(SwergioError, ValueError):
    """
    A setting, URL or argument is wrong.
    """

    problem: str
    expected: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        parts = [self.problem]
        if self.expected:
            parts.append(f"expected {self.expected}")
        return "; ".join(parts) + (f". {self.remedy}" if self.remedy else "")


@dataclass(eq=False)
class InvalidName(ConfigurationError):
    """
    A room or component name that cannot be used.
    """


@dataclass(eq=False)
class MissingExtra(ConfigurationError, ImportError):
    """
    A feature needs packages that are not installed.
    """


@dataclass(eq=False)
class UnknownScheme(ConfigurationError, LookupError):
    """
    No installed transport claims the scheme of a URL.
    """


@dataclass(eq=False)
class UnsupportedBody(SwergioError, TypeError):
    """
    A value that cannot travel, found at ``path`` inside what was sent.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return (
            f"cannot send {self.path}: {self.reason}. A body may hold None, bool, int (64 bits), float, str, bytes, "
            "list, tuple, dict, aware datetime and arrays; convert the value before sending it"
        )


@dataclass(eq=False)
class MessageTooLarge(SwergioError, ValueError):
    """
    A message above the size limit; nothing of it was sent.
    """

    size: int
    limit: int
    remedy: str = "raise 'max_message' on the component and on the hub, or send it in parts"

    def __str__(self) -> str:
        return f"this message takes {self.size:,} bytes and the limit is {self.limit:,}: {self.remedy}"


@dataclass(eq=False)
class Backlog(SwergioError, TimeoutError):
    """
    The outbox for one destination stayed full for ``seconds``; the message was not queued.

    ``member`` is the instance that holds the room back, as far as the transport knows it.
    """

    room: str
    member: str | None
    seconds: float

    def __str__(self) -> str:
        who = f"its slowest member is {self.member}" if self.member else "nothing is taken from it"
        return (
            f"the outbox for room {self.room!r} was full for {self.seconds:g} s ({who}): send less often, "
            "make that member quicker or lossy, or raise 'send_timeout' or 'outbox_limit'"
        )


@dataclass(eq=False)
class ComponentClosed(SwergioError, RuntimeError):
    """
    The component is closed, or was never started.
    """

    name: str
    action: str
    started: bool = True

    def __str__(self) -> str:
        why = "it is closed" if self.started else "it was not started: use 'with', start() or run()"
        return f"component {self.name!r} cannot {self.action}: {why}"


@dataclass(eq=False)
class UsedAfterFork(SwergioError, RuntimeError):
    """
    A component of the parent process was used in a forked child.
    """

    name: str
    parent: int
    child: int

    def __str__(self) -> str:
        return (
            f"component {self.name!r} belongs to process {self.parent} and this is its fork {self.child}: "
            "create a component of its own in each process, or start processes with 'spawn'"
        )


@dataclass(eq=False)
class ComponentFailed(SwergioError, RuntimeError):
    """
    A component of a swarm could not be started, did not become ready, or ended with an error.

    ``said`` is the last line that it printed.
    """

    name: str
    reason: str
    said: str = ""

    def __str__(self) -> str:
        return f"component {self.name!r} {self.reason}" + (f"; the last it said: {self.said}" if self.said else "")


@dataclass(eq=False)
class ConnectFailed(SwergioError, ConnectionError):
    """
    The deployment could not be reached, or the connection cannot come back.
    """

    url: str
    reason: str

    def __str__(self) -> str:
        return f"cannot connect to {self.url}: {self.reason}"


@dataclass(eq=False)
class AccessRefused(ConnectFailed, PermissionError):
    """
    The deployment does not accept this token, or not for this. Not tried again.
    """


@dataclass(eq=False)
class IncompatiblePeer(ConnectFailed):
    """
    The other end speaks another version of the protocol. Not tried again.
    """


@dataclass(eq=False)
class NameTaken(ConnectFailed):
    """
    A component asked to be the only one of its name, and another is there. Not tried again.
    """


class RequestError(SwergioError):
    """
    Base of what can go wrong with a request.
    """


@dataclass(eq=False)
class NoMembers(RequestError, LookupError):
    """
    Nobody who could answer was in the room until the deadline.
    """

    room: str
    seconds: float

    def __str__(self) -> str:
        return f"room {self.room!r} had no member to answer within {self.seconds:g} s: is the other component running?"


@dataclass(eq=False)
class RequestTimeout(RequestError, TimeoutError):
    """
    Not enough replies came before the deadline.

    ``missing`` names the instances that were asked and stayed silent, as far as they are known.
    """

    room: str
    seconds: float
    received: int = 0
    wanted: int = 1
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.received} of {self.wanted} replies in {self.room!r} after {self.seconds:g} s"
        return text + (f"; missing {', '.join(self.missing)}" if self.missing else "")


@dataclass(eq=False)
class HandlerFailed(RequestError):
    """
    The handler that should have answered raised an exception.
    """

    room: str
    sender: str
    error: str

    def __str__(self) -> str:
        return f"{self.sender} failed to answer in {self.room!r}: {self.error}"


class PassError(SwergioError):
    """
    Base of what can go wrong with a feedback pass.
    """


@dataclass(eq=False)
class PassFailed(PassError):
    """
    A component on the way raised, left, or kept the pass from being completed.

    ``missing`` names the instances whose feedback will not come.
    """

    room: str
    reason: str
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"the pass through {self.room!r} failed: {self.reason}"
        return text + (f" (missing {', '.join(self.missing)})" if self.missing else "")


@dataclass(eq=False)
class PassTimeout(PassError, TimeoutError):
    """
    A pass was not complete before its deadline.

    ``waiting`` names the instances whose message or feedback had not come, as far as they are known.
    """

    room: str
    waited_for: str
    seconds: float
    waiting: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"no {self.waited_for} in {self.room!r} after {self.seconds:g} s"
        return text + (f"; missing {', '.join(self.waiting)}" if self.waiting else "")


@dataclass(eq=False)
class AmbiguousProcess(PassError):
    """
    Two components answered one pass in the sink of a process.
    """

    room: str
    producers: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return (
            f"{' and '.join(self.producers)} both produced the result of one pass in {self.room!r}: "
            "say combine='first', 'sum' or 'mean' (with producers=n), or end the process in a room of its own"
        )


@dataclass(eq=False)
class CheckpointFailed(SwergioError):
    """
    A checkpoint could not be saved, or what was saved cannot be loaded.

    ``action`` is ``"saved"`` or ``"loaded"``.
    """

    path: str
    action: str
    reason: str

    def __str__(self) -> str:
        text = f"the checkpoint {self.path!r} cannot be {self.action}: {self.reason}"
        if self.action == "saved":
            return f"{text}. The one before is still there"
        return f"{text}. Put a whole one in its place, or move it away to begin from the start"


@dataclass(eq=False)
class CorruptBody(SwergioError, ValueError):
    """
    A received body that cannot be decoded; other messages are not affected.
    """

    message: str
    reason: str

    def __str__(self) -> str:
        return f"the body of message {self.message} cannot be decoded: {self.reason}"


@dataclass(eq=False)
class ProtocolError(SwergioError):
    """
    A peer sent bytes that are not this protocol. It costs that peer its connection.
    """

    reason: str

    def __str__(self) -> str:
        return f"malformed input: {self.reason}"
