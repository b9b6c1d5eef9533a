"""Rooms: joining, order, echo, direct messages, membership, leaving."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import swergio
from tests.live.inbox import Inbox, eventually

Make = Callable[..., Any]


def test_a_member_gets_everything_that_is_sent_after_join_returned(make: Make) -> None:
    sender, member = make("sender").start(), make("member")
    inbox = Inbox()
    rooms = [f"room {number}" for number in range(20)]
    for room in rooms:
        member.on(room)(inbox.take_data)
    member.start()
    for room in rooms:
        sender.send(room, room)
    assert sorted(inbox.wait(20)) == sorted(rooms)


def test_all_members_see_one_order_and_each_sender_in_its_own(make: Make) -> None:
    inboxes = [Inbox(), Inbox()]
    for number, inbox in enumerate(inboxes):
        member = make(f"member{number}")
        member.on("room")(inbox.take_data)
        member.start()
    senders = [make(f"sender{number}").start() for number in range(3)]

    def send(sender: Any, which: int) -> None:
        for number in range(500):
            sender.send("room", [which, number])

    threads = [threading.Thread(target=send, args=(sender, which)) for which, sender in enumerate(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = (inbox.wait(1500) for inbox in inboxes)
    assert first == second
    for which in range(3):
        assert [number for sender, number in first if sender == which] == list(range(500))


def test_a_sender_gets_its_own_messages_only_if_it_asks(make: Make) -> None:
    quiet, loud = Inbox(), Inbox()
    one, two = make("one"), make("two")
    one.on("room")(quiet.take_data)
    two.on("room", echo=True)(loud.take_data)
    one.start()
    two.start()
    one.send("room", "from one")
    two.send("room", "from two")
    assert sorted(loud.wait(2)) == ["from one", "from two"]
    assert quiet.wait(1) == ["from two"]


def test_a_direct_message_reaches_every_instance_of_a_name_or_one_instance(make: Make) -> None:
    inbox = Inbox()
    workers = [make("worker"), make("worker")]
    for worker in workers:
        worker.on("jobs")(lambda message, worker=worker: inbox.put((worker.instance, message.data, message.to)))
        worker.start()
    boss = make("boss").start()
    boss.send("jobs", "all", to="worker")
    everyone = {(worker.instance, "all", "worker") for worker in workers}
    assert set(inbox.wait(2)) == everyone
    boss.send("jobs", "you", to=workers[1].instance)
    assert inbox.wait(3)[2] == (workers[1].instance, "you", workers[1].instance)


def test_sending_to_an_empty_room_is_no_error(make: Make) -> None:
    sender = make("sender").start()
    sender.send("nobody is here", 1)
    sender.flush(10)


def test_members_are_listed_until_they_leave(make: Make) -> None:
    one, two = make("one").start(), make("two").start()
    one.join("room")
    two.join("room", observe=True)
    members = one.members("room")
    assert [(member.instance.name, member.mode) for member in members] == [("one", "reliable"), ("two", "observer")]
    one.leave("room")
    assert [member.instance.name for member in two.members("room")] == ["two"]
    two.close()
    assert one.members("room") == []
    assert one.rooms() == [] or one.rooms()[0]["room"] == "room"


def test_nothing_of_a_room_is_delivered_after_leave_returned(make: Make) -> None:
    inbox = Inbox()
    member, sender = make("member"), make("sender")
    member.on("room")(inbox.take_data)
    member.start()
    sender.start()
    sender.send("room", 1)
    inbox.wait(1)
    member.leave("room")
    sender.send("room", 2)
    sender.flush(10)
    member.join("room")
    sender.send("room", 3)
    assert inbox.wait(2) == [1, 3]
    assert member.stats.lost == 0


def test_iterating_over_the_messages_of_a_room(make: Make) -> None:
    reader, sender = make("reader").start(), make("sender").start()
    messages = reader.messages("kpi", lossy=False)
    seen: list[Any] = []

    def read() -> None:
        for message in messages:
            seen.append(message.data)
            if len(seen) == 100:
                return

    thread = threading.Thread(target=read)
    thread.start()
    eventually(lambda: sender.members("kpi"), "the iterator is a member")
    for number in range(100):
        sender.send("kpi", number)
    thread.join(20)
    assert seen == list(range(100))
    messages.close()
    assert sender.members("kpi") == []


def test_an_iteration_ends_when_the_component_is_closed(make: Make) -> None:
    reader = make("reader").start()
    ended = threading.Event()

    def read() -> None:
        for _ in reader.messages("room"):
            pass
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    eventually(lambda: reader.members("room"), "the iterator is a member")
    reader.close()
    assert ended.wait(10)


def test_an_observer_sees_the_direct_messages_of_a_room(make: Make) -> None:
    inbox = Inbox()
    observer, one, two = make("observer"), make("one"), make("two")
    observer.start()
    one.start()
    observed = threading.Thread(
        target=lambda: list(map(inbox.put_address, observer.messages("room", observe=True))),
        daemon=True,
    )
    observed.start()
    two.on("room")(lambda message: None)
    two.start()
    eventually(lambda: len(one.members("room")) == 2, "observer and member are there")
    one.send("room", "for all")
    one.send("room", "for two", to="two")
    assert inbox.wait(2) == [("for all", None), ("for two", "two")]


def test_a_unique_name_is_refused_to_a_second_component(make: Make) -> None:
    make("oracle", unique=True).start()
    with pytest.raises(swergio.NameTaken, match="oracle"):
        make("oracle").start()


@pytest.mark.parametrize(
    ("room", "message"),
    [
        ("", "neither is empty"),
        ("a" * 129, "129 bytes"),
        (7, "named by text"),
        ("a\nb", "printable"),
        ("_x", "reserved"),
    ],
)
def test_a_room_that_cannot_be_named_so_is_refused_at_send(make: Make, room: Any, message: str) -> None:
    sender = make("sender").start()
    with pytest.raises(swergio.InvalidName, match=message):
        sender.send(room, 1)
    sender.send("good", 1)
    sender.flush(10)


def test_a_component_that_is_not_open_says_so(make: Make) -> None:
    component = make("late")
    with pytest.raises(swergio.ComponentClosed, match="was not started"):
        component.send("room", 1)
    component.start()
    component.close()
    with pytest.raises(swergio.ComponentClosed, match="it is closed"):
        component.send("room", 1)
