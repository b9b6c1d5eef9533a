"""
Messages that flow: against the size of bodies, as arrays, to many members, from many senders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from benchmarks.subjects import BY_SOCKETS, SOCKETS, Subject, shares_memory
from benchmarks.workloads.case import Case, Column, Scale, Workload
from swergio.bench.measures import Flow, flow

KIB, MIB = 1 << 10, 1 << 20
SECONDS = 2.0  # that a run of texts takes, about
BYTES = 400 * MIB  # a second that is expected of large texts
WARM_ARRAYS = 1500  # of 1 MiB; with 200, half of the time is the receiver's start
# What swergio has to be told for messages beyond its usual limit of 64 MiB, which count their header too.
ROOM_FOR_LARGE = {"SWERGIO_MAX_MESSAGE": "80 MiB", "SWERGIO_OUTBOX_LIMIT": "80 MiB"}

RATE = Column("rate", "messages/s")
CPU = Column("cpu", "CPU µs/message", 2)


def _size(size: int) -> str:
    return f"{size} B" if size < KIB else f"{size // KIB} KiB" if size < MIB else f"{size // MIB} MiB"


def _many(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)


def _throughput(subjects: Sequence[Subject], scale: Scale) -> list[Case]:
    sizes = (16, 128, KIB, 8 * KIB, 64 * KIB) if scale.full else (128,)
    return [case for size in sizes for case in _flows(subjects, scale, _size(size), size=size)]


def _arrays(subjects: Sequence[Subject], scale: Scale) -> list[Case]:
    sizes = (64 * KIB, MIB, 16 * MIB, 64 * MIB) if scale.full else (MIB,)
    return [case for size in sizes for case in _arrays_of(subjects, scale, size)]


def _arrays_of(subjects: Sequence[Subject], scale: Scale, size: int) -> Iterator[Case]:
    for subject in subjects:
        most = min(WARM_ARRAYS * MIB, int(subject.arrays * 20e6)) / size
        what = Flow(scale.count(min(most, WARM_ARRAYS), 8), size, arrays=True, deadline=scale.deadline)
        more = ROOM_FOR_LARGE if size > 32 * MIB else {}
        for usual in subject.contenders(scale.faces):
            contender = replace(usual, environment=usual.environment | more)
            yield Case(_size(size), contender.name, partial(flow, contender, what))
            if shares_memory() and subject.has_hub:
                name, environment = usual.name + SOCKETS, contender.environment | BY_SOCKETS
                contender = replace(contender, name=name, environment=environment)
                yield Case(_size(size), name, partial(flow, contender, what))


def _fan_out(subjects: Sequence[Subject], scale: Scale) -> list[Case]:
    # Whether the cost of a delivery grows with the members is asked of swergio alone, unless all is wanted.
    own = [subject for subject in subjects if subject.is_swergio]
    return [
        case
        for many in (1, 8, 64)
        for among in [subjects if scale.full or many == 8 else own]
        for case in _flows(among, scale, _many(many, "member"), share=max(many / 2, 1), members=many)
    ]


def _fan_in(subjects: Sequence[Subject], scale: Scale) -> list[Case]:
    senders = (1, 4, 16) if scale.full else (8,)
    return [
        case for many in senders for case in _flows(subjects, scale, _many(many, "sender"), share=many, senders=many)
    ]


def _flows(
    subjects: Sequence[Subject],
    scale: Scale,
    variant: str,
    *,
    share: float = 1,
    size: int = 128,
    senders: int = 1,
    members: int = 1,
) -> Iterator[Case]:
    for subject in subjects:
        count = min(subject.pace, BYTES / size) * SECONDS / share
        what = Flow(scale.count(count), size, senders=senders, members=members, deadline=scale.deadline)
        for contender in subject.contenders(scale.faces):
            yield Case(variant, contender.name, partial(flow, contender, what))


THROUGHPUT = Workload(
    "throughput", "Throughput: one sender, one member", (RATE, CPU), cases=_throughput, axis="bytes of a body"
)
ARRAYS = Workload(
    "arrays",
    "Arrays of float32: one sender, one member",
    (Column("megabytes", "MB/s"), CPU),
    cases=_arrays,
    axis="bytes of an array",
)
FAN_OUT = Workload(
    "fan-out",
    "Fan-out: one sender, many members",
    (Column("rate", "deliveries/s"), Column("cpu", "CPU µs/delivery", 2)),
    cases=_fan_out,
    axis="members",
)
FAN_IN = Workload("fan-in", "Fan-in: many senders, one member", (RATE, CPU), cases=_fan_in, axis="senders")
