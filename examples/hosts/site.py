"""A site: lives through the days that were promised, and says what it would have liked better.

Several hosts may run this program. They share the passes, as members of one group; what one of them had not finished
when its host was lost goes to another.
"""

import logging

import numpy as np

import swergio
from swergio.demo import climate
from swergio.demo.simulation import Site, gradient, simulate

site = swergio.Component("site")


@site.forward("forecast", "cost", group="sites")
def live_through(ctx, forecast):
    """
    Return what each of the days cost.
    """
    outcome = simulate(Site(), forecast, climate.sun(ctx.meta["days"]))
    ctx.save(gradient(Site(), outcome))
    return outcome.cost


@live_through.backward
def trace_back(ctx, grad):
    """
    Return the gradient by the forecast, given the one by the cost of each day.
    """
    return ctx.saved[0] * grad[:, np.newaxis]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    site.run()
