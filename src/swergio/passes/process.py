"""A process: everything between two rooms, as one function with a gradient.

The flows of both faces; see `swergio.passes.waits` for how one text serves both.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from swergio.channels import Channel
from swergio.errors import ConfigurationError, PassError, PassFailed, PassTimeout
from swergio.membership import joint
from swergio.messages import MessageType, Phase, check_name, check_open_room
from swergio.passes.begun import Pass
from swergio.passes.bookkeeper import Bookkeeper
from swergio.passes.gradients import scale
from swergio.passes.openpass import Combine, OpenPass
from swergio.passes.records import Record, Terms
from swergio.passes.waits import Deadline, Waits
from swergio.transport import Manner, Mode

if TYPE_CHECKING:
    from swergio.core import Core


class ProcessFlow:
    """
    What the two faces of a process have in common.

    Args:
        keeper: The passes of the component.
        waits: How its calls wait.
        source, sink: Its rooms.
        combine, producers, gradients: As ``component.process``.

    Raises:
        InvalidName, ConfigurationError: an argument is wrong.
    """

    def __init__(
        self,
        keeper: Bookkeeper,
        waits: Waits,
        source: str,
        sink: str,
        *,
        combine: Combine | None,
        producers: int,
        gradients: int | Literal["members"] | None,
    ) -> None:
        _check_arguments(combine, producers, gradients)
        self.source = check_open_room(source)
        self.sink = check_name(sink, "room")
        self.combine = combine
        self.producers = 1 if combine == "first" else producers
        self.ambiguity: PassError | None = None
        default = self.producers if gradients is None else gradients
        self._terms = Terms(None if default == "members" else default, strict=True)
        self.journal = keeper.journal
        self.tally = self.journal.of_process(self.source, self.sink)
        self._keeper = keeper
        self._core = keeper.core
        self._waits = waits
        if self._core.refusal is not None:
            self._declare()

    @property
    def core(self) -> Core:
        """
        That of its component.
        """
        return self._core

    def between(self, source: str, sink: str) -> ProcessFlow:
        """
        Return the process between two other rooms, as plain as it can be.
        """
        return ProcessFlow(self._keeper, self._waits, source, sink, combine=None, producers=1, gradients=None)

    # -- calls ----------------------------------------------------------------------------------------------------

    async def call(self, x: Any, phase: Phase, meta: Mapping[str, Any] | None, timeout: float | None) -> Any:
        """
        Forward only: return the product.
        """
        deadline = self._deadline(timeout)
        await self._prepare(deadline)
        begun = await self._send(x, phase, meta, deadline, wants_feedback=False)
        try:
            product = await self._product(begun, deadline)
            if self.journal.timed:
                self.tally.times.append(deadline.spent)
            return product
        finally:
            self._keeper.begun.end_pass(begun.record)

    async def vjp(
        self, x: Any, phase: Phase, meta: Mapping[str, Any] | None, timeout: float | None
    ) -> tuple[Any, OpenPass]:
        """
        Forward, to be followed by `pull_back` within ``pass_timeout``.
        """
        deadline = self._deadline(timeout)
        await self._prepare(deadline)
        await self._take_slot(deadline)
        try:
            begun = await self._send(x, phase, meta, deadline, wants_feedback=True)
        except BaseException:
            self._keeper.begun.slots.give()
            raise
        self._keeper.begun.hold(begun.record)
        try:
            product = await self._product(begun, deadline)
        except BaseException:
            self._keeper.begun.end_pass(begun.record)
            raise
        begun.ends = math.inf
        if self.journal.timed:
            begun.waited = deadline.spent
        if direct := begun.direct_producers:
            self._keeper.begun.ledger.expect(begun.record, direct)
        begun.record.since = time.monotonic()
        begun.record.deadline = begun.record.since + self._core.settings.pass_timeout
        return product, begun

    async def pull_back(self, begun: OpenPass, gradient: Any, timeout: float | None) -> Any:
        """
        Backward: return the gradient of what the pass began with.
        """
        deadline = self._deadline(timeout)
        if begun.pulled:
            raise PassFailed(self.source, "its pullback was called before, and can be called once")
        begun.pulled = True
        begun.ends = deadline.at
        begun.record.deadline = math.inf
        begun.signal = signal = self._waits.signal()
        try:
            self._check(begun)
            await self._answer(begun, gradient)
            in_time = await self._waits.until(signal, deadline.left)
            self._check(begun)
            if not in_time:
                raise PassTimeout(self.source, "gradient", deadline.seconds, begun.silent)
            if self.journal.timed and begun.waited is not None:
                self.tally.times.append(begun.waited + deadline.spent)
            return begun.take_gradient()
        finally:
            self._keeper.begun.end_pass(begun.record)

    def abandon(self, begun: OpenPass) -> None:
        """
        Nobody can pull the pass back any more.
        """
        if not begun.pulled:
            self._keeper.begun.abandon(begun.record)

    # -- steps ----------------------------------------------------------------------------------------------------

    def _deadline(self, timeout: float | None) -> Deadline:
        return Deadline(self._core.settings.pass_timeout if timeout is None else timeout)

    def _check(self, begun: OpenPass) -> None:
        error = begun.failure
        if error is None:
            return
        if self.ambiguity is not None and error is self.ambiguity:
            self.ambiguity = None  # it is told here and not again by the next call
        raise error

    async def _prepare(self, deadline: Deadline) -> None:
        core = self._core
        core.check()
        error = self.ambiguity
        if error is not None:
            self.ambiguity = None
            raise error
        manner = core.rooms.get(self.sink)
        if manner is None or manner.mode is not Mode.RELIABLE or not self._keeper.rosters.watches(self.source):
            try:
                await self._waits.run(partial(self._join, deadline))
            except TimeoutError:
                raise PassTimeout(self.sink, "membership", deadline.seconds) from None

    def _declare(self) -> None:
        self._core.rooms[self.sink] = self._manner
        self._keeper.tap(self.sink)
        self._keeper.watch(self.source)

    @property
    def _manner(self) -> Manner:
        """
        How the component is a member of the sink, at least reliably.
        """
        known = self._core.rooms.get(self.sink)
        return Manner() if known is None else joint(self.sink, known, Manner())

    async def _join(self, deadline: Deadline) -> None:
        async with asyncio.timeout(deadline.left):
            await self._core.transport.join(self.sink, self._manner)
            self._declare()
            await self._keeper.rosters.watch(self.source)

    async def _take_slot(self, deadline: Deadline) -> None:
        begun = self._keeper.begun
        begun.collect()
        handed = self._waits.signal()
        if begun.slots.take(handed):
            return
        got = False
        try:
            got = await self._waits.until(handed, deadline.left)
        finally:
            if not got:
                begun.slots.withdraw(handed)
        if not got:
            limit = f"end of one of {begun.slots.count} open passes (the setting 'max_open_passes')"
            raise PassTimeout(self.source, limit, deadline.seconds)

    async def _members(self, deadline: Deadline) -> set[str]:
        """
        Wait for a first member of the source: a message to an empty room would reach nobody.
        """
        rosters = self._keeper.rosters
        members = rosters.members(self.source)
        while not members:
            self._core.check()
            changed = self._waits.signal()
            try:
                members = rosters.members(self.source, changed)
                if not members and not await self._waits.until(changed, deadline.left):
                    raise PassTimeout(self.source, "member", deadline.seconds)
            finally:
                rosters.forget(self.source, changed)
        return set(members)

    async def _send(
        self, x: Any, phase: Phase, meta: Mapping[str, Any] | None, deadline: Deadline, *, wants_feedback: bool
    ) -> OpenPass:
        packed = self._core.pack(x)
        members = await self._members(deadline)
        begun = OpenPass(self, self._waits.signal(), wants_feedback=wants_feedback)
        begun.ends = deadline.at
        begun.record = Record[Pass](begun, self.source, self._terms, members, 0, time.monotonic(), math.inf)
        append = partial(
            self._core.outbox.append, self.source, None, MessageType.FORWARD, *packed, phase=phase,
            wants_feedback=wants_feedback, meta=meta,
        )  # fmt: skip
        await self._waits.append(self.source, partial(self._append, begun, append))
        return begun

    def _append(self, begun: OpenPass, append: Callable[[], tuple[Channel, int]]) -> tuple[Channel, int]:
        queued, _ = self._keeper.open(self._keeper.begun.ledger, begun.record, append)
        return queued

    async def _product(self, begun: OpenPass, deadline: Deadline) -> Any:
        in_time = await self._waits.until(begun.signal, deadline.left)
        self._check(begun)
        if not in_time:
            came = f" ({len(begun.origins)} of {self.producers} came)" if self.producers > 1 else ""
            raise PassTimeout(self.sink, f"product of the pass{came}", deadline.seconds, begun.silent)
        return begun.take_product()

    async def _answer(self, begun: OpenPass, gradient: Any) -> None:
        if self.combine == "mean":
            gradient = scale(gradient, 1 / self.producers)
        packed = self._core.pack(gradient)
        for origin in begun.origins:
            await self._keeper.give_feedback(origin, packed, self._waits)


def _check_arguments(combine: str | None, producers: int, gradients: int | str | None) -> None:
    if combine not in (None, "first", "sum", "mean"):
        raise ConfigurationError(f"combine={combine!r}", "None, 'first', 'sum' or 'mean'")
    if producers < 1 or (producers > 1 and combine is None):
        raise ConfigurationError(
            f"producers={producers} with combine={combine!r}", "at least 1, and combine= for more than one"
        )
    check_gradients(gradients)


def check_gradients(gradients: int | str | None) -> None:
    """
    Raise unless ``gradients`` says how many feedback messages there will be.
    """
    count = type(gradients) is int and gradients >= 1
    if not count and gradients not in (None, "members"):
        raise ConfigurationError(f"gradients={gradients!r}", "None, 'members', or a number above 0")
