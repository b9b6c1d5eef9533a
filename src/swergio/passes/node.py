"""A node: a function between two rooms, and its gradient."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from swergio.channels import Channel
from swergio.dispatch import Handler
from swergio.errors import ConfigurationError
from swergio.messages import Message, MessageType
from swergio.passes.bookkeeper import Bookkeeper, Sent
from swergio.passes.checkpoints import Checkpoint
from swergio.passes.context import Context
from swergio.passes.failures import Failure, Origin, Refusal
from swergio.passes.gradients import size_of
from swergio.passes.joins import Joins
from swergio.passes.ledger import MAX_BYTES, MAX_RECORDS
from swergio.passes.records import Record, Terms
from swergio.passes.sent import SentOn
from swergio.passes.waits import Append, Deadline, OnLoop, Waits, drive, waits_of

F = TypeVar("F", bound=Callable[..., Any])

VERSION = "_version"
SETTLES_WITHIN = 5.0  # seconds that finding out who is in a room may hold a node up


class Input(NamedTuple):
    """
    What came from one room.
    """

    origin: Origin
    data: Any


class Node:
    """
    A forward function with its backward function; made by ``component.forward(source, sink)``.

    Calling it calls the forward function: ``predict(Context(), x)``.

    Attributes:
        name: That of its forward function.
        sources, sink: Its rooms.
        version: How often its weights were updated.
    """

    __name__: str

    def __init__(
        self,
        keeper: Bookkeeper,
        function: Callable[..., Any],
        sources: tuple[str, ...],
        sink: str,
        *,
        terms: Terms,
        max_stale: int | None,
        timeout: float,
    ) -> None:
        update_wrapper(self, function)
        self.name = name_of(function)
        self.sources = sources
        self.sink = sink
        self.version = 0
        self.keeper = keeper
        self.terms = terms
        self.max_stale = max_stale
        self.timeout = timeout
        self.backward_function: Callable[..., Any] | None = None
        self.tally = keeper.journal.of_node(self.name, sources, sink)
        self._checkpoint: Checkpoint | None = None
        self._function = function
        self._joins: Joins[Input] = Joins(len(sources), MAX_RECORDS, MAX_BYTES)
        if len(sources) > 1:
            keeper.sweepers.append(self._sweep)

    def __call__(self, ctx: Context, *inputs: Any) -> Any:
        """
        Call the forward function.
        """
        return self._function(ctx, *inputs)

    def __repr__(self) -> str:
        return f"<Node {self.name} from {', '.join(map(repr, self.sources))} to {self.sink!r}>"

    def backward(self, function: F) -> F:
        """
        Register the backward function: ``backward(ctx, grad)`` returns the gradient of the input.

        With several sources it returns one gradient for each, in their order. None says that there is none. Feedback
        of any type comes here: see ``ctx.message.type``. It may be an ``async def`` function.
        """
        self.backward_function = function
        return function

    def updated(self) -> None:
        """
        Say that the weights are another version now.

        Raises:
            CheckpointFailed: they were to be saved, and could not be; see `checkpoint`.
        """
        self.version += 1
        if self._checkpoint is not None:
            self._checkpoint.updated(self.version)

    def checkpoint(
        self,
        save: Callable[[BinaryIO], Any],
        load: Callable[[BinaryIO], Any],
        *,
        every: int,
        path: str | os.PathLike[str] | None = None,
    ) -> bool:
        """
        Keep the weights on disk, and go on from those that are there: call it before the component starts.

        They are saved with every so many calls of `updated`, on the thread of that call, and when the component is
        closed. A new checkpoint takes the place of the last one only when it is whole and on the disk, and the last one
        is kept: if one is broken after all, the one before is loaded, with a warning.

        ::

            resumed = predict.checkpoint(lambda file: np.save(file, weights), restore, every=100)

        Args:
            save: Writes what is to be kept into a binary file. It is read again from its beginning.
            load: Reads it; called here and now, if there is something.
            every: How many updates lie between two checkpoints.
            path: The file; by default it is called after component and node, in the working folder. Components that
                run at the same time need one each, also replicas.

        Returns:
            Whether something was loaded. The version of the weights is what it was, too.

        Raises:
            CheckpointFailed: what is there cannot be loaded.
            ConfigurationError: another component that is running has this checkpoint, or an argument is wrong.
        """
        if self._checkpoint is not None:
            raise ConfigurationError(f"a second checkpoint of the node {self.name!r}", "one, of all that it learns")
        file = Path(path or re.sub(r"[^\w.-]", "_", f"{self.keeper.core.instance.name}.{self.name}.checkpoint"))
        checkpoint = Checkpoint(file.absolute(), save, load, every)
        try:
            version = checkpoint.resume()
        except BaseException:
            checkpoint.release()
            raise
        self.version = version or self.version
        self._checkpoint = checkpoint
        self.keeper.finishers.append(lambda: checkpoint.finish(self.version))
        return version is not None

    # -- forward --------------------------------------------------------------------------------------------------

    def handler(self, place: int) -> Handler:
        """
        Return the handler for the messages of source number ``place``.
        """
        waits = waits_of(self.keeper.core, self._function)

        async def handle(message: Message) -> None:
            await self._forward(place, message, waits)

        if isinstance(waits, OnLoop):
            return Handler(handle, answers=False)
        return Handler(lambda message: drive(handle(message)), answers=False)

    async def _forward(self, place: int, message: Message, waits: Waits) -> None:
        origins: Sequence[Origin] = [Origin.of(message)]
        try:
            inputs = self._joined(place, Input(origins[0], message.data))
            if inputs is None:
                return
            origins = [origin for origin, _ in inputs]
            ctx = self._context(message, origins)
            result = await waits.result(self._function(ctx, *(data for _, data in inputs)))
            await self._send(ctx, origins, result, waits)
        except Exception as exc:  # noqa: BLE001  whatever a user's function raises
            self.keeper.step_failed(message, origins, exc, self.name)

    def _joined(self, place: int, item: Input) -> Sequence[Input] | None:
        if len(self.sources) == 1:
            return (item,)
        now = time.monotonic()
        inputs = self._joins.put(item.origin.root, place, item, size_of(item.data), now + self.timeout)
        self._sweep(now)
        return inputs

    def _sweep(self, now: float) -> None:
        for given_up in self._joins.trim(now):
            absent = [room for room, item in zip(self.sources, given_up.inputs, strict=True) if item is None]
            failure = Failure(self.sink, f"nothing of this pass came to {self.name!r} from {' and '.join(absent)}")
            for origin, _ in given_up.present:
                self.keeper.given_up.note(origin.id)
                self.keeper.refuse(origin, failure)

    def _context(self, message: Message, origins: Sequence[Origin]) -> Context:
        return Context(
            phase=message.phase,
            root=message.root,
            meta=message.meta,
            message=message,
            version=self.version,
            wants_feedback=any(origin.wants_feedback for origin in origins),
        )

    async def _send(self, ctx: Context, origins: Sequence[Origin], result: Any, waits: Waits) -> None:
        outbox = self.keeper.core.outbox
        packed = self.keeper.core.pack(result)
        assert ctx.message is not None
        parent, ctx.message = ctx.message.id, None  # its batch need not stay in memory until feedback comes
        append: Append = partial(
            outbox.append, self.sink, None, MessageType.FORWARD, *packed, phase=ctx.phase,
            wants_feedback=ctx.wants_feedback, root=ctx.root, parent=parent, meta=self._meta(ctx),
        )  # fmt: skip
        if ctx.wants_feedback:
            append = partial(self._append_and_record, append, await self._record(ctx, origins, waits))
        await waits.append(self.sink, append)

    def _meta(self, ctx: Context) -> Mapping[str, Any] | None:
        meta = {key: value for key, value in ctx.meta.items() if key != VERSION}
        if ctx.version:
            meta[VERSION] = ctx.version
        return meta or None

    async def _record(self, ctx: Context, origins: Sequence[Origin], waits: Waits) -> Record[Sent]:
        members = await self._members(waits)
        now = time.monotonic()
        outstanding = None if members is None else set[str](members)
        sent = SentOn(self, ctx, origins)
        size, end = size_of(ctx.saved), now + self.timeout
        return Record(
            sent, self.sink, self.terms, outstanding, size, now, end, shared=ctx.shared_bytes, tally=self.tally
        )

    async def _members(self, waits: Waits) -> frozenset[str] | None:
        """
        Return who will get what is sent now; None if that cannot be known.

        Raises:
            Refusal: each of the members was to give feedback, and it is not known who they are, or nobody is there.
        """
        members = self.keeper.rosters.members(self.sink)
        if members is None:
            members = await self._settled(waits)
        if not members and self.terms.count is None:
            reason = "there is none" if members is not None else "it cannot be known who they are"
            raise Refusal(Failure(self.sink, f"{self.name!r} wants feedback of all members, and {reason}"))
        return members

    async def _settled(self, waits: Waits) -> frozenset[str] | None:
        """
        Wait while it is being found out who is in the sink: about a millisecond, after somebody joined.
        """
        rosters = self.keeper.rosters
        deadline = Deadline(SETTLES_WITHIN)
        members = None
        while members is None and rosters.unsettled(self.sink) and deadline.left:
            changed = waits.signal()
            members = rosters.members(self.sink, changed)
            if members is None:
                await waits.until(changed, deadline.left)
            rosters.forget(self.sink, changed)
        return members or rosters.members(self.sink)

    def _append_and_record(self, append: Append, record: Record[Sent]) -> tuple[Channel, int]:
        queued, displaced = self.keeper.open(self.keeper.nodes, record, append)
        for old in displaced:
            self.keeper.give_up(old, "its saved state made room for newer passes")
        return queued


def name_of(function: Callable[..., Any]) -> str:
    """
    Return what a function is called in reports; for a callable object, its class.
    """
    return str(getattr(function, "__name__", type(function).__name__))
