"""The picture of a result: what each forecast costs, how wrong it is, and what it promises over the day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from swergio.demo.climate import HOURS, days, sun
from swergio.demo.judge import TITLES, Score
from swergio.demo.simulation import Site

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"accuracy": "#7f7f7f", "constant_offset": "#bcbd22", "hourly_offset": "#ff7f0e", "process": "#1f77b4"}


def draw(scores: dict[str, Score], file: Path) -> None:
    """
    Draw a result into ``file``; its suffix says in which format.
    """
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    cost, error, promise = figure.subplots(1, 3, width_ratios=(1, 1, 2))
    _bars(cost, {name: score.cost for name, score in scores.items()}, "Cost per day")
    _bars(error, {name: score.forecast_error for name, score in scores.items()}, "Forecast error, W/m²")
    _promises(promise, scores)
    figure.savefig(file, dpi=150)


def _bars(axes: Axes, values: dict[str, float], title: str) -> None:
    places = range(len(values))
    bars = axes.bar(places, list(values.values()), color=[COLOURS[name] for name in values])
    axes.bar_label(bars, fmt="%.3g")
    axes.set_xticks(places, [TITLES[name] for name in values], rotation=30, horizontalalignment="right")
    axes.set_title(title)


def _promises(axes: Axes, scores: dict[str, Score]) -> None:
    hours = np.arange(HOURS) + 0.5
    axes.plot(hours, sun(days(held_out=True)).mean(axis=0), color="black", linestyle="--", label="the sun gave")
    for name in ("accuracy", "hourly_offset", "process"):
        axes.plot(hours, scores[name].promise, color=COLOURS[name], label=TITLES[name])
    for price, colour in ((Site().shortage, "tab:red"), (Site().surplus, "tab:green")):
        for hour in np.flatnonzero(price > np.median(price)).tolist():
            axes.axvspan(hour, hour + 1, color=colour, alpha=0.12, linewidth=0)
    axes.set(xlabel="hour (red: shortage is dear; green: surplus is)", xlim=(4, 21))
    axes.set_title("Promised on average, kWh")
    axes.legend(loc="upper left")
