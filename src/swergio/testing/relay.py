"""One connection through a fault proxy: two pipes, each with the faults of its direction.

Theory of operation. Each pipe has a task that reads packets from its source into a bounded queue and one that writes
them to its sink when the faults allow it; so a delay costs latency and no throughput. The sockets are bare, without a
transport's buffers: a sink that does not read stops the reading of the source after `WINDOW` bytes, a byte is counted
when the kernel has it, and a reset is a reset. The end of a stream travels through the queue behind the data, because
a network that holds or swallows bytes does the same to the news that a peer is gone. Whatever ends a connection raises
`Ended` in one of its tasks; the task group ends the others, and then both sockets are closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import deque
from pathlib import Path
from typing import NamedTuple

from swergio.testing.lines import Address, Cut, Ended, Line, Signal

WINDOW = 1 << 20
CHUNK = 1 << 16
# Of a second: how much a limited bandwidth lets through at once.
PACE = 0.02


def open_socket(address: Address) -> socket.socket:
    """
    Return a new socket of the family of an address; a name is looked up as IPv4.
    """
    if isinstance(address, Path):
        sock = socket.socket(socket.AF_UNIX)
    else:
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    sock.setblocking(False)  # noqa: FBT003  the standard library takes it so
    return sock


def socket_address(address: Address) -> tuple[str, int] | str:
    """
    Return an address as the socket module takes it.
    """
    return str(address) if isinstance(address, Path) else address


class _Packet(NamedTuple):
    data: bytes  # empty: the end of the stream
    reset: bool
    read_at: float
    luck: float  # its share of the jitter


class Pipe:
    """
    One direction of one connection; ``back`` is the other.

    ``passed`` counts its bytes, ``lost`` says that some were swallowed, ``done`` that the end of the stream has
    passed, ``over`` that nothing more may.
    """

    def __init__(self, line: Line, source: socket.socket, sink: socket.socket, *, seed: str) -> None:
        self.line = line
        self.cut = line.take_cut()
        self.passed = 0
        self.lost = False
        self.done = False
        self.over = False
        self.back = self
        self._source = source
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Packet] = deque()
        self._queued = 0
        self._moved = Signal()
        self._free_at = 0.0
        self._border = 0
        # Borders and jitter draw from streams of their own: how bytes happen to be packed must not move the borders.
        self._slicing = random.Random(f"{seed} slices")
        self._jittering = random.Random(f"{seed} jitter")

    async def read(self) -> None:
        """
        Take what the source sends until it ends, as long as there is room for it.
        """
        while True:
            while self._queued >= WINDOW:
                await self._moved.wait()
            try:
                data = await self._loop.sock_recv(self._source, CHUNK)
            except OSError:
                self.put(b"", reset=True)
                return
            self.put(data)
            if not data:
                return

    def put(self, data: bytes, *, reset: bool = False) -> None:
        """
        Queue data, or the end of the stream.
        """
        self._queue.append(_Packet(data, reset, self._loop.time(), self._jittering.random()))
        self._queued += len(data)
        self._moved.fire()

    async def write(self) -> None:
        """
        Hand on what was read when the faults allow it, until the end of the stream.

        Raises:
            Ended: the connection is over.
        """
        try:
            while not self.done:
                self._cut_if_due()
                data, reset = await self._next()
                if self.line.faults.swallow:
                    self._swallow(len(data))
                elif data:
                    await self._hand_on(memoryview(data))
                else:
                    self._finish(reset)
        except OSError:
            # A sink that is gone is news for the source, and travels there, unless nothing does any more.
            if self.back.done:
                raise Ended(reset=True) from None
            self.back.put(b"", reset=True)

    def arm(self, cut: Cut | None) -> None:
        """
        End the connection after so many bytes from now, or no longer.

        Raises:
            Ended: that is now.
        """
        self.cut = cut and cut._replace(limit=self.passed + cut.limit)
        self._cut_if_due()

    def _finish(self, reset: bool) -> None:
        if reset:
            raise Ended(reset=True)
        self.done = True
        self._sink.shutdown(socket.SHUT_WR)

    async def _next(self) -> tuple[bytes, bool]:
        while not self._queue:
            await self._moved.wait()
        packet = self._queue[0]
        while (due := packet.read_at + self._lag(packet)) > self._loop.time():
            await self.line.changed.wait(until=due)
        await self._gate()
        self._queue.popleft()
        self._queued -= len(packet.data)
        self._moved.fire()
        return packet.data, packet.reset

    def _lag(self, packet: _Packet) -> float:
        return self.line.faults.delay + self.line.faults.jitter * packet.luck

    async def _gate(self) -> None:
        while True:
            if self.line.faults.stall or self.over:
                await self.line.changed.wait()
            elif self.line.faults.bandwidth and self._free_at > self._loop.time():
                await self.line.changed.wait(until=self._free_at)
            else:
                return

    async def _hand_on(self, rest: memoryview) -> None:
        while rest:
            await self._gate()
            if self.line.faults.swallow:
                self._swallow(len(rest))
                return
            piece = rest[: self._size(len(rest))]
            await self._loop.sock_sendall(self._sink, piece)
            self._account(len(piece))
            rest = rest[len(piece) :]
            if self.line.faults.slices:
                # A receiver on this loop reads in the next turn: go on in the one after it, and it reads this piece.
                await asyncio.sleep(0)
                await asyncio.sleep(0)

    def _account(self, size: int) -> None:
        self.passed += size
        if bandwidth := self.line.faults.bandwidth:
            self._free_at = max(self._free_at, self._loop.time()) + size / bandwidth
        self.line.count(size)
        self._cut_if_due()

    def _size(self, size: int) -> int:
        """
        Return how many of the waiting bytes go out in one piece, or end the connection before the next one.
        """
        faults = self.line.faults
        if faults.slices:
            if self._border <= self.passed:
                self._border = self.passed + self._slicing.randint(1, faults.slices)
            size = min(size, self._border - self.passed)
        if faults.bandwidth:
            size = min(size, max(1, int(faults.bandwidth * PACE)))
        if self.cut is not None:
            size = min(size, self.cut.limit - self.passed)
            if size <= 0:
                raise Ended(reset=self.cut.reset, reason="cuts")
        return size

    def _cut_if_due(self) -> None:
        if self.cut is not None and self.cut.at_once and self.passed >= self.cut.limit:
            raise Ended(reset=self.cut.reset, reason="cuts")

    def _swallow(self, size: int) -> None:
        self.lost = True
        self.line.count(0, swallowed=size)


class Relay:
    """
    One connection: the client's socket, the target's, and the two pipes between them.

    ``number`` counts the connections of a proxy from 1; with the seed it makes the connection's random choices.
    """

    def __init__(
        self, number: int, client: socket.socket, target: Address, *, to_target: Line, to_client: Line, seed: int
    ) -> None:
        self.number = number
        self.ended: Ended | None = None
        self._address = target
        self._sockets = (client, open_socket(target))
        there = Pipe(to_target, *self._sockets, seed=f"{seed}/{number}/target")
        back = Pipe(to_client, *reversed(self._sockets), seed=f"{seed}/{number}/client")
        there.back, back.back = back, there
        self._pipes = (there, back)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """
        Begin to relay, in a task that the caller owns, and after which it calls `close`.
        """
        self._task = asyncio.create_task(self._run(), name=f"connection {self.number}")
        return self._task

    def end(self, ended: Ended) -> None:
        """
        End the connection; not a byte passes after this.
        """
        self.ended = self.ended or ended
        for pipe in self._pipes:
            pipe.over = True
        if self._task is not None:
            self._task.cancel()

    def cut(self, line: Line, cut: Cut | None) -> None:
        """
        End the connection after so many bytes of a direction from now; None takes such a cut back.
        """
        for pipe in self._pipes:
            if pipe.line is line:
                try:
                    pipe.arm(cut)
                except Ended as ended:
                    self.end(ended)

    def lost(self, line: Line) -> bool:
        """
        Whether bytes of a direction, or its end, were swallowed.
        """
        return any(pipe.lost for pipe in self._pipes if pipe.line is line)

    def close(self) -> None:
        """
        Close both sockets.
        """
        reset = self.ended is not None and self.ended.reset
        for sock in self._sockets:
            if reset:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

    async def _run(self) -> None:
        try:
            await self._connect()
            async with asyncio.TaskGroup() as tasks:
                for pipe in self._pipes:
                    tasks.create_task(pipe.read())
                    tasks.create_task(pipe.write())
        except* Ended as group:
            # Two tasks may find at once that it is over; the first one says how.
            self.ended = self.ended or next(leaf for leaf in group.exceptions if isinstance(leaf, Ended))

    async def _connect(self) -> None:
        line = self._pipes[0].line
        while line.faults.stall:
            await line.changed.wait()
        target = self._sockets[1]
        try:
            await asyncio.get_running_loop().sock_connect(target, socket_address(self._address))
            for sock in self._sockets:
                if sock.family != socket.AF_UNIX:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as exc:
            raise Ended(reset=True, reason="unreachable") from exc
