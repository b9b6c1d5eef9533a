"""Environments that tests serve: in the processes of workers too, so there is nothing of pytest here."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

import swergio
from swergio.gymnasium import RemoteEnv, serve

SETTINGS: dict[str, Any] = {"heartbeat": 0.2, "dead_after": 2.0, "hub": {"session_grace": 0.5}}
"""
Hubs that give a killed component up soon.
"""


class Court(gymnasium.Env[Any, Any]):
    """
    Observations and actions that are a dict, tuples and texts; drawings that are arrays or text.

    Attributes:
        closed: How many of them were closed, in this process.
    """

    metadata = {"render_modes": ["rgb_array", "ansi", "human"], "render_fps": 7}  # noqa: RUF012  as Gymnasium has it
    closed = 0

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.observation_space = spaces.Dict(
            {
                "ball": spaces.Box(-5, 5, (2,), np.float64),
                "sides": spaces.Tuple([spaces.Discrete(3, start=-1), spaces.MultiBinary(4)]),
                "call": spaces.Text(8),
            }
        )
        self.action_space = spaces.Dict({"move": spaces.MultiDiscrete([3, 3]), "shout": spaces.Text(4)})
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._steps = 0
        return self._look("reset"), {"options": options}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if action["shout"] == "fall":
            raise RuntimeError("the net has fallen")
        self._steps += 1
        reward = float(self.np_random.normal()) + int(action["move"].sum())
        return self._look(action["shout"]), reward, self._steps >= 7, False, {"steps": np.arange(self._steps)}

    def _look(self, call: str) -> dict[str, Any]:
        random = self.np_random
        sides = np.int64(random.integers(-1, 2)), random.integers(0, 2, 4).astype(np.int8)
        return {"ball": random.uniform(-5, 5, 2), "sides": sides, "call": call}

    def render(self) -> Any:
        if self.render_mode == "ansi":
            return f"after {self._steps} steps"
        return np.full((4, 4, 3), self._steps, np.uint8)

    def close(self) -> None:
        Court.closed += 1


class Fragile(gymnasium.Env[Any, Any]):
    """
    Kills its process when it is told to: an action of 2.
    """

    def __init__(self) -> None:
        self.observation_space, self.action_space = spaces.Box(0, 1, (2,)), spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {"pid": os.getpid()}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if action == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.ones(2, np.float32), 1.0, False, False, {"pid": os.getpid()}


def main() -> None:
    """
    Serve ``fragile`` or ``cartpole``, or be a client that is never done: what a process of its own runs.
    """
    url, what = sys.argv[1:]
    component = swergio.Component("worker", url, **SETTINGS)
    if what == "court":
        with component:
            RemoteEnv(what, component=component).reset()
            sys.stdin.read()
    serve(Fragile if what == "fragile" else "CartPole-v1", what, component=component).run()


if __name__ == "__main__":
    main()
