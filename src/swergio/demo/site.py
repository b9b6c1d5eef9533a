"""The site: lives through the days that were promised, pays for them, and says what it would have liked better.

It hears promises in the room ``forecast`` and tells their cost in the room ``cost``. Which days they are for travels
with every message of the pass as ``meta``.
"""

import numpy as np

import swergio
from swergio.demo import climate
from swergio.demo.climate import Array
from swergio.demo.simulation import Site, gradient, simulate

site = swergio.Component("site")


@site.forward("forecast", "cost")
def live_through(ctx: swergio.Context, forecast: Array) -> Array:
    """
    Return what each of the days cost.
    """
    outcome = simulate(Site(), forecast, climate.sun(ctx.meta["days"]))
    ctx.save(gradient(Site(), outcome))
    return outcome.cost


@live_through.backward
def trace_back(ctx: swergio.Context, grad: Array) -> Array:
    """
    Return the gradient by the forecast, given the one by the cost of each day.
    """
    by_forecast: Array = ctx.saved[0]
    return by_forecast * grad[:, np.newaxis]


if __name__ == "__main__":
    site.run()
