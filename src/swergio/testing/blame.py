"""
Whose gradient is wrong: each component on the way of a pass, checked by itself.

One pass is watched in all its rooms. A node took a message x, sent y on, was given the gradient g of y and gave h, that
of x: all four are seen. So h is compared with differences of g·y along random directions, for which x is moved and sent
into the node's room again, in passes that want no gradient. What happens elsewhere on the way does not matter: a wrong
gradient further down is only another g, and any number of components can be found in one go.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar

from swergio.errors import SwergioError
from swergio.messages import Kind, Message, MessageType, Phase
from swergio.passes import Process
from swergio.passes.gradients import add
from swergio.received import Received
from swergio.transport import Manner, Mode

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from swergio.core import Core

    Vector = npt.NDArray[np.floating[Any]]

T = TypeVar("T")

MARK = "_gradcheck"
DIRECTIONS = 3
SETTLES_WITHIN = 5.0  # seconds that what was watched may come later than what it led to
KEPT = 10_000  # messages of other passes, at most, while one is watched


@dataclass(frozen=True, slots=True)
class Suspect:
    """
    One component on the way of a pass, and what was found.

    Attributes:
        component: The instance.
        source, sink: The rooms that it stands between.
        expected, got: The derivative along the direction where both differ most, by differences and by its gradient.
        unchecked: Why it could not be checked; empty if it was.
    """

    component: str
    source: str
    sink: str
    expected: float = 0.0
    got: float = 0.0
    unchecked: str = ""

    def __str__(self) -> str:
        where = f"{self.component} (from {self.source!r} to {self.sink!r})"
        if self.unchecked:
            return f"{where} could not be checked: {self.unchecked}"
        return f"{where}: {self.got:.9g} where {self.expected:.9g} was expected"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """
    How far a derivative may be off, and the step of the differences.
    """

    eps: float
    rtol: float
    atol: float


def suspects(
    process: Process,
    x: Any,
    cotangent: Any,
    *,
    tolerance: Tolerance,
    draw: np.random.Generator,
    meta: Mapping[str, Any] | None,
    timeout: float,
) -> list[Suspect]:
    """
    Return the components between the rooms of a process whose gradients are wrong, or could not be checked.

    The component of the process observes all rooms meanwhile, and joins those in between; then it leaves them.

    Raises:
        SwergioError: a pass did not succeed, or the rooms may not be looked into.
    """
    with _watching(process) as watch:
        _, pullback = process.vjp(x, phase=Phase.VALIDATE, meta={**(meta or {}), MARK: watch.mark}, timeout=timeout)
        pullback(cotangent, timeout)
        seen = watch.seen(process, x, cotangent)
    found = [_checked(process, step, tolerance, draw, meta, timeout) for step in seen]
    return [suspect for suspect in found if suspect is not None]


@dataclass(frozen=True, slots=True)
class _Step:
    """
    What a node did in a pass.
    """

    component: str
    source: str
    sink: str
    x: Any
    y: Any
    by_y: Any
    by_x: Any
    unchecked: str


class _Watch:
    """
    A tap of all rooms, and what it has seen of one pass.
    """

    def __init__(self, core: Core) -> None:
        self.mark = secrets.token_hex(8)
        self._core = core
        self._messages: list[Message] = []
        self._came = threading.Condition()

    def take(self, received: Received) -> bool:
        """
        Note what belongs to passes. On the loop.
        """
        forward = received.kind is Kind.MESSAGE and received.type == MessageType.FORWARD
        if forward or received.kind is Kind.FEEDBACK:
            with self._came:
                self._messages += [Message(received, index) for index in range(received.count)]
                del self._messages[:-KEPT]
                self._came.notify_all()
        return False

    def end(self) -> None:
        """
        Do nothing: who waits for the pass is told.
        """

    def seen(self, process: Process, x: Any, cotangent: Any) -> list[_Step]:
        """
        Return what each node did, when all of it has come.
        """
        with self._came:
            self._came.wait_for(lambda: self._is_whole(process.sink), SETTLES_WITHIN)
            made, given = self._of_pass()
        return [self._step(process, x, cotangent, message, made, given) for message in made]

    def _of_pass(self) -> tuple[list[Message], list[Message]]:
        # What is for this component comes by itself, and once more if it observes the room.
        messages = list({message.id: message for message in self._messages}.values())
        made = [m for m in messages if m.kind is Kind.MESSAGE and m.meta.get(MARK) == self.mark]
        root = made[0].root if made else ""
        return made, [m for m in messages if m.kind is Kind.FEEDBACK and m.root == root]

    def _is_whole(self, sink: str) -> bool:
        made, given = self._of_pass()
        answered = {m.parent for m in given}
        return bool(made) and all(m.room == sink or m.id in answered for m in made)

    def _step(
        self, process: Process, x: Any, cotangent: Any, message: Message, made: list[Message], given: list[Message]
    ) -> _Step:
        # The first message of the pass is this component's own, which nobody sends back to it.
        parent = next((m for m in made if m.id == message.parent), None)
        source, data = (process.source, x) if parent is None else (parent.room, parent.data)
        own = [m for m in given if m.sender == message.sender]
        by_x = [m.data for m in own if m.parent == message.parent]
        by_y = [m.data for m in given if m.parent == message.id]
        why = ""
        if message.room == process.sink:
            by_y = [cotangent]
            if self._others_in(process.sink):
                why = "others in the last room may have given it gradients too"
        if len({m.parent for m in own}) > len({m.id for m in made if m.sender == message.sender}):
            why = "it joins several inputs"
        if not by_x or not by_y:
            why = why or "its gradients were not seen"
        gradients = [reduce(add, parts, None) for parts in (by_y, by_x)]
        return _Step(str(message.sender), source, message.room, data, message.data, gradients[0], gradients[1], why)

    def _others_in(self, room: str) -> bool:
        members = self._core.transport.ask("members", room)
        here = self._core.instance
        found = _on_loop(self._core, members)
        return any(member.instance != here and member.mode is not Mode.OBSERVER for member in found)


@contextmanager
def _watching(process: Process) -> Iterator[_Watch]:
    core = process.core
    watch = _Watch(core)
    rooms = [room["room"] for room in _on_loop(core, core.transport.ask("rooms"))]
    rooms = [room for room in {*rooms, process.source, process.sink} if not room.startswith("_")]
    entered = [room for room in rooms if room not in core.rooms]

    async def begin() -> None:
        for room in rooms:
            core.add_tap(room, watch)
        for room in entered:
            await core.transport.join(room, Manner(Mode.OBSERVER))

    async def end() -> None:
        for room in rooms:
            core.remove_tap(room, watch)
        for room in entered:
            await core.transport.leave(room)

    try:
        _on_loop(core, begin())
        yield watch
    finally:
        _on_loop(core, end())


def _checked(
    process: Process,
    step: _Step,
    tolerance: Tolerance,
    draw: np.random.Generator,
    meta: Mapping[str, Any] | None,
    timeout: float,
) -> Suspect | None:
    if step.unchecked:
        return Suspect(step.component, step.source, step.sink, unchecked=step.unchecked)
    core = process.core
    stays = step.sink in core.rooms
    node = process.between(step.source, step.sink)
    try:
        return _compared(step, tolerance, draw, lambda body: node(body, meta=meta, timeout=timeout))
    except (SwergioError, ValueError, TypeError) as exc:
        return Suspect(step.component, step.source, step.sink, unchecked=f"{type(exc).__name__}: {exc}")
    finally:
        if not stays and step.sink in core.rooms:
            _on_loop(core, core.exit(step.sink))


def _compared(step: _Step, tolerance: Tolerance, draw: np.random.Generator, run: Any) -> Suspect | None:
    import numpy as np

    from swergio.vectors import Layout

    entry, product = Layout(step.x), Layout(step.y, "the product")
    weights = Layout(step.y, "the gradient that it was given").vector(step.by_y, partial=True)
    gradient = Layout(step.x, "the gradient that it gave").vector(step.by_x, partial=True)
    worst, excess = None, 0.0
    for _ in range(DIRECTIONS):
        direction = draw.normal(size=entry.size).astype(gradient.dtype)
        ends = [entry.tree(entry.here + side * tolerance.eps * direction) for side in (1, -1)]
        # The step that was taken, in the precision of the input, is not quite the one that was wanted.
        taken = entry.vector(ends[0]) - entry.vector(ends[1])
        top, bottom = (product.vector(run(body)) for body in ends)
        expected, got = float(weights @ (top - bottom)), float(gradient @ taken)
        size = max(abs(expected), float(np.abs(gradient) @ np.abs(taken)))
        off = abs(expected - got) - tolerance.rtol * size - tolerance.atol * 2 * tolerance.eps
        if not off <= excess:
            length = 2 * tolerance.eps
            worst, excess = Suspect(step.component, step.source, step.sink, expected / length, got / length), off
    return worst


def _on_loop(core: Core, coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(coroutine, core.loop).result(core.settings.connect_timeout)
