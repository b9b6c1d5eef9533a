"""
A member that reads a log, without a server: whatever is published, lost on the way or trimmed, it delivers everything
in order, once, and counts exactly what it lacks.
"""

from __future__ import annotations

import struct
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swergio.codec.batch import encode_one
from swergio.hub import Position
from swergio.messages import Instance
from swergio.transport import Inbound, Loss, Manner, Mode
from swergio_transports.redis.access import Access, Limits
from swergio_transports.redis.entries import Entry, batch, published, stored
from swergio_transports.redis.keys import Keys
from swergio_transports.redis.loose import Loose
from swergio_transports.redis.reading import Reading, State
from swergio_transports.redis.receiving import Receiver
from swergio_transports.redis.sharing import FEW, Share

BASE = 1000
SIZE = 100
SENDER = "sender#1"
KEYS = Keys("test")
ROOM = KEYS.room("room")


class Told:
    """
    What a receiver tells its component.
    """

    def __init__(self) -> None:
        self.inbound: list[Inbound] = []
        self.lost_count = 0
        self.skipped = 0

    @property
    def numbers(self) -> list[int]:
        return [inbound.first for inbound in self.inbound]

    def delivered(self, inbound: Inbound) -> None:
        self.inbound.append(inbound)

    def lost(self, loss: Loss) -> None:
        self.lost_count += loss.count

    def dropped(self, room: str, count: int) -> None:
        self.skipped += count


def receiver(told: Told, *, window: int = 10 * SIZE, loose: bool = False) -> Receiver:
    nobody = cast("Any", None)
    access = Access(Instance("member#1"), "", nobody, KEYS, "PUBLISH", Limits(0, 0), loose)
    return Receiver(access, cast("Any", told), window)


def joined(member: Receiver, manner: Manner = Manner()) -> Reading:  # noqa: B008  it is immutable
    reading = member.begin(ROOM, "room", manner)
    member.rooms["room"] = reading
    member.joined(reading, BASE, BASE, [])
    return reading


class Log:
    """
    The server's side.
    """

    def __init__(self) -> None:
        self.entries: list[tuple[int, bytes]] = []
        self.base = self.top = BASE
        self.number = 0

    def append(self) -> bytes:
        """
        Append a message; return what is published.
        """
        self.number += 1
        header = (SENDER, 0, self.number - 1, self.number, 1, "room", None)
        frame = b"".join(batch(header, [encode_one("DATA/CUSTOM", b"\x01", (), None)]))
        self.entries.append((self.top, frame))
        place, self.top = self.top, self.top + SIZE
        return struct.pack(">QQQQ", place, SIZE, 0, 0) + frame

    def read(self, start: int, end: int) -> list[Any]:
        """
        Return entries as the server does.
        """
        about = b"%d 1 %s" % (SIZE, SENDER.encode())
        return [(b"%d-0" % place, [about, frame]) for place, frame in self.entries if start <= place < end]

    def state(self, place: int) -> State:
        """
        Return where it stands.
        """
        first = next((at for at, _ in self.entries if at >= place), 0)
        return State(
            self.base, self.top, member=True, first=first, positions=[Position(SENDER, 0, self.number, 0, None)]
        )

    def reset(self, jump: int) -> None:
        """
        Lose everything: another log begins.
        """
        self.entries.clear()
        self.base = self.top = self.top + jump


def pump(member: Receiver, log: Log) -> None:
    """
    Fetch what is wanted, as the transport does.
    """
    while member.wanting:
        reading = next(iter(member.wanting))
        del member.wanting[reading]
        while (span := reading.wanted()) is not None:
            reading.fetching = True
            if member.fetched(reading, [stored(item) for item in log.read(*span)]):
                reading = member.stands(reading, log.state(reading.next))


def test_what_comes_in_order_is_delivered_at_once() -> None:
    told, log = Told(), Log()
    member = receiver(told)
    joined(member)
    for _ in range(5):
        member.came(ROOM.channel, log.append(), 0)
    assert told.numbers == [1, 2, 3, 4, 5]


def test_a_hole_is_fetched_and_what_came_behind_it_is_not() -> None:
    told, log = Told(), Log()
    member = receiver(told)
    reading = joined(member)
    log.append()
    for _ in range(3):
        member.came(ROOM.channel, log.append(), 0)
    assert told.numbers == []
    assert reading.wanted() == (BASE, BASE + SIZE)
    pump(member, log)
    assert told.numbers == [1, 2, 3, 4]


def test_no_more_than_a_window_is_ahead_of_the_handlers() -> None:
    told, log = Told(), Log()
    member = receiver(told, window=3 * SIZE)
    joined(member)
    for _ in range(10):
        member.came(ROOM.channel, log.append(), 0)
        pump(member, log)
    assert told.numbers == [1, 2, 3]
    member.consumed(told.inbound[0].receipt)
    pump(member, log)
    assert told.numbers == [1, 2, 3, 4]
    assert [reading.consumed for reading in member.reports()] == [BASE + SIZE]


def test_what_was_trimmed_is_counted_as_lost_and_for_a_lossy_member_as_skipped() -> None:
    for manner, lost, skipped in ((Manner(), 4, 0), (Manner(Mode.LOSSY), 0, 4)):
        told, log = Told(), Log()
        member = receiver(told)
        joined(member, manner)
        for _ in range(5):
            log.append()
        del log.entries[:4]
        member.came(ROOM.channel, log.append(), 0)
        pump(member, log)
        assert (told.numbers, told.lost_count, told.skipped) == ([5, 6], lost, skipped)


@pytest.mark.parametrize("jump", [-50, 5000], ids=["lower places", "higher places"])
def test_a_log_that_begins_anew_costs_what_was_not_read(jump: int) -> None:
    told, log = Told(), Log()
    member = receiver(told)
    reading = joined(member)
    for _ in range(3):
        member.came(ROOM.channel, log.append(), 0)
    log.append()
    log.reset(jump)
    log.append()
    reading = member.stands(reading, log.state(reading.next))
    for inbound in list(told.inbound):
        member.consumed(inbound.receipt)
    pump(member, log)
    assert (told.numbers, told.lost_count) == ([1, 2, 3, 5], 1)
    member.consumed(told.inbound[-1].receipt)
    assert reading.consumed == log.top


def test_without_recovery_a_hole_is_counted_at_the_next_message_or_when_the_log_is_looked_at() -> None:
    told, log = Told(), Log()
    member = receiver(told, loose=True)
    reading = joined(member)
    assert isinstance(reading, Loose)
    member.came(ROOM.channel, log.append(), 0)
    log.append()
    member.came(ROOM.channel, log.append(), 0)
    assert (told.numbers, told.lost_count) == ([1, 3], 1)
    log.append()
    assert member.ends_at(reading, log.top)
    member.stands(reading, log.state(reading.next)._replace(first=0))
    assert (told.numbers, told.lost_count) == ([1, 3], 2)


def test_without_recovery_what_waits_for_the_handlers_outlives_the_log() -> None:
    told, log = Told(), Log()
    member = receiver(told, window=SIZE, loose=True)
    reading = joined(member)
    for _ in range(4):
        member.came(ROOM.channel, log.append(), 0)
    assert (told.numbers, reading.seen) == ([1], log.top)
    log.reset(5000)  # behind all that it saw, as the member asks for when it joins again
    member.stands(reading, log.state(reading.next)._replace(first=0, positions=[]))
    member.came(ROOM.channel, log.append(), 0)
    for handled in range(5):
        member.consumed(told.inbound[handled].receipt)
    assert (told.numbers, told.lost_count) == ([1, 2, 3, 4, 5], 0)


class Run:
    """
    One member and one log, to which things happen.
    """

    def __init__(self, *, loose: bool) -> None:
        self.told, self.log = Told(), Log()
        self.member = receiver(self.told, window=4 * SIZE, loose=loose)
        self.loose = loose
        self.handled = 0
        joined(self.member)
        self.publish()  # without recovery, what is lost of a sender that was never heard of is not known

    def publish(self) -> None:
        self.member.came(ROOM.channel, self.log.append(), 0)

    def lose(self) -> None:
        self.log.append()

    def handle(self) -> None:
        if self.handled < len(self.told.inbound):
            self.member.consumed(self.told.inbound[self.handled].receipt)
            self.handled += 1

    def fetch(self) -> None:
        pump(self.member, self.log)

    def trim(self) -> None:
        self.log.entries = self.log.entries[len(self.log.entries) // 2 :]

    def reset(self) -> None:
        self.log.reset(10_000)

    def overlap(self) -> None:
        """
        A new log begins at places where the old one was that waits here.
        """
        self.log.reset(max(self.member.rooms["room"].next, self.log.base) + SIZE // 2 - self.log.top)

    def look(self) -> None:
        reading = self.member.rooms["room"]
        if self.log.top < reading.seen:  # joining again begins a log behind all that the member saw: `join.lua`
            self.log.base = self.log.top = reading.seen + 10_000
        if self.log.base != reading.base or self.member.ends_at(reading, self.log.top):
            state = self.log.state(reading.next)
            self.member.stands(reading, state._replace(first=0) if self.loose else state)

    def end(self) -> None:
        self.look()
        self.fetch()
        while self.handled < len(self.told.inbound):
            self.handle()
            self.fetch()
        self.look()  # without recovery, what is missing behind what waited


@pytest.mark.parametrize("loose", [False, True], ids=["recovery", "no recovery"])
@settings(max_examples=300, deadline=None)
@given(
    happenings=st.lists(
        st.sampled_from(["publish", "lose", "handle", "fetch", "trim", "look", "reset", "overlap"]),
        max_size=60,
    )
)
def test_everything_is_delivered_once_in_order_or_counted(happenings: list[str], *, loose: bool) -> None:
    run = Run(loose=loose)
    for happening in happenings:
        getattr(run, happening)()
    run.end()
    numbers = run.told.numbers
    assert numbers == sorted(set(numbers))
    assert len(numbers) + run.told.lost_count == run.log.number
    assert not run.member.duplicates


# -- groups -------------------------------------------------------------------------------------------------------


def shared(member: Receiver) -> Share:
    share = joined(member, Manner(group="workers"))
    assert isinstance(share, Share)
    return share


def work(number: int, attempt: int = 1) -> list[Any]:
    log = Log()
    log.number = number - 1
    log.top = BASE + number * SIZE
    log.append()
    ((id_, (about, frame)),) = log.read(0, 2**53)
    return [id_, about, frame, attempt]


def test_a_member_of_a_group_takes_little_and_more_only_when_it_is_quick() -> None:
    told = Told()
    member = receiver(told)
    share = shared(member)
    assert share.ask(0.0) == (FEW, False, ())
    member.given(share, [BASE, work(1)], FEW)
    assert told.numbers == [1]
    assert share.ask(0.001) is None
    member.consumed(told.inbound[0].receipt)
    member.ended(told.inbound[0].receipt)
    assert share.ask(0.002) == (2 * FEW, False, (work(1)[0],))
    member.given(share, [BASE, work(2), work(3)], 2 * FEW)
    member.consumed(told.inbound[1].receipt)
    member.ended(told.inbound[1].receipt)
    assert share.ask(2.0) == (1, False, (work(2)[0],))
    assert share.most == FEW  # slow handlers: it takes no more than it works on


def test_work_is_finished_when_what_its_handler_sent_has_arrived() -> None:
    told = Told()
    member = receiver(told)
    share = shared(member)
    share.ask(0.0)
    member.given(share, [BASE, work(1)], 4)
    member.consumed(told.inbound[0].receipt)
    assert not share.finished
    member.ended(told.inbound[0].receipt)
    assert list(share.finished) == [work(1)[0]]


def test_after_a_lost_answer_what_is_in_hand_does_not_come_again() -> None:
    told = Told()
    member = receiver(told)
    share = shared(member)
    share.most = 4
    share.ask(0.0)
    member.given(share, [BASE, work(1)], 4)
    share.hungry = True
    assert share.ask(0.001) is not None
    share.lost()
    asked = share.ask(0.002)
    assert asked is not None
    assert asked[1]
    member.given(share, [BASE, work(1), work(2, attempt=3)], 4)
    assert [(inbound.first, inbound.attempt) for inbound in told.inbound] == [(1, 0), (2, 2)]


def test_a_published_entry_is_read_with_its_place() -> None:
    data = Log().append()
    assert published(data) == Entry(BASE, BASE + SIZE, 0, memoryview(data)[32:])
