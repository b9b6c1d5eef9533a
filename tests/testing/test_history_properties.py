"""The history checker against random corruption, and against a simpler oracle."""

from __future__ import annotations

import graphlib
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from swergio.testing import (
    Duplicated,
    FromNowhere,
    History,
    Lost,
    Misreported,
    Unreported,
)
from tests.testing.planted import MEMBERS, ROOM, findings, history_of

SENDERS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=30)
FATES = st.sampled_from(["come", "go", "twice", "alien"])


def corrupt(history: History, member: str, senders: list[str], fates: list[str], reported: int) -> set[object]:
    """
    Let each message come to a member, or not, or otherwise; return what a report must say.
    """
    expected: set[object] = set()
    gone: dict[str, list[int]] = {}
    for key, (sender, fate) in enumerate(zip(senders, fates, strict=True)):
        if fate == "go":
            gone.setdefault(sender, []).append(key)
            continue
        history.received(member, ROOM, key)
        if fate == "alien":
            history.received(member, ROOM, f"alien {key}")
            expected.add(FromNowhere(member, ROOM, f"alien {key}", "nobody sent it there"))
    for key in [key for key, fate in enumerate(fates) if fate == "twice"]:
        history.received(member, ROOM, key)
        expected.add(Duplicated(member, ROOM, key, 2))
    history.gap(member, ROOM, reported)
    expected |= {Lost(member, ROOM, sender, tuple(keys), senders.count(sender)) for sender, keys in gone.items()}
    lost = sum(map(len, gone.values()))
    if reported != lost:
        expected.add((Unreported if reported < lost else Misreported)(member, ROOM, lost, reported))
    return expected


@settings(deadline=None)
@given(SENDERS, st.data())
def test_random_corruption_is_reported_exactly(senders: list[str], data: st.DataObject) -> None:
    history = history_of([(sender, key) for key, sender in enumerate(senders)], {})
    expected: set[object] = set()
    for member in MEMBERS:
        fates = data.draw(st.lists(FATES, min_size=len(senders), max_size=len(senders)))
        expected |= corrupt(history, member, senders, fates, data.draw(st.integers(0, 5)))

    found = findings(history.check({ROOM: MEMBERS}))
    assert len(found) == len(expected)
    assert set(found) == expected


@settings(deadline=None)
@given(SENDERS, st.data())
def test_a_member_s_shuffled_messages_are_reordered_exactly(senders: list[str], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(senders))))
    report = history_of([(sender, key) for key, sender in enumerate(senders)], {"m1": order}).check()

    late = {key for place, key in enumerate(order) for other in order[:place]
            if senders[other] == senders[key] and other > key}  # fmt: skip
    assert {found.key for found in report.reordered} == late
    assert findings(report) == list(report.reordered)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 6), unique=True, max_size=7), min_size=1, max_size=4))
def test_a_divergence_is_found_if_and_only_if_there_is_no_one_order(orders: list[list[int]]) -> None:
    came = {f"m{number}": order for number, order in enumerate(orders)}
    history = history_of([(f"sender {key}", key) for key in range(7)], came)
    diverging = history.check({ROOM: list(came)}, lossy=list(came)).diverging

    graph = graphlib.TopologicalSorter[int]()
    for order in orders:
        for before, after in pairwise(order):
            graph.add(after, before)
    try:
        graph.prepare()
    except graphlib.CycleError:
        assert diverging
    else:
        assert not diverging

    told = [key for found in diverging for key in found.keys]
    assert len(told) == len(set(told))
    for found in diverging:
        for member, first, second in zip(found.members, found.keys, found.keys[1:] + found.keys[:1], strict=True):
            assert came[member].index(int(first)) < came[member].index(int(second))


def test_a_large_history_is_merged_whatever_its_members_lack() -> None:
    history = History()
    members = [f"m{number}" for number in range(8)]
    for key in range(24_000):
        history.sent(members[key % 8], ROOM, key)
    for member in members:
        for key in range(24_000):
            if members[key % 8] != member:
                history.received(member, ROOM, key)

    report = history.check({ROOM: members})
    assert report.ok
    assert report.received == 24_000 * 7
