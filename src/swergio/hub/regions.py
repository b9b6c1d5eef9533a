"""The arena that a component puts its batches into; `swergio.hub.lending` has the theory.

What is large is packed where it will be read: `send` *reserves* a region, on whichever thread it is called, and copies
the arrays there. What the batch says about them is known later, and mostly shorter than `HEAD`: it is written in front
of them when the batch is sent. Until the batch is acknowledged, the outbox has views of the region as it would have
bytes. Should the batch travel after all (there is a new link, or the message goes to two rooms), they are what is
written.

So blocks are taken while the hub refers to them (until RETURN), or somebody here has a view (a weak reference tells):

    free --reserve--> viewed --PUBLISH_LENT--> viewed and lent --RETURN, last view gone, in any order--> free

Whatever becomes of a message that was packed (refused, dropped, never sent), its views go, and the blocks with them.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Sequence

from swergio.codec.frames import ALIGNMENT, Buffer
from swergio.errors import ProtocolError
from swergio.hub.arena import BLOCK, Arena, Reference
from swergio.hub.views import Watch, view

HEAD = 4096
KEPT = 8 * 1024 * 1024 // BLOCK  # blocks that an arena keeps while nothing is lent
_STAMPS = 2**64


class _Region:
    """
    Blocks in a row that are not free; ``watch`` tells when nobody has a view of what was reserved.
    """

    __slots__ = ("block", "blocks", "lent", "size", "stamp", "watch")

    def __init__(self, block: int, blocks: int, stamp: int) -> None:
        self.block = block
        self.blocks = blocks
        self.stamp = stamp
        self.size = 0
        self.lent = False
        self.watch: Watch | None = None


class OwnArena(Arena):
    """
    An arena that this component puts its batches into.

    Blocks are taken as low as there is space: those that were just returned are still in the cache of the processor.
    `reserve` may be called on any thread, all else on that of the loop.
    """

    def __init__(self, number: int, descriptor: int, size: int) -> None:
        super().__init__(number, descriptor, size, writable=True)
        self._taken = bytearray(size // BLOCK)
        self._taken[0] = 1
        self._regions: dict[int, _Region] = {}
        self._top = 0  # the highest block that was ever written to, and not given back to the system
        self._stamp = secrets.randbits(63)
        self._ended: deque[Watch] = deque()
        self._returned: deque[_Region] = deque()
        # Nobody waits for it: a finalizer that sends, on the thread that has it, would wait for ever.
        self._lock = threading.Lock()

    @property
    def lent(self) -> int:
        """
        How many batches the hub has not returned.
        """
        return sum(region.lent for region in list(self._regions.values()))

    def reserve(self, size: int) -> memoryview | None:
        """
        Return memory of ``size`` bytes for the arrays of one message; None if there is none just now.

        It is free again when all views of it are gone, and the hub has returned it if it was lent.
        """
        try:
            region = self._take(HEAD + size)
            if region is None:
                return None
            at = region.block * BLOCK
            region.size = size
            region.watch, reserved = view(self.memory, at, HEAD + size, self._ended, None)
        except ValueError:  # unmapped: the link was lost at this moment
            return None
        reserved.obj.place = at  # type: ignore[attr-defined]  # what is cut from it has the same ``obj``
        return reserved[HEAD:]

    def put(self, buffers: Sequence[Buffer], size: int) -> Reference | None:
        """
        Have a batch here, where its arrays are already or else where there is space; None if there is none just now.
        """
        reference = self._completed(buffers)
        if reference is None:
            region = self._take(size, lent=True)
            if region is None:
                return None
            start = region.block * BLOCK
            self.write(start, buffers)
            reference = Reference(self.number, start // ALIGNMENT, size, region.stamp)
        return reference

    def _completed(self, buffers: Sequence[Buffer]) -> Reference | None:
        # If they are all that was reserved for one message, behind what is short enough to stand in front of it.
        heads = next((index for index, buffer in enumerate(buffers) if isinstance(buffer, memoryview)), 0)
        region = self._region_of(buffers[heads]) if heads else None
        if region is None or region.lent or region is not self._region_of(buffers[-1]):
            return None
        before = sum(map(len, buffers[:heads]))
        if before > HEAD or sum(map(len, buffers[heads:])) != region.size:
            return None
        start = region.block * BLOCK + HEAD - before
        self.write(start, buffers[:heads])
        region.lent = True
        return Reference(self.number, start // ALIGNMENT, before + region.size, region.stamp)

    def _region_of(self, buffer: Buffer) -> _Region | None:
        held = buffer.obj if isinstance(buffer, memoryview) else None
        region = self._regions.get(getattr(held, "place", 0) // BLOCK)
        # What was reserved over an earlier link lies at such a place too, in another arena.
        return region if region is not None and region.watch is not None and region.watch() is held else None

    def returned(self, block: int) -> None:
        """
        Take blocks back.

        Raises:
            ProtocolError: they were not lent.
        """
        region = self._regions.get(block)
        if region is None or not region.lent:
            raise ProtocolError(f"RETURN of block {block} of arena {self.number}, which was not lent")
        region.lent = False
        self._returned.append(region)
        if self._lock.acquire(blocking=False):
            try:
                self._clear_up()
            finally:
                self._lock.release()

    def _take(self, size: int, *, lent: bool = False) -> _Region | None:
        if not self._lock.acquire(blocking=False):
            return None
        try:
            self._clear_up()
            blocks = -(-size // BLOCK)
            block = self._taken.find(bytes(blocks))
            if block < 0:
                return None
            self._stamp = (self._stamp + 1) % _STAMPS
            self.stamp(block, blocks, self._stamp)
            self._taken[block : block + blocks] = b"\1" * blocks
            self._regions[block] = region = _Region(block, blocks, self._stamp)
            self._top = max(self._top, block + blocks)
            region.lent = lent
            return region
        finally:
            self._lock.release()

    def _clear_up(self) -> None:
        while self._ended:
            watch = self._ended.popleft()
            region = self._regions[watch.place // BLOCK]
            region.watch = None
            self._free(region)
        while self._returned:
            self._free(self._returned.popleft())
        if not self._regions and self._top > KEPT:
            self.give_back(KEPT)
            self._top = KEPT

    def _free(self, region: _Region) -> None:
        # It may be the second time, if it was returned and its last view went at once.
        if not region.lent and region.watch is None and self._regions.get(region.block) is region:
            del self._regions[region.block]
            self._taken[region.block : region.block + region.blocks] = bytes(region.blocks)
