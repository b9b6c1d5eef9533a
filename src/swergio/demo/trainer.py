"""The trainer: teaches the forecaster to be accurate, or to be good for the site.

Where its backward pass begins is all the difference: at the forecast, with the gradient of the squared error, as models
are usually trained, before there is a site to hear of them; or at the far end of the process, with the cost itself.
"""

import argparse
import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

import swergio
from swergio.demo import STEPS
from swergio.demo.climate import Array

DAYS = 64  # in each pass
ATTEMPTS = 10
PATIENCE = 10.0  # seconds, for each answer

trainer = swergio.Component("trainer")
to_forecast = trainer.process("features", "forecast")
to_cost = trainer.process("features", "cost")


def towards_accuracy(batch: dict[str, Any]) -> float:
    """
    Take one step towards a smaller error of the forecast, and return its square.
    """
    forecast, pullback = to_forecast.vjp(batch["features"], meta={"days": batch["days"]}, timeout=PATIENCE)
    error = forecast - batch["sun"]
    pullback(2 * error / len(error), timeout=PATIENCE)
    return float(np.mean(error**2))


def towards_process(batch: dict[str, Any]) -> float:
    """
    Take one step towards a smaller cost at the site, and return it.
    """
    cost, pullback = to_cost.vjp(batch["features"], meta={"days": batch["days"]}, timeout=PATIENCE)
    pullback(np.full(len(cost), 1 / len(cost)), timeout=PATIENCE)
    return float(np.mean(cost))


GOALS = {"accuracy": towards_accuracy, "process": towards_process}


def train(goal: str, seed: int, steps: int) -> Array:
    """
    Train the forecaster from the beginning, and return its forecasts for the whole year.
    """
    ask("restart", {"seed": seed})
    for step in range(steps):
        batch = ask("training_days", {"count": DAYS, "seed": [seed, step]})
        trainer.kpi(goal, persist(GOALS[goal], batch), step)
    year = ask("year", None)
    forecast: Array = persist(to_forecast, year["features"], meta={"days": year["days"]})
    return forecast


def ask(room: str, question: object) -> Any:
    """
    Ask in a room, and return the answer.
    """
    return persist(trainer.request, room, question, timeout=PATIENCE)


def persist(action: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """
    Do something that may fail on its way through the rooms, such as when the hub is restarted; then do it again.
    """
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(swergio.PassError, swergio.RequestError):
            return action(*arguments, **options)
    return action(*arguments, **options)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the forecaster.")
    parser.add_argument("goal", choices=GOALS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args()
    with trainer:
        trainer.send("trained", {"goal": given.goal, "forecast": train(given.goal, given.seed, given.steps)})
