"""A vector of environments that are spread over the workers of a room."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any, Literal

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from swergio.errors import ConfigurationError
from swergio.gymnasium.arguments import actions_of, mask_of, mode_of, seeds_of
from swergio.gymnasium.calls import RENDER, RESET, STEP, EnvironmentLost, Session
from swergio.gymnasium.fleet import Fleet
from swergio.gymnasium.values import own, pack
from swergio.messages import check_name

log = logging.getLogger("swergio.gymnasium")

ATTEMPTS = 3  # to reset an environment whose worker leaves in the meantime


class RemoteVectorEnv(VectorEnv[Any, Any, Any]):
    """
    ``num_envs`` environments of a room, each in one of the programs that `serve` it, stepped at once.

    A step asks all of them together, and takes as long as the worker with the most to do. It returns what Gymnasium's
    SyncVectorEnv returns for the same environments, seeds and actions, exactly, in each of its autoreset modes.

    If a worker leaves (it was closed, or killed and given up by the hub), its environments are made anew at others.
    The step in which that is noticed ends their episodes: the last observation, a reward of 0, ``truncated``, and in
    the infos ``lost`` with the reason. The next reset, automatic or not, begins in the new one. A worker that is there
    and silent is an error at the deadline.

    Args:
        room: The room.
        num_envs: How many environments.
        url: The deployment.
        render_mode: As `RemoteEnv`.
        timeout: Seconds that each request may take; by default the setting ``request_timeout``.
        autoreset_mode: When an environment whose episode has ended begins the next one; as in Gymnasium.
        on_loss: ``"truncate"`` as said above, or ``"raise"``.

    Raises:
        NoMembers: nobody served the room until the deadline.
        EnvironmentsBusy: the workers have not as many environments to spare.
        HandlerFailed: a worker could not make one; it says why.
        RequestTimeout: a worker stayed silent.
    """

    def __init__(
        self,
        room: str,
        num_envs: int,
        *,
        url: str | None = None,
        render_mode: str | None = None,
        timeout: float | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        on_loss: Literal["truncate", "raise"] = "truncate",
    ) -> None:
        self.closed = True  # until there is something to close: what is half made is deleted too
        if num_envs < 1:
            raise ConfigurationError(f"num_envs={num_envs!r}", "a number of environments above 0")
        if on_loss not in ("truncate", "raise"):
            raise ConfigurationError(f"on_loss={on_loss!r}", "'truncate' or 'raise'")
        self.num_envs = num_envs
        self._mode = mode_of(autoreset_mode)
        self._on_loss = on_loss
        self._fleet = Fleet(check_name(room, "room"), url, render_mode, timeout)
        try:
            self._sessions = self._fleet.open(range(num_envs))
            self._take_spaces()
        except BaseException:
            self._fleet.close(())
            raise
        self.closed = False

    def _take_spaces(self) -> None:
        first = self._sessions[0]
        for other in self._sessions[1:]:
            _check_same(other, first)
        self.metadata = {**first.metadata, "autoreset_mode": self._mode}
        self.render_mode = first.render_mode
        self.single_observation_space, self.single_action_space = first.observation_space, first.action_space
        self.observation_space = batch_space(first.observation_space, self.num_envs)
        self.action_space = batch_space(first.action_space, self.num_envs)
        self._observed: list[Any] = [None] * self.num_envs
        self._batch: Any = create_empty_array(first.observation_space, self.num_envs, np.zeros)
        self._ended = np.zeros(self.num_envs, bool)
        self._lost: set[int] = set()

    # -- the interface of Gymnasium -------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """
        Begin an episode in all environments, or those of the boolean array ``options["reset_mask"]``.

        Args:
            seed: One for all, to which the index of each is added, or one for each.
            options: What each of them is given.

        Raises:
            ConfigurationError: there are not as many seeds as environments, or the mask is no such array.
            NoMembers, EnvironmentsBusy, HandlerFailed, RequestTimeout: as for the class.
        """
        seeds = seeds_of(seed, self.num_envs)
        mask, options = mask_of(options, self.num_envs)
        infos: dict[str, Any] = {}
        self._reset(np.flatnonzero(mask).tolist(), infos, seeds, options)
        self._ended[mask] = False
        return self._batched(), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """
        Take a step in all environments at once.

        Raises:
            ConfigurationError: these are not as many actions as environments, or some are none; or an episode has
                ended, and ``autoreset_mode`` is ``"Disabled"``.
            HandlerFailed: one of them raised; the error says what. `reset` before the next step.
            EnvironmentLost: with ``on_loss="raise"``, the worker of one has left.
            RequestTimeout: a worker stayed silent.
        """
        self._check_ended()
        resets = self._ended if self._mode is AutoresetMode.NEXT_STEP else np.zeros(self.num_envs, bool)
        rewards = np.zeros(self.num_envs)
        terminated, truncated = np.zeros(self.num_envs, bool), np.zeros(self.num_envs, bool)
        infos: dict[str, Any] = {}
        for index, answer in enumerate(self._ask_steps(actions_of(actions, self.action_space, self.num_envs), resets)):
            if resets[index]:
                self._observed[index], info = answer
            else:
                self._observed[index], rewards[index], terminated[index], truncated[index], info = answer
            ended = bool(terminated[index] or truncated[index])
            if ended and self._mode is AutoresetMode.SAME_STEP:
                info = {"final_obs": self._observed[index], "final_info": info}
            infos = self._add_info(infos, info, index)
        self._ended = terminated | truncated
        if self._mode is AutoresetMode.SAME_STEP:
            self._reset(np.flatnonzero(self._ended).tolist(), infos)
        return self._batched(), rewards, terminated, truncated, infos

    def render(self) -> tuple[Any, ...]:
        """
        Return what each environment renders.

        Raises:
            HandlerFailed, EnvironmentLost, RequestTimeout: as `step`.
        """
        answers = self._fleet.ask([(session, RENDER, ()) for session in self._sessions])
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return tuple(map(own, answers))

    def close_extras(self, **kwargs: Any) -> None:
        """
        End all environments.
        """
        self._fleet.close(self._sessions)

    # -- resets and steps -----------------------------------------------------------------------------------------

    def _reset(
        self,
        indices: Sequence[int],
        infos: dict[str, Any],
        seeds: Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        left = list(indices)
        for attempt in range(ATTEMPTS):
            self._replace(left)
            questions = [(self._sessions[index], RESET, (seeds and seeds[index], options)) for index in left]
            answers = self._read(left, self._fleet.ask(questions), Session.observed, last=attempt == ATTEMPTS - 1)
            for index, answer in zip(left, answers, strict=True):
                if answer is not None:
                    self._observed[index], info = answer
                    infos.update(self._add_info(infos, info, index))
            left = [index for index in left if index in self._lost]
            if not left:
                return

    def _ask_steps(self, actions: Sequence[Any], resets: Any) -> list[Any]:
        """
        Step or reset each environment; return what that returns for each, with its values read.
        """
        everyone = range(self.num_envs)
        self._replace([index for index in everyone if resets[index]])
        answers = self._fleet.ask([self._question(index, actions[index], resets[index]) for index in everyone])
        read = self._read(everyone, answers, _resulted, last=self._on_loss == "raise")
        for index in sorted(self._lost):
            if resets[index]:
                infos: dict[str, Any] = {}
                self._reset([index], infos)
                read[index] = self._observed[index], {}
            elif read[index] is None:
                read[index] = self._truncated(index, answers[index])
        return read

    def _question(self, index: int, action: Any, reset: bool) -> tuple[Session, str, Sequence[Any]]:
        session = self._sessions[index]
        if reset:
            return session, RESET, (None, None)
        return session, STEP, (pack(self.single_action_space, action, f"action of environment {index}"),)

    def _read(
        self,
        indices: Iterable[int],
        answers: Sequence[Any],
        read: Callable[[Session, Any], Any],
        *,
        last: bool,
    ) -> list[Any]:
        """
        Read the answers; None for those whose environment is lost, unless that must not be any more.
        """
        results: list[Any] = []
        errors: list[BaseException] = []
        for index, answer in zip(indices, answers, strict=True):
            lost = isinstance(answer, EnvironmentLost)
            if lost:
                self._lost.add(index)
            if isinstance(answer, BaseException):
                results.append(None)
                if last or not lost:
                    errors.append(answer)
            else:
                results.append(read(self._sessions[index], answer))
        if errors:
            raise errors[0]
        return results

    def _truncated(self, index: int, error: EnvironmentLost) -> Any:
        if self._observed[index] is None:
            raise error
        log.warning("environment %d: %s", index, error)
        return self._observed[index], 0.0, False, True, {"lost": str(error)}

    def _replace(self, indices: Iterable[int]) -> None:
        """
        Open other sessions for those of these that are lost.
        """
        lost = sorted(self._lost.intersection(indices))
        if not lost:
            return
        for index, session in zip(lost, self._fleet.open(lost), strict=True):
            _check_same(session, self._sessions[index])
            self._sessions[index] = session
            self._lost.discard(index)

    # -- forms ----------------------------------------------------------------------------------------------------

    def _check_ended(self) -> None:
        if self._mode is AutoresetMode.DISABLED and self._ended.any():
            raise ConfigurationError(
                f"a step of {np.flatnonzero(self._ended).tolist()}, whose episodes have ended",
                "reset(options={'reset_mask': ...}) before it, as autoreset_mode is 'Disabled'",
            )

    def _batched(self) -> Any:
        self._batch = concatenate(self.single_observation_space, self._observed, self._batch)
        return deepcopy(self._batch)


def _resulted(session: Session, answer: Any) -> Any:
    # What a reset returns among the steps is shorter.
    return session.observed(answer) if len(answer) == 2 else session.stepped(answer)


def _check_same(one: Session, other: Session) -> None:
    mine, theirs = ((session.observation_space, session.action_space) for session in (one, other))
    if mine != theirs:
        raise ConfigurationError(
            f"{one.worker} serves {one.room!r} with the spaces {mine}",
            f"those of {other.worker}: {theirs}",
            "Have all workers of the room serve the same environment",
        )
