"""What a promise of sun costs the site once the day is over, and the exact gradient of that cost.

A site with solar panels (1 kW of them) and a battery buys its grid energy a day ahead, at an ordinary price of 1 per
kWh: what it needs, less what its forecast promises of the sun. The next day, hour after hour, the battery gives what
the sun falls short of the promise, and takes in what the sun gives beyond it, as far as its energy and power allow. The
rest is bought at a shortage price or sold off at a loss; both depend on the hour.

The cost is what the site pays *more* than with a perfect forecast. Energy in the battery is worth the ordinary price,
whether it was filled in overnight or is left in the evening. So no promise earns anything by emptying the battery, and
its use costs what it loses on the way.

The cost is piecewise linear in the promise, so the gradient is exact: one sweep over the hours, from the last to the
first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from swergio.demo.climate import HOURS, Array


def prices(otherwise: float, *special: tuple[int, int, float]) -> Array:
    """
    Return 24 hourly prices: ``price`` from hour ``start`` to ``stop`` for each of ``special``, else ``otherwise``.
    """
    hourly = np.full(HOURS, otherwise)
    for start, stop, price in special:
        hourly[start:stop] = price
    return hourly


@dataclass(frozen=True)
class Site:
    """
    A battery and the prices of a day.

    Attributes:
        capacity: What the battery holds, in kWh. It is filled overnight: each day begins with it.
        power: The most that goes into or out of it, in kWh per hour, as seen from the site.
        efficiency: What remains of energy on the way in, and again on the way out.
        shortage: What a kWh short costs more than the ordinary price, for each hour.
        surplus: What a kWh too many costs, as it is sold off below the ordinary price, for each hour.
    """

    capacity: float = 0.8
    power: float = 0.25
    efficiency: float = 0.95
    shortage: Array = field(default_factory=lambda: prices(1.5, (7, 10, 4.0), (16, 20, 6.0)))
    surplus: Array = field(default_factory=lambda: prices(0.6, (11, 14, 3.0)))


@dataclass(frozen=True)
class Outcome:
    """
    What became of the days.

    Attributes:
        cost: Of each day; shape (...).
        flow: What the battery took from the site in each hour, negative if it gave; shape (..., 24), in kWh.
        rest: What was sold off in each hour, negative if it was bought short; shape (..., 24), in kWh.
        energy: What was in the battery before each hour and after the last; shape (..., 25), in kWh.
    """

    cost: Array
    flow: Array
    rest: Array
    energy: Array


def simulate(site: Site, promise: Array, sun: Array) -> Outcome:
    """
    Live through days on which ``promise`` was promised and ``sun`` came, both of shape (..., 24) in kWh.
    """
    gap = sun - promise
    flow, energy = np.empty_like(gap), np.empty((*gap.shape[:-1], HOURS + 1))
    energy[..., 0] = site.capacity
    for hour in range(HOURS):
        stored = energy[..., hour]
        most_in = np.clip((site.capacity - stored) / site.efficiency, 0, site.power)
        most_out = np.clip(stored * site.efficiency, 0, site.power)
        flow[..., hour] = np.clip(gap[..., hour], -most_out, most_in)
        energy[..., hour + 1] = stored + _stored_per_flow(site, gap[..., hour]) * flow[..., hour]
    rest = gap - flow
    lost = flow - np.diff(energy)
    cost = np.where(rest > 0, site.surplus, -site.shortage) * rest + lost
    return Outcome(cost.sum(-1), flow, rest, energy)


def gradient(site: Site, outcome: Outcome) -> Array:
    """
    Return the derivative of each day's cost by its promise, hour by hour: shape (..., 24).

    At a kink (nothing flows, or a limit is just met) it is the derivative to one of the two sides.
    """
    slope = np.empty_like(outcome.flow)
    value = np.zeros(slope.shape[:-1])  # what one kWh more in the battery would change in the cost from here on
    for hour in reversed(range(HOURS)):
        flow, rest = outcome.flow[..., hour], outcome.rest[..., hour]
        per_flow = _stored_per_flow(site, flow + rest)
        by_flow = value * per_flow + 1 - per_flow
        by_rest = np.where(rest > 0, site.surplus[hour], -site.shortage[hour])
        absorbed = rest == 0
        # A full or empty battery: what more is in it changes the flow, and the rest the other way round.
        bound = ~absorbed & (np.abs(flow) < site.power)
        slope[..., hour] = -np.where(absorbed, by_flow, by_rest)
        value = value - np.where(bound, (by_flow - by_rest) / per_flow, 0)
    return slope


def _stored_per_flow(site: Site, gap: Array) -> Array:
    return np.where(gap > 0, site.efficiency, 1 / site.efficiency)
