"""A library for reinforcement learning that knows nothing of rooms trains in one.

Not in CI: Stable-Baselines3 brings PyTorch, 750 MB of it. ``pip install torch stable-baselines3`` has it run.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import pytest

from swergio.gymnasium import RemoteEnv, serve

pytestmark = pytest.mark.long


def trained(env: gymnasium.Env[Any, Any]) -> dict[str, Any]:
    """
    Return the weights of a policy after 2,048 steps.
    """
    reason = "PyTorch and Stable-Baselines3 take 750 MB"
    torch = pytest.importorskip("torch", reason=reason)
    baselines = pytest.importorskip("stable_baselines3", reason=reason)
    torch.set_num_threads(1)
    model = baselines.PPO("MlpPolicy", env, seed=0, n_steps=512, device="cpu").learn(2048)
    return {name: weights.tolist() for name, weights in model.policy.state_dict().items()}


@pytest.mark.filterwarnings("ignore")  # of what others do in there
def test_a_policy_learns_in_a_room_what_it_learns_beside_its_environment(url: str) -> None:
    local = trained(gymnasium.make("CartPole-v1"))
    with serve("CartPole-v1", "cartpole", url=url):
        remote = RemoteEnv("cartpole", url=url)
        assert trained(remote) == local
        remote.close()
