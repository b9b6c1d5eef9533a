"""The passes that the processes of a component began, while they are open and for a while after."""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from swergio.errors import SwergioError
from swergio.messages import Kind, Message, MessageType
from swergio.passes.failures import Failure
from swergio.passes.journal import Told
from swergio.passes.ledger import Ledger
from swergio.passes.records import Record
from swergio.passes.slots import Slots
from swergio.received import Received

RECENT = 64


class Pass(Told, Protocol):
    """
    What a process does with what comes of a pass. All on the loop, but for `ended`.
    """

    sink: str

    def product(self, message: Message) -> None:
        """
        Take a message of the pass that came to its sink.
        """

    def gradient(self, message: Message, complete: bool) -> None:
        """
        Take feedback on the message that the pass began with.
        """

    def fail(self, error: SwergioError) -> None:
        """
        It cannot be completed.
        """

    def expired(self) -> None:
        """
        Nobody called its pullback in time.
        """

    def surplus(self, message: Message) -> None:
        """
        Take what came when the pass was complete: more than it was said to be made of.
        """

    def ended(self) -> None:
        """
        Nobody waits for it any more: drop what came.
        """


class BegunPasses:
    """
    The open passes, by the id of their first message, and the last ones that were ended.

    A `swergio.core.Tap` of the rooms that are sinks.

    Args:
        max_open: How many may wait for their backward half at once.
    """

    def __init__(self, max_open: int) -> None:
        self.ledger: Ledger[Pass] = Ledger(max_records=2**63, max_bytes=2**63)
        self.slots = Slots(max_open)
        self._holding: set[str] = set()
        self._abandoned: deque[Record[Pass]] = deque()
        self._recent: dict[str, Pass] = {}
        self._lock = threading.Lock()

    # -- on the loop ----------------------------------------------------------------------------------------------

    def take(self, received: Received) -> bool:
        """
        Hand the products of own passes to them; nothing is kept of others.
        """
        if received.kind is Kind.MESSAGE and received.type == MessageType.FORWARD:
            for index in range(received.count):
                self._product(received, index)
        return False

    def _product(self, received: Received, index: int) -> None:
        root = received.root(index) or ""
        record = self.ledger.get(root)
        owner = self._recent.get(root) if record is None else record.owner
        if owner is None or owner.sink != received.room:
            return
        message = Message(received, index)
        if record is None:
            owner.surplus(message)
        else:
            owner.product(message)

    def end(self) -> None:
        """
        Do nothing: `close` tells the passes.
        """

    def feedback(self, received: Received, index: int, owing: str) -> bool:
        """
        Hand feedback of ``owing`` to the pass whose first message it answers; False if there is none that waits for it.
        """
        parent = received.parent(index) or ""
        if received.kind is Kind.FAILED_FEEDBACK:
            refused = self.ledger.refuse(parent, owing)
            if refused is not None:
                refused[0].owner.fail(Failure.of(Message(received, index)).error())
            return refused is not None
        match = self.ledger.match(parent, owing)
        if match is None:
            if parent in self._recent:
                self._recent[parent].surplus(Message(received, index))
            return False
        record, complete = match
        if complete:
            self._remember(record)  # before its caller wakes: a surplus may come with the same packet
        record.owner.gradient(Message(received, index), complete)
        return True

    def expire(self, now: float) -> None:
        """
        End the passes whose pullback was not called in time, or cannot be called any more.
        """
        self.collect()
        for record in self.ledger.expire(now):
            record.owner.expired()
            self.end_pass(record)

    def close(self, error: SwergioError) -> None:
        """
        Fail whatever is open.
        """
        for record in self.ledger.close_all():
            record.owner.fail(error)
            self.end_pass(record)

    # -- processes, on any thread ---------------------------------------------------------------------------------

    def hold(self, record: Record[Pass]) -> None:
        """
        Note that a pass holds a slot, which is free when the pass is ended.
        """
        with self._lock:
            self._holding.add(record.id)

    def end_pass(self, record: Record[Pass]) -> None:
        """
        Wait for nothing more of a pass. May be called twice.
        """
        self.ledger.close(record.id)
        self._remember(record)
        record.owner.ended()
        with self._lock:
            held = record.id in self._holding
            self._holding.discard(record.id)
        if held:
            self.slots.give()

    def abandon(self, record: Record[Pass]) -> None:
        """
        Note that nobody can pull a pass back any more. Called by the garbage collector, so it takes no lock.
        """
        self._abandoned.append(record)

    def collect(self) -> None:
        """
        End the passes that were abandoned.
        """
        while self._abandoned:
            self.end_pass(self._abandoned.popleft())

    def _remember(self, record: Record[Pass]) -> None:
        with self._lock:
            self._recent[record.id] = record.owner
            if len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]
