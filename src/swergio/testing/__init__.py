"""
Tools to test a swarm with: break its connections on purpose, and check what came through.

A `FaultProxy` stands between components and their hub (or any client and server) and delays, slices, cuts, holds or
swallows what passes. A `History` records what every component sent and received, and finds what was lost, duplicated,
reordered or came from nowhere. Random choices follow one seed, which every failure tells::

    with FaultProxy("127.0.0.1", 7300) as proxy:
        history = History(seed=proxy.seed)
        with swergio.Component("model", proxy.url("ws")) as model, swergio.Component("site", proxy.url("ws")) as site:
            history.watch(model, "features")
            for _ in range(1000):
                site.send("features", history.sent("site", "features"))
                proxy.abort_one()
            ...
    history.check({"features": ["model"]}).raise_if_bad()
"""

from swergio.testing.blame import Suspect
from swergio.testing.faults import FaultProxy
from swergio.testing.findings import (
    BrokenHistory,
    Diverging,
    Duplicated,
    FromNowhere,
    Lost,
    Misreported,
    Reordered,
    Report,
    Unreported,
)
from swergio.testing.gradcheck import GradientMismatch, GradientReport, gradcheck
from swergio.testing.history import History
from swergio.testing.lines import Counters, Faults
from swergio.testing.seeds import choose_seed
from swergio.testing.waiting import Inbox, eventually

__all__ = [
    "BrokenHistory",
    "Counters",
    "Diverging",
    "Duplicated",
    "FaultProxy",
    "Faults",
    "FromNowhere",
    "GradientMismatch",
    "GradientReport",
    "History",
    "Inbox",
    "Lost",
    "Misreported",
    "Reordered",
    "Report",
    "Suspect",
    "Unreported",
    "choose_seed",
    "eventually",
    "gradcheck",
]
