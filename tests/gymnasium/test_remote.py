"""One environment, stepped in another component."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence

import swergio
from swergio.gymnasium import EnvironmentLost, EnvironmentsBusy, RemoteEnv, serve
from swergio.testing import eventually
from tests.gymnasium import worlds
from tests.gymnasium.conftest import Work
from tests.gymnasium.worlds import SETTINGS, Court
from tests.live.deployments import deployed

COURT = "swergio-tests/Court-v3"


@pytest.fixture
def court() -> Iterator[str]:
    """
    The id under which `Court` is registered: so it has a spec.
    """
    gymnasium.register(COURT, f"{Court.__module__}:Court", reward_threshold=3.5, max_episode_steps=5)
    yield COURT
    del gymnasium.registry[COURT]


def rolled(env: gymnasium.Env[Any, Any], steps: int = 60) -> list[Any]:
    """
    Return what an environment says to seeded actions, over several episodes.
    """
    env.action_space.seed(5)
    told: list[Any] = [env.reset(seed=3, options={"wind": 2})]
    for _ in range(steps):
        told.append(env.step(env.action_space.sample()))
        if told[-1][2] or told[-1][3]:
            told.append(env.reset())
    return told


def warned(env: gymnasium.Env[Any, Any]) -> list[str]:
    """
    Return what Gymnasium's own check has to remark; it raises for what is wrong.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env, skip_render_check=env.render_mode is None)
    return [str(one.message) for one in caught]


def test_gymnasium_finds_nothing_in_a_remote_cartpole_that_the_local_one_has_not(url: str) -> None:
    local = gymnasium.make("CartPole-v1").unwrapped
    with serve("CartPole-v1", "cartpole", url=url):
        remote = RemoteEnv("cartpole", url=url)
        assert warned(remote) == warned(local)
        remote.close()


def test_gymnasium_finds_nothing_in_a_remote_environment_with_dicts_and_drawings(url: str, court: str) -> None:
    with serve(court, "court", url=url) as service:
        remote = RemoteEnv("court", url=url, render_mode="rgb_array")
        assert warned(remote) == []
        assert len(service.clients) == 1, "those that the check made are closed"
        remote.close()


def test_the_same_seed_and_actions_give_the_same_trajectory(url: str, court: str) -> None:
    for id, room in (("CartPole-v1", "cartpole"), (court, "court")):
        local = gymnasium.make(id)
        with serve(id, room, url=url):
            remote = RemoteEnv(room, url=url)
            assert remote.observation_space == local.observation_space
            assert data_equivalence(rolled(remote), rolled(local), exact=True)
            remote.close()


def test_what_it_is_comes_from_the_far_side(url: str, court: str) -> None:
    with serve(court, "court", url=url):
        remote = RemoteEnv("court", url=url, render_mode="ansi")
        assert remote.spec is not None
        assert (remote.spec.id, remote.spec.reward_threshold, remote.spec.max_episode_steps) == (court, 3.5, 5)
        assert remote.metadata == {"render_modes": ["rgb_array", "ansi"], "render_fps": 7}
        assert remote.render_mode == "ansi"
        remote.reset()
        assert remote.render() == "after 0 steps"
        remote.close()

        with pytest.raises(swergio.ConfigurationError, match="render_mode='human'"):
            RemoteEnv("court", url=url, render_mode="human")


def test_close_ends_the_far_environment_and_nothing_can_be_asked_then(url: str) -> None:
    Court.closed = 0
    with serve(Court, "court", url=url) as service:
        remote = RemoteEnv("court", url=url)
        remote.reset()
        remote.close()
        remote.close()
        assert (service.clients, Court.closed) == ([], 1)
        with pytest.raises(swergio.ConfigurationError, match=r"after close\(\)"):
            remote.reset()


def test_clients_do_not_share_an_environment(url: str) -> None:
    local = [gymnasium.make("CartPole-v1") for _ in range(3)]
    with serve("CartPole-v1", "cartpole", url=url), swergio.Component("shared", url) as component:
        remotes = [RemoteEnv("cartpole", url=url), *(RemoteEnv("cartpole", component=component) for _ in range(2))]
        for seed, (mine, other) in enumerate(zip(local, remotes, strict=True)):
            assert np.array_equal(mine.reset(seed=seed)[0], other.reset(seed=seed)[0])
        for _ in range(8):
            for action, (mine, other) in enumerate(zip(local, remotes, strict=True)):
                assert np.array_equal(mine.step(action % 2)[0], other.step(action % 2)[0])
        for remote in remotes:
            remote.close()


def test_what_the_environment_raises_reaches_the_client_and_it_goes_on(url: str) -> None:
    with serve(Court, "court", url=url):
        remote = RemoteEnv("court", url=url)
        remote.reset(seed=1)
        with pytest.raises(swergio.HandlerFailed, match="RuntimeError: the net has fallen"):
            remote.step({"move": [1, 1], "shout": "fall"})
        with pytest.raises(swergio.ConfigurationError, match="the action 'jump'"):
            remote.step("jump")
        assert remote.step({"move": [1, 1], "shout": "go"})[0]["call"] == "go"
        remote.close()


def test_an_environment_that_cannot_be_made_says_why(url: str) -> None:
    def broken() -> gymnasium.Env[Any, Any]:
        raise OSError("no simulator here")

    with serve(broken, "broken", url=url), pytest.raises(swergio.HandlerFailed, match="no simulator here"):
        RemoteEnv("broken", url=url)
    with pytest.raises(swergio.NoMembers):
        RemoteEnv("nowhere", url=url, timeout=0.1)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"env": "NoSuchWorld-v0"}, "no environment is called 'NoSuchWorld-v0'"),
        ({"env": 3}, "an environment 3"),
        ({"env": Court, "limit": 0}, "limit=0"),
    ],
)
def test_what_cannot_be_served(wrong: dict[str, Any], expected: str) -> None:
    with pytest.raises(swergio.ConfigurationError, match=expected):
        serve(room="room", **wrong)


def test_a_worker_has_as_many_environments_as_its_limit_and_then_another_is_asked(url: str) -> None:
    with serve(Court, "court", url=url, limit=1) as one, serve(Court, "court", url=url, limit=2) as other:
        remotes = [RemoteEnv("court", url=url) for _ in range(3)]
        assert (len(one.clients), len(other.clients)) == (1, 2)
        with pytest.raises(EnvironmentsBusy, match=r"has 1 open, which is its limit.*raise serve\(limit="):
            RemoteEnv("court", url=url)
        remotes[0].close()
        RemoteEnv("court", url=url).close()
        for remote in remotes:
            remote.close()


def test_an_environment_itself_is_served_to_one_client_after_another(url: str) -> None:
    env = Court()
    Court.closed = 0
    with serve(env, "court", url=url):
        for _ in range(2):
            remote = RemoteEnv("court", url=url)
            remote.reset()
            with pytest.raises(EnvironmentsBusy):
                RemoteEnv("court", url=url)
            remote.close()
        assert Court.closed == 0
    assert Court.closed == 1


def test_a_client_that_leaves_without_a_word_leaves_no_environment(url: str) -> None:
    Court.closed = 0
    with serve(Court, "court", url=url) as service:
        component = swergio.Component("careless", url).start()
        remotes = [RemoteEnv("court", component=component) for _ in range(3)]
        assert service.clients == [component.instance] * len(remotes)
        component.close()
        eventually(lambda: Court.closed == len(remotes), "all are closed")
        assert service.clients == []


@pytest.mark.long
def test_the_environment_of_a_killed_client_is_freed(url: str) -> None:
    Court.closed = 0
    command = [sys.executable, worlds.__file__, url, "court"]
    with serve(Court, "court", url=url) as service, subprocess.Popen(command, stdin=subprocess.PIPE) as client:
        eventually(lambda: service.clients, "it has its environment", 60)
        client.kill()
        eventually(lambda: Court.closed, "it is closed")
        assert service.clients == []


@pytest.mark.long
def test_after_its_worker_was_killed_a_client_is_told_and_a_reset_begins_elsewhere(url: str, work: Work) -> None:
    (first,) = work("fragile", 1)
    with swergio.Component("client", url, **SETTINGS) as component:
        remote = RemoteEnv("fragile", component=component, timeout=5)
        before = remote.reset()[1]["pid"]
        with pytest.raises((EnvironmentLost, swergio.RequestTimeout), match="worker#"):  # a slow hub says it later
            remote.step(2)
        first.wait(20)
        with pytest.raises(swergio.ConfigurationError, match="after it was lost"):
            remote.step(0)
        work("fragile", 1)
        assert remote.reset()[1]["pid"] != before
        assert remote.step(0)[1] == 1.0
        remote.close()


def test_a_worker_that_left_is_noticed_at_once(url: str) -> None:
    with serve(Court, "court", url=url):
        remote = RemoteEnv("court", url=url)
        remote.reset()
    with pytest.raises(EnvironmentLost, match=r"it has left. Call reset\(\)"):
        remote.step({"move": [1, 1], "shout": "go"})
    remote.close()


def test_a_worker_that_is_there_and_silent_is_waited_for_until_the_deadline(url: str) -> None:
    go_on = threading.Event()

    class Slow(Court):
        def step(self, action: Any) -> Any:
            go_on.wait(20)
            return super().step(action)

    with serve(Slow, "court", url=url) as service:
        remote = RemoteEnv("court", url=url, timeout=0.3)
        remote.reset()
        with pytest.raises(swergio.RequestTimeout, match=r"after 0\.3 s; missing court#"):
            remote.step({"move": [1, 1], "shout": "go"})
        go_on.set()
        eventually(lambda: not service.clients, "what nobody can use any more is closed")
        remote.close()


def test_who_was_given_up_has_lost_its_environment(url: str) -> None:
    with serve(Court, "court", url=url) as service:
        remote = RemoteEnv("court", url=url)
        remote.reset(seed=1)
        for id in list(service._sessions):
            service._end(id)
        with pytest.raises(EnvironmentLost, match="has no session"):
            remote.step({"move": [1, 1], "shout": "go"})
        assert data_equivalence(remote.reset(seed=1), Court().reset(seed=1))
        remote.close()


@pytest.mark.parametrize("deployment", ["zmq+ipc", "redis"])
def test_it_is_the_same_on_every_transport(deployment: str) -> None:
    settings = SETTINGS["hub"] if deployment == "redis" else {}
    with deployed(deployment, **SETTINGS) as url:
        worker = swergio.Component("worker", url, hub=settings)
        with serve(Court, "court", component=worker) as service, worker:
            remote = RemoteEnv("court", url=url)
            assert data_equivalence(rolled(remote), rolled(Court()), exact=True)
            careless = swergio.Component("careless", url).start()
            RemoteEnv("court", component=careless)
            careless.close()
            eventually(lambda: len(service.clients) == 1, "the other one is closed")
        with pytest.raises(EnvironmentLost, match="it has left"):
            remote.step(remote.action_space.sample())
        remote.close()
