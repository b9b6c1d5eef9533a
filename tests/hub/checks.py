"""What must hold in a simulated world: at every moment, and when everything has come to rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations

from swergio.channels import Channel
from swergio.transport import Mode
from tests.hub.records import Membership
from tests.hub.simulation import Component, World

BATCH = 4500  # what one batch of the tests may cost: an outbox full of small messages, and one large one


def check_bounds(world: World) -> None:
    """
    Nothing holds more than it may, and what is counted is there.
    """
    directory = world.router.directory
    logs = list(world.logs())
    for log in logs:
        marks = 64 * sum(len(component.outbox.channels) for component in world.components)
        assert 0 <= log.held <= log.limit + BATCH + marks
        assert log.held == sum(log.entry(index).cost for index in range(log.base_index, log.end_index))
        for cursor in log.cursors.values():
            assert cursor.consumed <= cursor.pushed <= log.end_index
            assert cursor.in_flight == sum(cost for _, cost, _ in cursor.given or ()) <= world.limits["window"] + BATCH
            assert not cursor.reliable or log.base_index <= cursor.consumed
    assert directory.budget.used == sum(log.held for log in logs)
    assert directory.budget.used <= world.limits["memory_limit"] + sum(BATCH for log in logs if log.held)
    for session in directory.sessions.values():
        for channel in session.channels.values():
            parked = sum(parcel.cost for parcel in channel.parked or ())
            assert channel.waiting == parked <= world.limits["window"] + BATCH
            assert (channel in session.held_up) == bool(channel.parked)
    for component in world.components:
        check_component(component, world.limits["window"])


def check_component(component: Component, window: int) -> None:
    """
    The outbox counts what it holds, and what came and is not consumed is bounded for each log.
    """
    for channel in component.outbox.channels:
        waiting = sum(batch.cost for batch in channel.waiting) + (channel.open.cost if channel.open else 0)
        assert channel.queued == sum(batch.cost for batch in channel.closed) + waiting
        sent = list(channel.closed)[: len(channel.closed) - channel.unsent]
        if component.client.welcomed:
            assert channel.in_flight == sum(batch.cost for batch in sent) <= window + BATCH
    unread: Counter[int] = Counter()
    for inbound in component.unread:
        unread[id(inbound.receipt[0])] += inbound.receipt[2]
    assert all(cost <= window + BATCH for cost in unread.values())


def check_order(world: World) -> None:
    """
    The members of a room saw one order in the life of one hub.
    """
    seen: dict[tuple[str, str | None], list[dict[tuple[str, int], int]]] = defaultdict(list)
    for component in world.components:
        ranks: dict[tuple[str, str | None], dict[tuple[str, int], int]] = defaultdict(dict)
        for rank, got in enumerate(component.received):
            if got.to is None:
                ranks[got.room, got.epoch][got.sender, got.number] = rank
        for where, ranked in ranks.items():
            seen[where].append(ranked)
    for where, orders in seen.items():
        for one, other in combinations(orders, 2):
            common = sorted(one.keys() & other.keys(), key=one.__getitem__)
            assert common == sorted(common, key=other.__getitem__), where


def check_rooms(world: World) -> None:
    """
    Each member received what was sent after it joined, or knows exactly how much of it is lost.
    """
    for component in world.components:
        for room, membership in component.memberships.items():
            least, most = Counter[str](), Counter[str]()
            for sender in world.components:
                if sender is not component or membership.echo:
                    bounds = _missing(component, membership, sender, sender.channel(room))
                    least[sender.instance], most[sender.instance] = bounds
            if not world.exact:
                least.clear()
            membership.lost = Counter({sender: membership.lost[sender] for sender in most})
            where = (room, component.instance, membership, least, most)
            if membership.modes == {Mode.RELIABLE}:
                assert all(least[sender] <= membership.lost[sender] <= most[sender] for sender in most), where
                assert not membership.dropped, where
                assert membership.expired or not membership.lost.total(), where
            assert least.total() <= membership.lost.total() + membership.dropped <= most.total(), where


def _missing(component: Component, membership: Membership, sender: Component, channel: Channel) -> tuple[int, int]:
    # Requests that found nobody or were taken back: who was away then may count them as lost.
    got = [item.number for item in membership.got if item.sender == sender.instance]
    before = membership.before.get(sender.instance, 0)
    assert before <= membership.sent.get(sender.instance, 0), "the membership began before it was confirmed"
    assert got == sorted(set(got)), (component.instance, sender.instance, got)
    assert all(before < number <= channel.last for number in got)
    missing = set(range(before + 1, channel.last + 1)).difference(got)
    returned = {number for where, number, _ in sender.undelivered if where == channel.number}
    returned |= {number for where, number in sender.withdrawn if where == channel.number}
    return len(missing - returned), len(missing)


def check_inboxes(world: World) -> None:
    """
    Each component received what was sent to it or to its name, or knows exactly how much of it is lost.
    """
    for component in world.components:
        for sender in world.components:
            missing = 0
            for channel in sender.outbox.channels:
                if channel.to in {component.instance, component.instance.name}:
                    got = [
                        item.number
                        for item in component.received
                        if item.to is not None and (item.sender, item.channel) == (sender.instance, channel.number)
                    ]
                    assert got == sorted(set(got)), (component.instance, sender.instance, got)
                    missing += channel.last - len(got)
            lost = component.lost_directly[sender.instance]
            assert lost == missing or (lost < missing and not world.exact), (component.instance, sender.instance)


def check_rest(world: World) -> None:
    """
    When nothing moves any more, everything is acknowledged and given to everyone, and nothing is kept.
    """
    for component in world.components:
        assert component.outbox.unacknowledged == 0, component.instance
        assert not component.client._questions._open
        for session in world.router.directory.sessions.values():
            assert not session.control
            assert not session.acknowledgements
    assert not world.router.placing.parking._waiting
    assert {log.name: log.held for log in world.logs() if log.held} == {}
    assert world.router.directory.budget.used == 0
    assert all(arena.idle for arena in world.router.lender._arenas.values())
