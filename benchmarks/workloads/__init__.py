"""
What is measured: each workload lists its cases, a case is one thing that is run again and again.
"""

from __future__ import annotations

from benchmarks.workloads.case import Case, Scale, Workload
from benchmarks.workloads.flows import ARRAYS, FAN_IN, FAN_OUT, THROUGHPUT
from benchmarks.workloads.members import MEMBERS
from benchmarks.workloads.passes import PASSES
from benchmarks.workloads.rooms import ROOMS
from benchmarks.workloads.round_trips import ROUND_TRIP
from benchmarks.workloads.startup import STARTUP

__all__ = ["WORKLOADS", "Case", "Scale", "Workload"]

WORKLOADS = {
    workload.name: workload
    for workload in (ROUND_TRIP, THROUGHPUT, ARRAYS, FAN_OUT, FAN_IN, MEMBERS, ROOMS, PASSES, STARTUP)
}
