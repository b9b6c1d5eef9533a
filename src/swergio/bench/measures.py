"""
The two things that most measurements are: messages that flow, and requests one at a time.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

from swergio.bench.outcome import Outcome
from swergio.bench.processes import DEADLINE, Process, RoleFailed
from swergio.bench.stage import BACK, OUT, Contender, Stage, cpu_per_message

WARM_UP = 0.1  # share of the messages that goes before those that count
STALL = 5.0  # without a message for so long, and this for each of its bytes, none comes any more
STALL_FOR_A_BYTE = 0.25e-6
PROCESSES = 8  # at most so many receive; with more members, each is several


class Flow(NamedTuple):
    """
    Messages that flow.

    Attributes:
        messages: How many each sender sends.
        size: The bytes of each.
        arrays: Whether they are arrays of float32, or texts.
        senders, members: How many send to the room, and receive from it.
        deadline: Seconds that each part of it may take.
    """

    messages: int
    size: int = 128
    arrays: bool = False
    senders: int = 1
    members: int = 1
    deadline: float = DEADLINE


def flow(contender: Contender, what: Flow, core: int | None = None) -> Outcome:
    """
    Have messages flow from senders through a broker to members.

    The rate is that of deliveries, from the moment when the first is sent until the last has come everywhere.

    Returns:
        ``rate`` (deliveries a second), ``megabytes`` (a second) and ``cpu`` (µs a delivery).
    """
    try:
        with Stage(contender, core) as stage:
            return _flow(stage, what)
    except RoleFailed as exc:
        return Outcome(problem=str(exc))


def _flow(stage: Stage, what: Flow) -> Outcome:
    receivers, senders = audience(stage, what), speakers(stage, what)
    make_heard(receivers, senders, what.deadline)
    return timed(stage, receivers, senders, what)


def timed(stage: Stage, receivers: list[Process], senders: list[Process], what: Flow) -> Outcome:
    """
    Have messages flow between roles that are there: first some that do not count, then those that do.
    """
    for count in (max(1, int(what.messages * WARM_UP)), what.messages):
        before = stage.cpu()
        seconds = part(receivers, senders, count, what)
        after, outcome = stage.cpu(), wrong(receivers)
        if not outcome.sound:
            return outcome
        if seconds is None:
            return Outcome(problem="messages came after a long silence")
    deliveries = what.messages * what.senders * what.members
    spent = cpu_per_message(before, after, deliveries)
    assert seconds is not None
    rate = deliveries / seconds
    return Outcome({"rate": rate, "megabytes": rate * what.size / 1e6, **spent})


def audience(stage: Stage, what: Flow) -> list[Process]:
    """
    Start the processes that receive.
    """
    form: dict[str, Any] = {"form": stage.contender.forms[what.arrays], "size": what.size}
    several = min(what.members, PROCESSES)
    shares = [what.members // several + (number < what.members % several) for number in range(several)]
    receivers = [stage.add("receiver", listens=OUT, members=share, senders=what.senders, **form) for share in shares]
    for receiver in receivers:
        receiver.hear("ready", what.deadline)
    return receivers


def speakers(stage: Stage, what: Flow) -> list[Process]:
    """
    Start the processes that send.
    """
    form: dict[str, Any] = {"form": stage.contender.forms[what.arrays], "size": what.size}
    senders = [stage.add("sender", sends=OUT, number=number, **form) for number in range(what.senders)]
    for sender in senders:
        sender.hear("ready", what.deadline)
    return senders


def make_heard(receivers: list[Process], senders: list[Process], timeout: float) -> None:
    """
    Have each sender send until each member has heard it: a subscription may take a while to be known everywhere.
    """
    deadline = time.monotonic() + timeout
    while True:
        for sender in senders:
            sender.tell(probe=True)
        for sender in senders:
            sender.hear("sent", timeout)
        time.sleep(0.05)
        for receiver in receivers:
            receiver.tell(heard=True)
        heard = [receiver.hear("heard", timeout)["heard"] for receiver in receivers]
        if all(heard):
            return
        if time.monotonic() > deadline:
            raise RoleFailed(receivers[0].name, f"heard nothing in {timeout:g} s", "")


def part(receivers: list[Process], senders: list[Process], count: int, what: Flow) -> float | None:
    """
    Have ``count`` messages of each sender flow; return the seconds that took, or None if not all came.
    """
    for receiver in receivers:
        receiver.tell(expect=count * len(senders))
    for receiver in receivers:
        receiver.hear("expecting")
    for sender in senders:
        sender.tell(send=count)
    began = min(sender.hear("sent", what.deadline)["began"] for sender in senders)
    ended = [_end_of(receiver, what) for receiver in receivers]
    return None if math.inf in ended else max(ended) - began


def _end_of(receiver: Process, what: Flow) -> float:
    """
    Return when a receiver had everything; infinity if nothing comes any more.

    Raises:
        RoleFailed: messages still came, and the deadline is over: it is too slow, and nothing is lost.
    """
    seen, deadline = -1, time.monotonic() + what.deadline
    patience = STALL + STALL_FOR_A_BYTE * what.size
    while time.monotonic() < deadline:
        if facts := receiver.listen("finished", timeout=patience):
            return float(facts["ended"])
        receiver.tell(report=True)
        facts = receiver.listen("finished", "report", timeout=what.deadline)
        if facts and "finished" in facts:
            return float(facts["ended"])
        if facts is None or facts["seen"] == seen:
            return math.inf
        seen = facts["seen"]
    raise RoleFailed(receiver.name, f"had {seen:,} messages after {what.deadline:g} s, and not all", "")


def wrong(receivers: list[Process]) -> Outcome:
    """
    Return what receivers found wrong so far; an outcome without figures.
    """
    for receiver in receivers:
        receiver.tell(report=True)
    reports = [receiver.hear("report") for receiver in receivers]
    counts = {kind: sum(report[kind] for report in reports) for kind in ("lost", "duplicated", "reordered")}
    return Outcome(lost=counts["lost"], duplicated=counts["duplicated"], reordered=counts["reordered"])


def round_trip(
    contender: Contender, count: int, size: int = 64, core: int | None = None, deadline: float = DEADLINE
) -> Outcome:
    """
    Have one ask and another answer, one question at a time.

    Returns:
        ``p50``, ``p99``, ``p999`` (µs) and ``cpu`` (µs a round trip).
    """
    try:
        with Stage(contender, core) as stage:
            stage.add("echo", BACK, OUT).hear("ready")
            asker = stage.add("asker", OUT, BACK, form=contender.forms[0], size=size)
            asker.hear("ready")
            asker.tell(ask=max(2, int(count * WARM_UP)))
            asker.hear("asked", deadline)
            before = stage.cpu()
            asker.tell(ask=count)
            told = asker.hear("asked", deadline)
            spent = cpu_per_message(before, stage.cpu(), count)
    except RoleFailed as exc:
        return Outcome(problem=str(exc))
    if told["wrong"]:
        return Outcome(reordered=told["wrong"])
    return Outcome({name: told[name] for name in ("p50", "p99", "p999")} | spent)
