"""The trainer: has the forecaster learn what its errors cost, and measures what came of it.

It ends with the cost of a day, in weeks that the training has not seen, and fails if that is not good enough.
"""

import argparse
import logging
import sys

from swergio.demo import STEPS
from swergio.demo.climate import days
from swergio.demo.judge import score
from swergio.demo.simulation import Site
from swergio.demo.trainer import train, trainer

BOUND = 1.1  # of what a day may cost; it is 1.74 before the training, and 1.5 after one for accuracy


def cost_per_day(forecast):
    """
    Return what the forecasts of the year, shape (364, 24), cost per day in the weeks held out.
    """
    held_out = days(held_out=True)
    return score(Site(), forecast[held_out - 1], held_out).cost


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    with trainer:
        cost = cost_per_day(train("process", given.seed, given.steps))
        lost = trainer.stats.lost
    print(f"{given.steps} steps, {lost} messages lost; a day costs {cost:.3f}, and may cost {BOUND}")
    sys.exit(cost > BOUND)
