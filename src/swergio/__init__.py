"""
Direct feedback between the components of a machine-learning process: data forward, gradients and rewards back.
"""

import typing

from swergio.alerting import Alert
from swergio.component import Component
from swergio.errors import (
    AccessRefused,
    AmbiguousProcess,
    Backlog,
    CheckpointFailed,
    ComponentClosed,
    ComponentFailed,
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

if typing.TYPE_CHECKING:
    from swergio.swarm import Swarm

__all__ = [
    "AccessRefused",
    "Alert",
    "AmbiguousProcess",
    "Backlog",
    "CheckpointFailed",
    "Component",
    "ComponentClosed",
    "ComponentFailed",
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
    "Swarm",
    "SwergioError",
    "UnknownScheme",
    "UnsupportedBody",
    "UsedAfterFork",
]

if not typing.TYPE_CHECKING:  # a checker that knew of it would take any name for one of this module

    def __getattr__(name: str) -> typing.Any:
        # What starts programs imports pydantic, which takes longer than all of this, and few components need it.
        if name == "Swarm":
            from swergio.swarm import Swarm

            return Swarm
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
