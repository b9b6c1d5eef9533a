"""Run the demo: start its programs, show how they train, and judge what came of it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from swergio.demo import STEPS
from swergio.demo.judge import TITLES, Score, judge, mean_score
from swergio.demo.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from swergio.demo.climate import Array


@dataclass(frozen=True, slots=True)
class Result:
    """
    What came of a demo.

    Attributes:
        transport: The scheme of the URL that it ran on.
        seeds: How many times it was trained both ways, each time from other weights and on other draws of days.
        seconds: How long all of it took.
        messages: How many messages went through the rooms.
        scores: Of ``accuracy``, ``constant_offset``, ``hourly_offset`` and ``process``, averaged over the seeds.
    """

    transport: str
    seeds: int
    seconds: float
    messages: int
    scores: dict[str, Score]

    def as_dict(self) -> dict[str, Any]:
        """
        Return what ``--json`` prints.
        """
        seconds = round(self.seconds, 3)
        run = {"transport": self.transport, "seeds": self.seeds, "seconds": seconds, "messages": self.messages}
        return run | {
            name: {"forecast_error": score.forecast_error, "cost": score.cost} for name, score in self.scores.items()
        }

    def as_table(self) -> Table:
        """
        Return what is printed otherwise.
        """
        seeds = f"{self.seeds} seed" + "s" * (self.seeds != 1)
        table = Table(
            title="In the weeks held out",
            caption=f"{seeds}, {self.messages:,} messages over {self.transport}, {self.seconds:.1f} s",
        )
        table.add_column("trained for")
        for heading in ("forecast error, W/m²", "cost per day", "of accuracy's"):
            table.add_column(heading, justify="right")
        for name, score in self.scores.items():
            share = score.cost / self.scores["accuracy"].cost
            table.add_row(TITLES[name], f"{score.forecast_error:.0f}", f"{score.cost:.3f}", f"{share:.0%}")
        return table


def run_demo(
    url: str | None = None, *, seeds: int = 1, plot: Path | None = None, as_json: bool = False, steps: int = STEPS
) -> Result:
    """
    Run the demo, print its result, and return it.

    Args:
        url: The deployment to run on; by default the one of the settings, or the user's own hub.
        seeds: How many times to train both ways; the result is the average.
        plot: A file to draw the result into; its suffix says in which format.
        as_json: Print JSON instead of a table.
        steps: How many passes each training takes.

    Raises:
        ConnectFailed: the deployment is not there, or refuses; `NameTaken`: another demo runs on it.
        PassFailed: a program of the demo ended.
        NoMembers, RequestTimeout: a program of the demo did not begin, or finish, in time.
    """
    if plot is not None:
        from swergio.demo.plot import draw  # takes a second, and may be missing: better now than after the training

    result = _perform(url, seeds, steps)
    if plot is not None:
        draw(result.scores, plot)
    if as_json:
        sys.stdout.write(json.dumps(result.as_dict(), indent=2) + "\n")
    else:
        Console().print(result.as_table())
    return result


def _perform(url: str | None, seeds: int, steps: int) -> Result:
    begun = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("starting", total=2 * seeds * steps)

        def advance(goal: str, loss: float) -> None:
            progress.update(bar, advance=1, description=f"training for {goal}: {loss:.3f}")

        with Stage(url, advance) as stage:
            forecasts = _train(stage, seeds, steps)
            messages, transport = stage.messages, stage.transport
        progress.update(bar, completed=2 * seeds * steps, description="judging")
        scores = _judge(forecasts)
    return Result(transport, seeds, time.monotonic() - begun, messages, scores)


def _train(stage: Stage, seeds: int, steps: int) -> list[tuple[Array, Array]]:
    """
    Return the forecasts of each seed after training for accuracy, and after training for the process.
    """
    stage.start("weather", "year")
    stage.start("forecaster", "features")
    accuracy = [stage.train("accuracy", seed, steps) for seed in range(seeds)]
    # The site comes now. Before, it would have waited for gradients that nobody was to send.
    stage.start("site", "forecast")
    process = [stage.train("process", seed, steps) for seed in range(seeds)]
    return list(zip(accuracy, process, strict=True))


def _judge(forecasts: list[tuple[Array, Array]]) -> dict[str, Score]:
    rounds = [judge(*pair) for pair in forecasts]
    return {name: mean_score([scores[name] for scores in rounds]) for name in TITLES}
