"""The far side: a component that has environments, one for each session of a client."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias

import gymnasium

from swergio.component import Component
from swergio.errors import ConfigurationError
from swergio.gymnasium.calls import CLOSE, HELLO, OPEN, RENDER, RESET, STEP, clients_room
from swergio.gymnasium.spaces import describe
from swergio.gymnasium.values import pack, unpack
from swergio.messages import Instance, Message
from swergio.presence import Presence

log = logging.getLogger("swergio.gymnasium")

Environment: TypeAlias = "gymnasium.Env[Any, Any]"
_SPEC = ("id", "reward_threshold", "nondeterministic", "max_episode_steps")


def serve(
    env: Environment | str | Callable[..., Environment],
    room: str,
    *,
    component: Component | None = None,
    url: str | None = None,
    group: str = "environments",
    limit: int = 16,
) -> Service:
    """
    Serve environments to a room, where `RemoteEnv` and `RemoteVectorEnv` find them.

    Each client has an environment of its own, which ends when it closes it, leaves, or is given up by the hub. They
    run on the handlers' thread of one component, one call at a time. Several programs that serve the same room share
    its clients.

    Args:
        env: What makes an environment: a function, or the id of one that is registered with Gymnasium. A function
            that takes ``render_mode`` is told what the client wants. An environment itself can be served too: to one
            client at a time, which is reset and not made anew for the next one.
        room: The room.
        component: Whose handlers serve; by default one of its own, called as the room is.
        url: The deployment of a component of its own.
        group: The group in which workers share the room.
        limit: How many environments there may be at a time; more clients are refused.

    Returns:
        What serves: ``serve(...).run()`` does so until Ctrl-C, a ``with`` block while it lasts.

    Raises:
        ConfigurationError: an argument is wrong.
        InvalidName: the room cannot be named so.
    """
    if limit < 1:
        raise ConfigurationError(f"limit={limit!r}", "a number of environments above 0")
    if component is not None and url is not None:
        raise ConfigurationError("both a component and a url", "one of the two", "A component knows its deployment")
    if isinstance(env, gymnasium.Env):
        return Service(lambda render_mode: env, room, component, url, group, 1, shared=env)
    return Service(_factory(env), room, component, url, group, limit)


def _factory(env: str | Callable[..., Environment]) -> Callable[[str | None], Environment]:
    if isinstance(env, str):
        try:
            gymnasium.spec(env)  # told here, and not when the first client comes
        except gymnasium.error.Error as exc:
            raise ConfigurationError(f"no environment is called {env!r} ({exc})", "an id that is registered") from exc
        return lambda render_mode: gymnasium.make(env, render_mode=render_mode)
    if not callable(env):
        raise ConfigurationError(f"an environment {env!r}", "a gymnasium.Env, its id, or a function that makes one")
    try:
        takes_mode = "render_mode" in inspect.signature(env).parameters
    except (TypeError, ValueError):
        takes_mode = False
    return (lambda render_mode: env(render_mode=render_mode)) if takes_mode else (lambda render_mode: env())


class _Session(NamedTuple):
    client: Instance
    env: Environment


class Service:
    """
    Environments that are served. Made by `serve`.

    Attributes:
        component: The component that serves them.
    """

    def __init__(
        self,
        make: Callable[[str | None], Environment],
        room: str,
        component: Component | None,
        url: str | None,
        group: str,
        limit: int,
        shared: Environment | None = None,
    ) -> None:
        self._room, self._group, self._limit = room, group, limit
        self._make, self._shared = make, shared
        self._sessions: dict[str, _Session] = {}
        self._owned = component is None
        self.component = component or Component(room, url)
        on = self.component.on
        self.component.on_presence(clients_room(room))(self._end_of_client)
        for type, handler in ((RESET, self._reset), (STEP, self._step), (RENDER, self._render), (CLOSE, self._close)):
            on(room, type, group=group)(handler)
        on(room, HELLO, group=group)(self._hello)
        on(room, OPEN, group=group)(self._open)

    @property
    def clients(self) -> list[Instance]:
        """
        Whose environments are open, in the order of their opening; once for each of them.
        """
        return [session.client for session in list(self._sessions.values())]

    def start(self) -> Self:
        """
        Start the component, unless that was done.

        Raises:
            ConnectFailed: there is no hub, or it refuses.
        """
        self.component.start()
        return self

    def run(self) -> None:
        """
        Serve on this thread until Ctrl-C, SIGTERM, or ``component.stop()``; then close.

        Raises:
            ConnectFailed: there is no hub, or it refuses.
        """
        try:
            self.component.run()
        finally:
            self.close()

    def close(self) -> None:
        """
        Close all environments, and the component if it is its own. Closing twice does nothing.
        """
        if self._owned:
            self.component.close()
        for id in list(self._sessions):
            self._end(id)
        if self._shared is not None:
            self._shared.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- handlers, on the thread of the handlers ------------------------------------------------------------------

    def _hello(self, message: Message) -> Any:
        return {"worker": self.component.instance, "group": self._group}

    def _open(self, message: Message) -> Any:
        id, render_mode = message.data
        if len(self._sessions) >= self._limit:
            return _refused("full", f"{self.component.instance} has {self._limit} open, which is its limit")
        # Without this, one that left while its opening was on its way would never be noticed to leave.
        if message.sender not in {member.instance for member in self.component.members(clients_room(self._room))}:
            return _refused("unknown", f"{message.sender} is not in {clients_room(self._room)!r}")
        env = self._make(render_mode)
        try:
            description = self._describe(env)
        except Exception:
            self._dispose(env)
            raise
        self._sessions[id] = _Session(message.sender, env)
        return description

    def _describe(self, env: Environment) -> dict[str, Any]:
        spec = env.spec
        return {
            "worker": self.component.instance,
            "observation_space": describe(env.observation_space),
            "action_space": describe(env.action_space),
            "metadata": _portable(env.metadata),
            "render_mode": env.render_mode,
            "spec": None if spec is None else {name: getattr(spec, name) for name in _SPEC},
        }

    def _reset(self, message: Message) -> Any:
        id, seed, options = message.data
        session = self._sessions.get(id)
        if session is None:
            return self._unknown(id)
        observation, info = session.env.reset(seed=seed, options=options)
        return [pack(session.env.observation_space, observation, "observation"), info]

    def _step(self, message: Message) -> Any:
        id, action = message.data
        session = self._sessions.get(id)
        if session is None:
            return self._unknown(id)
        env = session.env
        observation, reward, terminated, truncated, info = env.step(unpack(env.action_space, action, "action"))
        packed = pack(env.observation_space, observation, "observation")
        return [packed, float(reward), bool(terminated), bool(truncated), info]

    def _render(self, message: Message) -> Any:
        (id,) = message.data
        session = self._sessions.get(id)
        return self._unknown(id) if session is None else session.env.render()

    def _close(self, message: Message) -> None:
        (id,) = message.data
        self._end(id)

    def _end_of_client(self, change: Presence) -> None:
        if not change.joined:
            for id in [id for id, session in self._sessions.items() if session.client == change.instance]:
                self._end(id)

    def _unknown(self, id: str) -> Any:
        return _refused("unknown", f"{self.component.instance} has no session {id}, or has ended it")

    def _end(self, id: str) -> None:
        session = self._sessions.pop(id, None)
        if session is not None:
            self._dispose(session.env)

    def _dispose(self, env: Environment) -> None:
        if env is not self._shared:
            try:
                env.close()
            except Exception:
                log.exception("%s could not close an environment of %r", self.component.instance, self._room)


def _refused(why: str, text: str) -> dict[str, str]:
    return {"refused": why, "text": text}


def _portable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what of an environment's metadata is data. A window cannot be shown to a client, so it is no render mode.
    """
    told = {key: value for key, value in metadata.items() if _is_data(value)}
    told["render_modes"] = [mode for mode in metadata.get("render_modes") or () if mode != "human"]
    return told


def _is_data(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_data, value))
    return value is None or isinstance(value, bool | int | float | str)
