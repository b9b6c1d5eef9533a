"""Environments of Gymnasium in rooms: `serve` puts one into a room, `RemoteEnv` uses it from another program.

Observations, actions and spaces travel as data, never pickled. ``swergio.gymnasium.calls`` says what is on the wire.
"""

from swergio.gymnasium.calls import EnvironmentLost, EnvironmentsBusy
from swergio.gymnasium.remote import RemoteEnv
from swergio.gymnasium.serving import Service, serve
from swergio.gymnasium.vector import RemoteVectorEnv

__all__ = ["EnvironmentLost", "EnvironmentsBusy", "RemoteEnv", "RemoteVectorEnv", "Service", "serve"]
