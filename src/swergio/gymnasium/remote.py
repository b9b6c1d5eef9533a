"""The near side: an environment whose steps are taken in another program."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec

from swergio.component import Component
from swergio.errors import ConfigurationError, NoMembers, RequestTimeout, SwergioError
from swergio.gymnasium.calls import (
    CLOSE,
    OPEN,
    RENDER,
    RESET,
    STEP,
    EnvironmentLost,
    EnvironmentsBusy,
    Session,
    clients_room,
    opened,
    refusal,
)
from swergio.gymnasium.leaving import left
from swergio.gymnasium.values import own, pack
from swergio.messages import check_name
from swergio.transport import Mode

CLOSE_SECONDS = 5.0


class RemoteEnv(gymnasium.Env[Any, Any]):
    """
    An environment of a room that `serve` serves, for this client alone.

    Its spaces, metadata and render mode are those of the far environment, and so is what it returns: the same seed
    and actions give the same observations and rewards, exactly. Numbers in an info arrive as Python's. It is used from
    one thread at a time, as any environment.

    Args:
        room: The room.
        component: Who asks; by default a component of its own, called ``env-client``. One that is given must be
            started, and is not closed.
        url: The deployment of a component of its own.
        render_mode: As `gymnasium.make` takes it, if the far side makes environments for it; ``"human"`` is none, as a
            window would open where the worker is.
        timeout: Seconds that each call may take; by default the setting ``request_timeout``.

    Raises:
        NoMembers: nobody served the room until the deadline.
        EnvironmentsBusy: all environments of its workers are in use.
        HandlerFailed: the far side could not make one; it says why.
        RequestTimeout: a worker stayed silent.
    """

    def __init__(
        self,
        room: str,
        *,
        component: Component | None = None,
        url: str | None = None,
        render_mode: str | None = None,
        timeout: float | None = None,
    ) -> None:
        self._room = check_name(room, "room")
        _check(render_mode, component, url)
        self._wanted_mode = render_mode
        self._owned = component is None
        self._component = component or Component("env-client", url)
        self._left = left(self._component, room)
        if self._owned:
            self._component.start()
        self._timeout = timeout
        self._common: dict[str, Any] = {"component": component, "url": url, "timeout": timeout}
        self._closed = False
        self._session: Session | None = None
        try:
            self._component.join(clients_room(room), lossy=True)
            session = self._open()
        except BaseException:
            if self._owned:
                self._component.close()
            raise
        self._session = session
        self.observation_space, self.action_space = session.observation_space, session.action_space
        self.metadata = dict(session.metadata)
        self.render_mode = session.render_mode
        self.spec = self._specified(session)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """
        Begin an episode; after `EnvironmentLost` or `RequestTimeout`, in another environment of the room.

        Raises:
            EnvironmentLost: the worker left meanwhile.
            NoMembers, EnvironmentsBusy, HandlerFailed, RequestTimeout: as for the class.
        """
        super().reset(seed=seed)
        if self._session is None:
            self._session = self._again()
        return self._session.observed(self._ask(RESET, seed, options))

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """
        Take a step there.

        Raises:
            HandlerFailed: the environment raised; the error says what.
            EnvironmentLost: it is gone, as its worker has left or has given this client up.
            RequestTimeout: its worker stayed silent. Whether the step was taken is not known: `reset` begins anew.
        """
        answer = self._ask(STEP, pack(self.action_space, action, "action"))
        assert self._session is not None
        return self._session.stepped(answer)

    def render(self) -> Any:
        """
        Return what the environment renders there.

        Raises:
            HandlerFailed, EnvironmentLost, RequestTimeout: as `step`.
        """
        return own(self._ask(RENDER))

    def close(self) -> None:
        """
        End the environment there, and the component if it is its own. Closing twice does nothing.
        """
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(SwergioError):  # it ends anyway when this component leaves
            if self._session is not None:
                self._request(CLOSE, [self._session.id], to=self._session.worker, seconds=CLOSE_SECONDS)
        self._session = None
        if self._owned:
            self._component.close()

    # -- asking ---------------------------------------------------------------------------------------------------

    def _ask(self, type: str, *data: Any) -> Any:
        session = self._session
        if session is None:
            raise self._no_session()
        if session.worker in self._left:
            self._session = None
            raise session.lost("it has left")
        try:
            answer = self._request(type, [session.id, *data], to=session.worker)
            return session.check(answer)
        except NoMembers:
            self._session = None
            raise session.lost("it has left") from None
        except RequestTimeout as exc:
            self._abandon(session)
            if session.worker in self._left:
                raise session.lost("it has left") from None
            raise RequestTimeout(self._room, exc.seconds, missing=(session.worker,)) from None
        except EnvironmentLost:
            self._session = None
            raise

    def _no_session(self) -> SwergioError:
        if self._closed:
            return ConfigurationError(f"a call of the environment of {self._room!r} after close()")
        return ConfigurationError(
            f"a call of the environment of {self._room!r} after it was lost", "reset() first, which begins with another"
        )

    def _abandon(self, session: Session) -> None:
        # The worker may be alive, and would keep the environment for as long as this client is there.
        self._session = None
        with contextlib.suppress(SwergioError):
            self._component.send(self._room, [session.id], type=CLOSE, to=session.worker)

    def _request(self, type: str, data: Any, *, to: str | None, seconds: float | None = None) -> Any:
        timeout = self._timeout if seconds is None else seconds
        return self._component.request(self._room, data, timeout=timeout, type=type, to=to, wait=to is None)

    # -- opening --------------------------------------------------------------------------------------------------

    def _open(self) -> Session:
        """
        Open a session at the worker to which the group gives the question, and if it is full at another one.
        """
        id = uuid.uuid4().hex
        answer = self._request(OPEN, [id, self._wanted_mode], to=None)
        refusals = [refusal(answer)]
        others = iter(self._component.members(self._room)) if refusals[-1] is not None else iter(())
        for member in others:
            if member.mode is not Mode.RELIABLE or member.group is None:
                continue
            try:
                answer = self._request(OPEN, [id, self._wanted_mode], to=member.instance)
            except NoMembers:
                continue
            refusals.append(refusal(answer))
            if refusals[-1] is None:
                break
        if refusals[-1] is not None:
            raise EnvironmentsBusy(self._room, "; ".join(dict.fromkeys(filter(None, refusals))))
        return opened(self._room, id, answer)

    def _again(self) -> Session:
        if self._closed:
            raise self._no_session()
        session = self._open()
        spaces = (session.observation_space, session.action_space)
        if spaces != (self.observation_space, self.action_space):
            self._abandon(session)
            raise ConfigurationError(
                f"{session.worker} serves {self._room!r} with the spaces {spaces}",
                f"those that it had: {self.observation_space} and {self.action_space}",
            )
        return session

    def _specified(self, session: Session) -> EnvSpec | None:
        """
        Return the spec of the far environment, but that `gymnasium.make` of it makes another remote one.
        """
        if session.spec is None:
            return None
        room, common = self._room, self._common

        def make(**how: Any) -> RemoteEnv:  # a partial would be deep-copied, with the component in it
            return RemoteEnv(room, **{**common, **how})

        return EnvSpec(entry_point=make, **session.spec)


def _check(render_mode: str | None, component: Component | None, url: str | None) -> None:
    if render_mode == "human":
        raise ConfigurationError("render_mode='human'", "one that returns what it renders, such as 'rgb_array'")
    if component is not None and url is not None:
        raise ConfigurationError("both a component and a url", "one of the two", "A component knows its deployment")
