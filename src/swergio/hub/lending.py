"""The hub's side of shared memory: large batches lie in an *arena*, and packets say where.

Theory of operation. HELLO says that a component knows of this, and WELCOME where the hub has a piece of memory with a
secret in it: that is the feature ``memory``. A component that can open it is on the same host and of the same user; it
proves that with SHARE, and from there gets references (DELIVER_LENT) where others get the bytes. With its first large
batch it asks for an arena, which the hub makes and owns, and puts the following ones there (PUBLISH_LENT), as long as
there is space; what does not fit travels on the socket, in the same order as ever. Large arrays are copied there by
`send` itself (`swergio.hub.regions`). The outbox keeps each batch until it is acknowledged, as ever.

    sender: free --PUBLISH_LENT--> lent --RETURN--> free

Blocks are lent as long as anything in the hub refers to them, which the memory management of Python knows: the batch
is a view of an object whose weak reference calls back. So whatever the hub does with a batch (log it, park it, deal it
out in a group, write it to who cannot see the arena) is right without a word about blocks. What it refers to for the
sake of a member is what the member has not consumed; a member copies a batch out when it comes, and checks the
stamps. What its session had been told and not read before the hub gave it up may be overwritten: it notices, and
connects anew.

An arena belongs to a link. With the link it is retired: nothing more is put there, and it is closed with its last loan.
So there is nothing to agree upon after a reconnect, and a hub that dies takes nothing along that its senders need.
"""

from __future__ import annotations

import logging
import os
import secrets
import struct
from collections import deque
from hmac import compare_digest
from typing import Any

from swergio.codec.frames import Buffer, Frame, Op, encode, fields
from swergio.errors import ProtocolError
from swergio.hub import arena as memory
from swergio.hub.arena import BLOCK, MAX_SIZE, MEMORY, Reference
from swergio.hub.cursors import Entry
from swergio.hub.loans import LentArena, Loan
from swergio.hub.sessions import Session
from swergio.hub.views import Watch

log = logging.getLogger("swergio.hub")

MAX_ARENAS = 32  # each costs a hub two descriptors, and a member one; later senders have to wait for one
_SECRET = 16


class Sight:
    """
    What a component, over one link, sees of the memory of the hub.
    """

    def __init__(self, lender: Lender, session: Session) -> None:
        self._lender = lender
        self._session = session
        self.own: LentArena | None = None
        self._known: set[int] = set()

    def brief(self, entry: Entry) -> list[Buffer]:
        """
        Return the frames that say where an entry lies, whose ``loan`` there is.
        """
        loan = entry.loan
        assert loan is not None
        return [*self.introduce(loan.arena), *entry.brief]

    def introduce(self, arena: LentArena) -> list[Buffer]:
        """
        Return the frame that says where an arena is, unless it was said.
        """
        if arena.number in self._known:
            return []
        self._known.add(arena.number)
        arena.seen_by[self] = None
        return encode(Op.ARENA, arena.number, arena.descriptor, arena.size, arena is self.own)

    def own_arena(self, arena: LentArena) -> None:
        """
        Give the component an arena to put its batches into.
        """
        self.own = arena
        self._session.say(self.introduce(arena))

    def forget(self, arena: LentArena) -> None:
        """
        Have the component close an arena, in which nothing is lent any more.
        """
        self._known.discard(arena.number)
        gone = (arena.number, None, 0, False)
        self._session.tell(Op.ARENA, *gone)

    def returned(self, arena: LentArena, blocks: list[int]) -> None:
        """
        Have the component told, with whatever is told next, or within 20 ms, what it may write to again.

        At once would be a packet of its own for each large batch, and wake the sender a second time.
        """
        payload = struct.pack(f"<{len(blocks)}I", *blocks)
        self._session.control.append(encode(Op.RETURN, arena.number, payload=(payload,)))
        self._session.lazy(self._session)

    def end(self) -> None:
        """
        The link is gone.
        """
        self._lender.ended(self)


class Lender:
    """
    All memory that a hub shares.

    Args:
        epoch: Identifies the life of the hub.
        size: Bytes of one arena; 0 has nothing shared.
        max_payload: Bytes of the largest batch.
    """

    def __init__(self, epoch: str, size: int, max_payload: int) -> None:
        self._name = f"swergio-{epoch}"
        self._size = min(size, MAX_SIZE) // BLOCK * BLOCK if memory.AVAILABLE else 0
        self._max_payload = max_payload
        self._secret = secrets.token_bytes(_SECRET)
        self._descriptor: int | None = None
        self._arenas: dict[int, LentArena] = {}
        self._numbers = 0
        self._retired: dict[LentArena, None] = {}
        self._wanting: dict[Sight, None] = {}
        self.returned: deque[Watch] = deque()

    @property
    def place(self) -> list[Any] | None:
        """
        What WELCOME says: where to find the secret; None if nothing is shared.
        """
        if self._size <= BLOCK:
            return None
        if self._descriptor is None:
            try:
                self._descriptor = memory.create(f"{self._name}-0", _SECRET)
                os.pwrite(self._descriptor, self._secret, 0)
            except OSError as exc:
                self._give_up(exc)
                return None
        return [os.getpid(), self._descriptor, self._name]

    def _give_up(self, exc: OSError) -> None:
        log.debug("no memory is shared: %s", exc)
        self._size = 0

    def agree(self, features: dict[Any, Any]) -> dict[str, Any]:
        """
        Return the features of HELLO that are in force, as WELCOME tells them.
        """
        place = self.place if features.get(MEMORY) is True else None
        return {} if place is None else {MEMORY: place}

    def share(self, session: Session, frame: Frame) -> None:
        """
        Take a SHARE frame: a component sees the memory, and may want an arena.

        Raises:
            ProtocolError: it does not see it.
        """
        secret, wanted = fields(frame, bytes, bool)
        if not compare_digest(secret, self._secret):
            raise ProtocolError("SHARE with a secret that is another")
        if session.sight is None:
            session.sight = Sight(self, session)
        if wanted and session.sight.own is None:
            self._wanting[session.sight] = None
            self._provide()

    def _provide(self) -> None:
        while self._wanting and len(self._arenas) < MAX_ARENAS and self._size:
            sight = next(iter(self._wanting))
            del self._wanting[sight]
            number = self._numbers + 1
            try:
                arena = self._arena(number, sight)
            except OSError as exc:
                self._give_up(exc)
                return
            self._numbers = number
            self._arenas[number] = arena
            sight.own_arena(arena)

    def _arena(self, number: int, sight: Sight) -> LentArena:
        descriptor = memory.create(f"{self._name}-{number}", self._size)
        try:
            return LentArena(number, descriptor, self._size, sight, self.returned)
        except OSError:
            os.close(descriptor)
            raise

    def take(self, session: Session, payload: Buffer) -> Loan:
        """
        Return the batch that a component put into its arena.

        Raises:
            ProtocolError: it is not there.
        """
        packed = bytes(payload)
        reference = Reference.unpack(packed)
        own = None if session.sight is None else session.sight.own
        if own is None or reference.size > self._max_payload:
            raise ProtocolError(f"a reference to {reference.size} bytes, without an arena or above the limit")
        return own.lend(reference, packed)

    def settle(self) -> None:
        """
        Tell the senders what nobody refers to any more. To be called often; does nothing if there is nothing.
        """
        by_arena: dict[LentArena, list[int]] = {}
        while self.returned:
            watch = self.returned.popleft()
            arena, block = watch.owner, watch.place // BLOCK
            arena.take_back(block)
            by_arena.setdefault(arena, []).append(block)
        for arena, blocks in by_arena.items():
            if arena.sight is not None:
                arena.sight.returned(arena, blocks)
        self._close_idle()

    def tick(self) -> None:
        """
        Clear up. To be called every second or so.
        """
        for arena in self._arenas.values():
            arena.clear_up()
        self.settle()

    def ended(self, sight: Sight) -> None:
        """
        A link is gone, and with it the arena that its component put batches into.
        """
        self._wanting.pop(sight, None)
        for arena in self._arenas.values():
            arena.seen_by.pop(sight, None)
        if sight.own is not None:
            sight.own.sight = None
            self._retired[sight.own] = None
            sight.own = None
            self._close_idle()

    def _close_idle(self) -> None:
        for arena in [arena for arena in self._retired if arena.idle]:
            try:
                arena.close()
            except BufferError:
                continue  # another thread is just about to drop the last view
            os.close(arena.descriptor)
            del self._retired[arena], self._arenas[arena.number]
            for sight in arena.seen_by:
                sight.forget(arena)
            self._provide()

    def close(self) -> None:
        """
        Share nothing any more; what somebody looks at is unmapped when nobody does.
        """
        self._size = 0
        for arena in self._arenas.values():
            os.close(arena.descriptor)
            if arena.sight is not None:
                arena.sight.own = None
                arena.sight = None
        self._arenas.clear()
        self._wanting.clear()
        self._retired.clear()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
