"""
Direct feedback between the components of a machine-learning process: data forward, gradients and rewards back.
"""

from swergio.alerting import Alert
from swergio.component import Component
from swergio.errors import (
    AccessRefused,
    AmbiguousProcess,
    Backlog,
    ComponentClosed,
    ConfigurationError,
    ConnectFailed,
    CorruptBody,
    HandlerFailed,
    IncompatiblePeer,
    InvalidName,
    MessageTooLarge,
    MissingExtra,
    NameTaken,
    NoMembers,
    PassError,
    PassFailed,
    PassTimeout,
    ProtocolError,
    RequestError,
    RequestTimeout,
    SwergioError,
    UnknownScheme,
    UnsupportedBody,
    UsedAfterFork,
)
from swergio.messages import Instance, Kind, Message, MessageType, Phase
from swergio.passes import Context
from swergio.presence import Presence
from swergio.stats import Stats
from swergio.transport import Guarantees, Loss, Member, Mode

__all__ = [
    "AccessRefused",
    "Alert",
    "AmbiguousProcess",
    "Backlog",
    "Component",
    "ComponentClosed",
    "ConfigurationError",
    "ConnectFailed",
    "Context",
    "CorruptBody",
    "Guarantees",
    "HandlerFailed",
    "IncompatiblePeer",
    "Instance",
    "InvalidName",
    "Kind",
    "Loss",
    "Member",
    "Message",
    "MessageTooLarge",
    "MessageType",
    "MissingExtra",
    "Mode",
    "NameTaken",
    "NoMembers",
    "PassError",
    "PassFailed",
    "PassTimeout",
    "Phase",
    "Presence",
    "ProtocolError",
    "RequestError",
    "RequestTimeout",
    "Stats",
    "SwergioError",
    "UnknownScheme",
    "UnsupportedBody",
    "UsedAfterFork",
]
