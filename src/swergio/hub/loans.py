"""What lies in shared memory, as the hub has it: arenas, and batches in them; see `swergio.hub.lending`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from swergio.codec.frames import Buffer, Op, encode
from swergio.errors import ProtocolError
from swergio.hub.arena import BLOCK, Arena, Reference
from swergio.hub.log import Log
from swergio.hub.views import Watch, view

if TYPE_CHECKING:
    from swergio.hub.lending import Sight


class _Lent:
    """
    Blocks that somebody looks at; ``places`` are the log entries that were made of them.
    """

    __slots__ = ("arena", "places", "rests", "watch")

    def __init__(self, arena: LentArena, watch: Watch) -> None:
        self.arena = arena
        self.watch = watch
        self.places: list[tuple[Log, int]] = []
        self.rests = False


class Loan(NamedTuple):
    """
    A batch in an arena.
    """

    lent: _Lent
    payload: memoryview
    reference: bytes

    @property
    def arena(self) -> LentArena:
        """
        Where it lies.
        """
        return self.lent.arena

    def logged(self, log: Log, header: tuple[Any, ...]) -> tuple[Buffer, ...]:
        """
        Note that the next entry of a log is made of it; return the frame, with the header of its DELIVER.
        """
        self.lent.places.append((log, log.next))
        return tuple(encode(Op.DELIVER_LENT, *header, payload=(self.reference,)))


class LentArena(Arena):
    """
    An arena as its owner, the hub, has it.

    Attributes:
        sight: That of the sender; None when it is retired.
        seen_by: Who knows of it.
    """

    def __init__(self, number: int, descriptor: int, size: int, sight: Sight, returned: deque[Watch]) -> None:
        super().__init__(number, descriptor, size, writable=True)
        self.descriptor = descriptor
        self.sight: Sight | None = sight
        self.seen_by: dict[Sight, None] = {}
        self._lent: dict[int, _Lent] = {}
        self._returned = returned

    @property
    def idle(self) -> bool:
        """
        Whether nothing of it is lent.
        """
        return not self._lent

    def lend(self, reference: Reference, packed: bytes) -> Loan:
        """
        Take a batch.

        Raises:
            ProtocolError: it cannot be there.
        """
        if reference.arena != self.number or not reference.lies_within(self.size):
            raise ProtocolError(f"a reference outside the sender's arena: {reference}")
        block = reference.block
        if block in self._lent:
            raise ProtocolError(f"block {block} of arena {self.number} is lent already")
        before = reference.start - block * BLOCK
        watch, seen = view(self.memory, block * BLOCK, before + reference.size, self._returned, self)
        self._lent[block] = lent = _Lent(self, watch)
        return Loan(lent, seen[before:], packed)

    def clear_up(self) -> None:
        """
        Copy out what is only kept for those who join later, if it lies here since this was last called.

        A room may keep it for ever, and the blocks with it.
        """
        for lent in list(self._lent.values()):
            if lent.rests:
                for log, offset in lent.places:
                    log.bring_home(offset)
            lent.rests = True

    def take_back(self, block: int) -> None:
        """
        Note that nobody looks at what begins at ``block`` any more.
        """
        del self._lent[block]
