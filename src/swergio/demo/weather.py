"""The weather service: what is known of a day on the evening before, and what the sun then gave.

It answers requests. A training draws its days from the weeks that are for training; the whole year is for judging.
"""

import numpy as np

import swergio
from swergio.demo import climate

weather = swergio.Component("weather")


@weather.on("training_days")
def draw(message: swergio.Message) -> dict[str, object]:
    """
    Answer with ``count`` training days, drawn by chance; the same ones for the same ``seed``.
    """
    chance = np.random.default_rng(message.data["seed"])
    return look_up(chance.choice(climate.days(held_out=False), message.data["count"], replace=False))


@weather.on("year")
def year(_: swergio.Message) -> dict[str, object]:
    """
    Answer with every day of the year that has an evening before it.
    """
    return look_up(climate.every_day())


def look_up(days: climate.Days) -> dict[str, object]:
    """
    Return which days these are, what is known the evening before, and what the sun gave.
    """
    return {"days": [int(day) for day in days], "features": climate.features(days), "sun": climate.sun(days)}


if __name__ == "__main__":
    weather.run()
