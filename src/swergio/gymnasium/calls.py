"""What a client and a worker say to each other about an environment.

A *worker* is a component that serves environments; it shares the room with others as a group. A client opens a
*session*: an environment of its own, at one worker. All are requests in the room, by their type; all but the first two
go to the worker's instance.

===============  ==================================  ==================================================================
type             data                                reply
===============  ==================================  ==================================================================
``ENV/HELLO``    None                                ``{"worker": instance, "group": name}``
``ENV/OPEN``     ``[session, render_mode or None]``  a dict: ``worker``, ``observation_space``, ``action_space``,
                                                     ``metadata``, ``render_mode``, ``spec`` (a dict or None)
``ENV/RESET``    ``[session, seed, options]``        ``[observation, info]``
``ENV/STEP``     ``[session, action]``               ``[observation, reward, terminated, truncated, info]``
``ENV/RENDER``   ``[session]``                       what the environment rendered
``ENV/CLOSE``    ``[session]``                       None
===============  ==================================  ==================================================================

The client makes the session's id up. Any of them may be refused: ``{"refused": why, "text": a sentence}``, where *why*
is ``"full"`` (as many are open as the worker allows) or ``"unknown"`` (there is no such session, or no more). An
exception of the environment is the failure of the request.

A client is in the room ``<room>/clients`` while it has sessions, and a worker ends those of whoever leaves it: closed,
or killed and given up by the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swergio.errors import ProtocolError, RequestError
from swergio.gymnasium.spaces import build
from swergio.gymnasium.values import own, unpack

if TYPE_CHECKING:
    from gymnasium import Space

HELLO, OPEN, RESET, STEP, RENDER, CLOSE = (
    f"ENV/{call}" for call in ("HELLO", "OPEN", "RESET", "STEP", "RENDER", "CLOSE")
)


@dataclass(eq=False)
class EnvironmentLost(RequestError):
    """
    A far environment is gone, and with it the episode: its worker has left, or has ended the session.
    """

    room: str
    worker: str
    reason: str

    def __str__(self) -> str:
        return (
            f"the environment of {self.worker} in {self.room!r} is gone: {self.reason}. "
            "Call reset() to begin an episode with another one"
        )


@dataclass(eq=False)
class EnvironmentsBusy(RequestError):
    """
    No worker of a room has an environment to spare.
    """

    room: str
    reason: str

    def __str__(self) -> str:
        return (
            f"no environment in {self.room!r} is free: {self.reason}. "
            "Close some, start another worker, or raise serve(limit=...)"
        )


def clients_room(room: str) -> str:
    """
    Return the room whose members have sessions in ``room``.
    """
    return f"{room}/clients"


@dataclass(frozen=True, slots=True)
class Session:
    """
    An environment at a worker, as its client knows it.
    """

    room: str
    id: str
    worker: str
    observation_space: Space[Any]
    action_space: Space[Any]
    metadata: Mapping[str, Any]
    render_mode: str | None
    spec: Mapping[str, Any] | None

    def lost(self, reason: str) -> EnvironmentLost:
        """
        Say that it is gone.
        """
        return EnvironmentLost(self.room, self.worker, reason)

    def check(self, answer: Any) -> Any:
        """
        Return an answer, unless it is a refusal.

        Raises:
            EnvironmentLost: it is.
        """
        if (text := refusal(answer)) is not None:
            raise self.lost(text)
        return answer

    def observed(self, answer: Any) -> tuple[Any, dict[str, Any]]:
        """
        Read the answer to a reset.
        """
        observation, info = _items(answer, 2)
        return self._observation(observation), own(info)

    def stepped(self, answer: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """
        Read the answer to a step.
        """
        observation, reward, terminated, truncated, info = _items(answer, 5)
        return self._observation(observation), float(reward), bool(terminated), bool(truncated), own(info)

    def _observation(self, data: Any) -> Any:
        return unpack(self.observation_space, data, "observation")


def opened(room: str, id: str, answer: Any) -> Session:
    """
    Read the answer to an opening that was not refused.

    Raises:
        ProtocolError: it is none.
    """
    try:
        worker, metadata = answer["worker"], answer["metadata"]
        render_mode, spec = answer["render_mode"], answer["spec"]
        observations, actions = build(answer["observation_space"]), build(answer["action_space"])
    except (TypeError, LookupError) as exc:
        raise ProtocolError(f"an environment in {room!r} that says of itself {answer!r:.200}") from exc
    return Session(room, id, worker, observations, actions, metadata, render_mode, spec)


def refusal(answer: Any) -> str | None:
    """
    Return why a request was refused, None if it was not.
    """
    return str(answer["text"]) if isinstance(answer, dict) and "refused" in answer else None


def _items(answer: Any, count: int) -> list[Any]:
    if not isinstance(answer, list) or len(answer) != count or not isinstance(answer[-1], dict):
        raise ProtocolError(f"an environment that answers {answer!r:.200}, and not {count} items, the last a dict")
    return answer
