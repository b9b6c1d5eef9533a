"""Many environments of several workers, stepped at once."""

from __future__ import annotations

import threading
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import swergio
from swergio.gymnasium import EnvironmentLost, EnvironmentsBusy, RemoteVectorEnv, serve
from swergio.testing import eventually
from tests.gymnasium.conftest import Work
from tests.gymnasium.worlds import Court, Fragile

N = 5


def rolled(env: gymnasium.vector.VectorEnv[Any, Any, Any], steps: int) -> list[Any]:
    """
    Return what a vector says to seeded actions.
    """
    env.action_space.seed(5)
    told: list[Any] = [env.reset(seed=3, options={"wind": 2})]
    for _ in range(steps):
        told.append(env.step(env.action_space.sample()))
        ended = told[-1][2] | told[-1][3]
        if env.metadata["autoreset_mode"] is AutoresetMode.DISABLED and ended.any():
            told.append(env.reset(options={"reset_mask": ended}))
    return told


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_two_workers_do_what_one_process_does(url: str, mode: AutoresetMode) -> None:
    local = SyncVectorEnv([Court] * N, autoreset_mode=mode)
    with serve(Court, "court", url=url) as one, serve(Court, "court", url=url) as other:
        remote = RemoteVectorEnv("court", N, url=url, autoreset_mode=mode)
        assert {len(one.clients), len(other.clients)} == {2, 3}
        assert remote.action_space == local.action_space
        assert remote.observation_space == local.observation_space
        assert data_equivalence(rolled(remote, 20), rolled(local, 20), exact=True)
        remote.close()
        assert (one.clients, other.clients) == ([], [])


@pytest.mark.long
def test_workers_in_processes_of_their_own(url: str, work: Work) -> None:
    work("cartpole", 2)
    local = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * N)
    remote = RemoteVectorEnv("cartpole", N, url=url)

    assert data_equivalence(rolled(remote, 100), rolled(local, 100), exact=True)
    remote.close()


def test_all_are_asked_at_once(url: str) -> None:
    together = threading.Barrier(2)

    class Waiting(Court):
        def step(self, action: Any) -> Any:
            together.wait(20)  # the step of one ends only within that of the other
            return super().step(action)

    with serve(Waiting, "court", url=url), serve(Waiting, "court", url=url):
        remote = RemoteVectorEnv("court", 2, url=url)
        remote.reset()
        assert remote.step(remote.action_space.sample())[1].shape == (2,)
        remote.close()


def test_a_render_is_one_of_each(url: str) -> None:
    with serve(Court, "court", url=url):
        remote = RemoteVectorEnv("court", 2, url=url, render_mode="ansi")
        remote.reset()
        assert remote.render() == ("after 0 steps", "after 0 steps")
        remote.close()


@pytest.mark.long
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_the_environments_of_a_killed_worker_are_truncated_and_go_on_elsewhere(
    url: str, work: Work, mode: AutoresetMode
) -> None:
    work("fragile", 2)
    remote = RemoteVectorEnv("fragile", 4, url=url, autoreset_mode=mode)
    pids = remote.reset()[1]["pid"]
    assert len(set(pids)) == 2
    lost = pids == pids[0]

    observed, rewards, terminated, truncated, infos = remote.step(np.array([2, 0, 0, 0]))

    assert list(truncated) == list(lost)
    assert not terminated.any()
    assert list(rewards) == list(np.where(lost, 0.0, 1.0))
    told = infos if mode is AutoresetMode.NEXT_STEP else infos["final_info"]
    assert list(told["_lost"]) == list(lost)
    assert all("it has left" in text for text in told["lost"][lost])
    assert (observed[lost] == 0).all()
    remote.step(np.zeros(4, int))
    after = remote.step(np.zeros(4, int))
    assert set(after[4]["pid"]) == {pids[~lost][0]}
    assert after[1].sum() == 4
    remote.close()


@pytest.mark.long
def test_a_killed_worker_is_an_error_for_who_wants_it_so(url: str, work: Work) -> None:
    work("fragile", 2)
    remote = RemoteVectorEnv("fragile", 2, url=url, on_loss="raise")
    remote.reset()
    with pytest.raises(EnvironmentLost, match="it has left"):
        remote.step(np.array([2, 0]))
    assert len(set(remote.reset()[1]["pid"])) == 1
    remote.close()


def test_what_one_raises_is_raised_and_a_reset_goes_on(url: str) -> None:
    with serve(Court, "court", url=url) as service:
        remote = RemoteVectorEnv("court", 2, url=url)
        remote.reset(seed=1)
        moves = np.ones((2, 2), int)
        with pytest.raises(swergio.HandlerFailed, match="the net has fallen"):
            remote.step({"move": moves, "shout": ("go", "fall")})
        remote.reset(seed=1)
        assert remote.step({"move": moves, "shout": ("go", "go")})[0]["call"] == ("go", "go")
        remote.close()
        eventually(lambda: not service.clients, "all are closed")


def test_too_many_are_refused_and_those_that_were_made_are_ended(url: str) -> None:
    with serve(Court, "court", url=url, limit=2) as service:
        with pytest.raises(EnvironmentsBusy, match="has 2 open"):
            RemoteVectorEnv("court", 3, url=url)
        eventually(lambda: not service.clients, "all are closed")


def test_workers_that_serve_different_things_are_told_apart(url: str) -> None:
    with (
        serve(Court, "court", url=url),
        serve(Fragile, "court", url=url),
        pytest.raises(swergio.ConfigurationError, match="Have all workers of the room serve the same"),
    ):
        RemoteVectorEnv("court", 2, url=url)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"seed": [1]}, "1 seeds for 2 environments"),
        ({"options": {"reset_mask": [True, False]}}, "reset_mask"),
        ({"options": {"reset_mask": np.zeros(2, bool)}}, "not all False"),
    ],
)
def test_what_a_reset_does_not_take(url: str, how: dict[str, Any], expected: str) -> None:
    with serve(Court, "court", url=url):
        remote = RemoteVectorEnv("court", 2, url=url)
        with pytest.raises(swergio.ConfigurationError, match=expected):
            remote.reset(**how)
        remote.close()


def test_after_close_nothing_can_be_asked(url: str) -> None:
    with serve(Court, "court", url=url):
        remote = RemoteVectorEnv("court", 2, url=url)
        remote.close()
        remote.close()
        with pytest.raises(swergio.ConfigurationError, match=r"after close\(\)"):
            remote.reset()


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"num_envs": 0}, "num_envs=0"),
        ({"on_loss": "ignore"}, "on_loss='ig"),
        ({"autoreset_mode": "Never"}, "one of 'NextStep'"),
    ],
)
def test_what_no_vector_can_be_made_of(url: str, how: dict[str, Any], expected: str) -> None:
    with pytest.raises(swergio.ConfigurationError, match=expected):
        RemoteVectorEnv("court", **{"num_envs": 2, "url": url, **how})
    with pytest.raises(swergio.NoMembers):
        RemoteVectorEnv("nowhere", 2, url=url, timeout=0.1)


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (3, "the actions 3"),
        ([0], "1 actions for 2 environments"),
        ([0, 1, 0], "3 actions for 2 environments"),
        (["left", "right"], "action of environment 0"),
    ],
)
def test_actions_that_are_none(url: str, actions: Any, expected: str) -> None:
    with serve(Fragile, "room", url=url):
        remote = RemoteVectorEnv("room", 2, url=url)
        remote.reset()
        with pytest.raises(swergio.ConfigurationError, match=expected):
            remote.step(actions)
        assert list(remote.step([0, 1])[1]) == [1, 1]
        remote.close()


def test_without_autoreset_an_ended_episode_is_not_stepped(url: str) -> None:
    with serve(Court, "court", url=url):
        remote = RemoteVectorEnv("court", 2, url=url, autoreset_mode="Disabled")
        remote.reset()
        while not remote.step(remote.action_space.sample())[2].all():
            pass
        with pytest.raises(swergio.ConfigurationError, match=r"a step of \[0, 1\], whose episodes have ended"):
            remote.step(remote.action_space.sample())
        remote.close()
