"""Direct messages: to a name, to an instance, to nobody; and who else sees them."""

from __future__ import annotations

import threading

from swergio.messages import Message
from swergio.testing.conformance.foundation import Foundation, Make
from swergio.testing.conformance.steps import send_until
from swergio.testing.waiting import Inbox, eventually


class Direct(Foundation):
    """
    DESIGN section 3, point 4: messages to a component.
    """

    def test_a_direct_message_reaches_every_instance_of_a_name_or_one_instance(self, make: Make, room: str) -> None:
        inbox = Inbox()
        workers = [make("worker"), make("worker")]
        for worker in workers:
            worker.on(room)(lambda message, worker=worker: inbox.put((worker.instance, message.data, message.to)))
            worker.start()
        boss = make("boss").start()
        boss.send(room, "all", to="worker")
        everyone = [(worker.instance, "all", "worker") for worker in workers]
        inbox.expect(everyone, ordered=False)
        chosen = workers[1].instance
        boss.send(room, "you", to=chosen)
        inbox.expect([*everyone, (chosen, "you", chosen)], ordered=False)

    def test_direct_messages_keep_their_order(self, make: Make, room: str) -> None:
        inbox, worker, boss = Inbox(), make("worker"), make("boss").start()
        worker.on(room)(inbox.take_data)
        worker.start()
        for number in range(200):
            boss.send(room, number, to=worker.instance)
        inbox.expect(range(200))

    def test_a_direct_message_is_for_nobody_else(self, make: Make, room: str) -> None:
        """
        Not for other members of the room, and not for other instances of the name.
        """
        inbox, other, twin = Inbox(), make("other"), make("worker")
        for component in (other, twin):
            component.on(room)(inbox.take_data)
            component.start()
        worker, answered, boss = make("worker"), Inbox(), make("boss").start()
        worker.on(room)(answered.take_data)
        worker.start()
        boss.send(room, "you", to=worker.instance)
        answered.expect(["you"])
        boss.send(room, "all")
        inbox.expect(["all", "all"])

    def test_a_direct_message_needs_no_membership(self, make: Make, room: str) -> None:
        """
        It labels what is said with a room; who gets it handles it there.
        """
        inbox, worker, boss = Inbox(), make("worker").start(), make("boss").start()
        worker.join(room)
        worker.on(room)(inbox.take_data)
        worker.leave(room)
        boss.send(room, "you", to=worker.instance)
        inbox.expect(["you"])

    def test_a_direct_message_to_nobody_is_counted(self, make: Make, room: str) -> None:
        boss = make("boss").start()
        boss.send(room, "you", to="nobody of this name")
        boss.flush(20)
        eventually(lambda: boss.stats.undeliverable == 1, "the message to nobody is counted in stats.undeliverable")

    def test_an_observer_sees_the_direct_messages_of_a_room(self, make: Make, room: str) -> None:
        inbox, observer, two, one = Inbox(), make("observer").start(), make("two"), make("one").start()
        began = threading.Event()

        def observe() -> None:
            for message in observer.messages(room, observe=True):
                began.set()
                if message.data != "begin":
                    inbox.put_address(message)

        threading.Thread(target=observe, daemon=True).start()
        two.on(room)(lambda message: None)
        two.start()
        send_until(began.is_set, "the observer observes", one, room, "begin")
        one.send(room, "for all")
        one.send(room, "for two", to="two")
        inbox.expect([("for all", None), ("for two", "two")], ordered=False)

    def test_feedback_goes_to_the_sender_of_a_message_alone(self, make: Make, room: str) -> None:
        rewards, others = Inbox(), Inbox()
        actor, twin, critic = make("actor"), make("actor"), make("critic")
        actor.on(room, "DATA/REWARD")(lambda message: rewards.put((message.data, message.parent is not None)))
        twin.on(room, "DATA/REWARD")(others.take_data)

        def judge(message: Message) -> None:
            message.feedback(message.data + 0.5, "DATA/REWARD")

        critic.on(room, "DATA/CUSTOM")(judge)
        for component in (actor, twin, critic):
            component.start()
        for number in range(10):
            actor.send(room, number)
        rewards.expect([(number + 0.5, True) for number in range(10)])
        assert others.items == []
