"""Passes: data forward through rooms, gradients, rewards and labels back. See DESIGN section 5, "Passes, exactly".

====================  =============================================================================================
pure                  ``ledger`` of ``records`` (what is owed), ``joins`` (fan-in), ``gradients`` (sums), ``slots``
one component's       ``bookkeeper`` (nodes), ``begun`` (processes), ``rosters`` (who is in the rooms)
steps                 ``node`` and ``loss`` forward, ``sent`` backward, ``process`` with ``openpass``
both faces            ``waits`` (flows are written once), ``registering``, ``faces``
====================  =============================================================================================
"""

from swergio.passes.context import Context
from swergio.passes.faces import AsyncProcess, AsyncPullback, Process, Pullback
from swergio.passes.node import Node
from swergio.passes.registering import Passes, PlainPasses

__all__ = ["AsyncProcess", "AsyncPullback", "Context", "Node", "Passes", "PlainPasses", "Process", "Pullback"]
