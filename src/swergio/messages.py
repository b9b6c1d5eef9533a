"""Messages, their types and phases, and the names that rooms and components may have."""

from __future__ import annotations

import secrets
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from swergio.errors import InvalidName

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_NAME_BYTES = 128
MAX_INSTANCE = 32


class MessageType(StrEnum):
    """
    The message types that swergio knows. An application may use any other non-empty text as a type.

    The ids are those of swergio 0.0.2; ``DATA/LABEL``, ``LOG/STATS`` and ``LOG/ALERT`` came later.
    """

    FORWARD = "DATA/FORWARD"
    GRADIENT = "DATA/GRADIENT"
    REWARD = "DATA/REWARD"
    LABEL = "DATA/LABEL"
    TEXT = "DATA/TEXT"
    CUSTOM = "DATA/CUSTOM"

    REGISTER = "COMMAND/REGISTER"
    DISCONNECT = "COMMAND/DISCONNECT"
    JOIN_ROOM = "COMMAND/JOINROOM"
    LEAVE_ROOM = "COMMAND/LEAVEROOM"
    ENABLE_LOGGING = "COMMAND/ENABLELOGGING"
    DISABLE_LOGGING = "COMMAND/DISABLELOGGING"
    SAVE_MODEL_WEIGHTS = "COMMAND/SAVEMODELWEIGHTS"
    LOAD_MODEL_WEIGHTS = "COMMAND/LOADMODELWEIGHTS"
    SAVE_SETTINGS = "COMMAND/SAVESETTINGS"
    LOAD_SETTINGS = "COMMAND/LOADSETTINGS"
    COMMAND_CUSTOM = "COMMAND/CUSTOM"

    LOG_MODEL_WEIGHTS = "LOG/MODELWEIGHTS"
    LOG_SETTINGS = "LOG/SETTINGS"
    LOG_MESSAGES = "LOG/MESSAGES"
    KPI = "LOG/KPI"
    RUN = "LOG/RUN"
    LOG_CUSTOM = "LOG/CUSTOM"
    STATS = "LOG/STATS"
    ALERT = "LOG/ALERT"


class Phase(IntEnum):
    """
    What a pass is for: whether the components that it goes through may learn from it.
    """

    TRAIN = 1
    VALIDATE = 2


class Kind(IntEnum):
    """
    How a message takes part in a conversation; decides where its receiver hands it.
    """

    MESSAGE = 0
    REQUEST = 1
    REPLY = 2
    FAILED_REPLY = 3
    FEEDBACK = 4
    FAILED_FEEDBACK = 5


class Instance(str):
    """
    The id of one running component: its name, ``#``, and a random part. A restart is a new instance.
    """

    __slots__ = ()

    @classmethod
    def of(cls, name: str) -> Instance:
        """
        Return a new id for a component called ``name``.
        """
        return cls(f"{name}#{secrets.token_hex(6)}")

    @property
    def name(self) -> str:
        """
        The component's name, shared by its replicas.
        """
        return self.partition("#")[0]


def check_name(value: object, what: str) -> str:
    """
    Return ``value`` if it can name a ``what`` ("room" or "component").

    Raises:
        InvalidName: it is not text, empty, longer than 128 bytes, or has characters that no name may have.
    """
    remedy = f"Give the {what} another name"
    if not isinstance(value, str):
        raise InvalidName(f"a {what} is named by text, not by {value!r} ({type(value).__name__})", remedy=remedy)
    if not value or value != value.strip():
        raise InvalidName(f"{value!r} cannot name a {what}", "text that neither is empty nor begins or ends in space")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidName(f"{value!r} cannot name a {what}", "valid Unicode", remedy) from None
    if size > MAX_NAME_BYTES:
        raise InvalidName(f"the {what} name {value[:20]!r}… takes {size} bytes", f"at most {MAX_NAME_BYTES}", remedy)
    if not value.isprintable():
        raise InvalidName(f"{value!r} cannot name a {what}", "printable characters only", remedy)
    if what == "component" and "#" in value:
        raise InvalidName(f"{value!r} cannot name a component", "a name without '#', which begins an instance", remedy)
    return value


def is_suffix(text: str) -> bool:
    """
    Whether an instance can end so, behind its name and ``#``.
    """
    return text.isascii() and text.isalnum() and len(text) <= MAX_INSTANCE


def check_destination(room: object, to: object) -> None:
    """
    Check that a channel can lead to ``room``, or to the component or instance ``to``: one of the two.

    Raises:
        InvalidName: it cannot.
    """
    if (room is None) == (to is None):
        raise InvalidName(f"a channel to room {room!r} and component {to!r}", "one of the two")
    if to is None:
        check_name(room, "room")
        return
    name, mark, rest = to.partition("#") if isinstance(to, str) else (to, "", "")
    check_name(name, "component")
    if mark and not is_suffix(rest):
        raise InvalidName(f"{to!r} is no instance", f"a name, '#', and up to {MAX_INSTANCE} letters and digits")


def check_open_room(room: object) -> str:
    """
    Return ``room`` if an application may send to it: a good name that does not begin with ``_``.
    """
    name = check_name(room, "room")
    if name.startswith("_"):
        raise InvalidName(f"room {name!r} is reserved", "a name without a leading '_' (reserved rooms can be joined)")
    return name


class Delivery(Protocol):
    """
    The batch that a message came in, and the component that it came to: where a `Message` reads from.
    """

    room: str
    to: str | None
    type: str
    phase: Phase | None
    kind: Kind
    sender: Instance
    time: float
    attempt: int
    past: bool
    wants_feedback: bool

    def data(self, index: int) -> Any: ...
    def id(self, index: int) -> str: ...
    def root(self, index: int) -> str | None: ...
    def parent(self, index: int) -> str | None: ...
    def meta(self, index: int) -> Mapping[str, Any]: ...
    def reply(self, message: Message, data: Any) -> None: ...
    def feedback(self, message: Message, data: Any, type: str) -> None: ...


class Message:
    """
    One received message.

    Everything is read from the received bytes when it is asked for; a message that nobody looks at costs nothing.
    """

    __slots__ = ("_delivery", "_index")

    def __init__(self, delivery: Delivery, index: int) -> None:
        self._delivery = delivery
        self._index = index

    @property
    def data(self) -> Any:
        """
        The body. Tuples arrive as lists.

        Arrays are read-only views of the received bytes: copy one to change it, or to keep it without keeping the
        whole message in memory.

        Raises:
            CorruptBody: the sender's bytes cannot be decoded.
            MissingExtra: the body holds arrays and NumPy is not installed.
        """
        return self._delivery.data(self._index)

    @property
    def type(self) -> str:
        """
        What the message is, such as ``DATA/FORWARD``.
        """
        return self._delivery.type

    @property
    def room(self) -> str:
        """
        The room that it was sent to, or that its conversation belongs to if it came directly.
        """
        return self._delivery.room

    @property
    def to(self) -> str | None:
        """
        The component name or instance that it was addressed to, None for everyone in the room.
        """
        return self._delivery.to

    @property
    def sender(self) -> Instance:
        """
        The instance that sent it, as the transport knows it; ``sender.name`` is the component's name.
        """
        return self._delivery.sender

    @property
    def id(self) -> str:
        """
        Unique in the deployment: sender, number of its channel, number in the channel.
        """
        return self._delivery.id(self._index)

    @property
    def root(self) -> str:
        """
        The id of the first message of the pass or conversation; its own id if it began one.
        """
        return self._delivery.root(self._index) or self.id

    @property
    def parent(self) -> str | None:
        """
        The id of the message that this one answers or follows from, if any.
        """
        return self._delivery.parent(self._index)

    @property
    def phase(self) -> Phase | None:
        """
        `Phase.TRAIN` or `Phase.VALIDATE` inside a pass, else None.
        """
        return self._delivery.phase

    @property
    def kind(self) -> Kind:
        """
        Whether it is a plain message, a request, a reply or feedback.
        """
        return self._delivery.kind

    @property
    def meta(self) -> Mapping[str, Any]:
        """
        What the sender said about the message; handed on along a pass.
        """
        return self._delivery.meta(self._index)

    @property
    def time(self) -> float:
        """
        Seconds since the epoch by the sender's clock, when the batch that carried the message was begun.
        """
        return self._delivery.time

    @property
    def attempt(self) -> int:
        """
        0 for a first delivery; above that, how often the message was given to someone of the group before.

        Those may have handled it, and not said so before they left or died.
        """
        return self._delivery.attempt

    @property
    def past(self) -> bool:
        """
        Whether it was sent before this component joined the room: from its history, or as its kept value.
        """
        return self._delivery.past

    @property
    def wants_feedback(self) -> bool:
        """
        Whether the sender waits for feedback (a gradient, reward or label) on this message.
        """
        return self._delivery.wants_feedback

    def reply(self, data: Any) -> None:
        """
        Answer the sender. Queues and returns; a request takes the first reply only, ``None`` is one.

        If the message was no request, the reply reaches the sender's handlers as a direct message.

        Raises:
            UnsupportedBody, MessageTooLarge, ComponentClosed: as `Component.send`.
        """
        self._delivery.reply(self, data)

    def feedback(self, data: Any, type: str = MessageType.GRADIENT) -> None:
        """
        Send feedback on this message to the instance that sent it: same room, ``parent`` is this message's id.

        Args:
            data: The gradient (same shape as ``message.data``), reward or label.
            type: ``DATA/GRADIENT``, ``DATA/REWARD``, ``DATA/LABEL``, or a type of your own.
        """
        self._delivery.feedback(self, data, type)

    def __repr__(self) -> str:
        return f"<Message {self.type} {self.id} in {self.room!r}>"
