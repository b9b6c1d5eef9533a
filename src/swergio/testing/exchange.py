"""What a fault proxy does on its loop: it listens, keeps the connections, and changes what happens to them."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import random
import socket
from pathlib import Path

from swergio.testing.lines import Address, Counters, Cut, Cuttable, Ended, Faults, Line, Signal
from swergio.testing.relay import Relay, open_socket, socket_address

# More clients than that wait in the kernel's queue.
MAX_CONNECTIONS = 4096
PAUSE = 0.1


class Exchange:
    """
    The listener, the connections, and the two directions of a fault proxy.

    Nothing here waits but `close`, so a change is whole before another byte passes. All is called on the loop, or
    before there is one.
    """

    def __init__(self, target: Address, address: Address, seed: int) -> None:
        self.target = target
        self.address = address
        self.seed = seed
        self.counters = Counters()
        self.counted = Signal()
        self.to_target = Line("target", self.counters, self.counted)
        self.to_client = Line("client", self.counters, self.counted)
        self._random = random.Random(seed)
        self._relays: dict[Relay, asyncio.Task[None]] = {}
        self._socket: socket.socket | None = None
        self._refusing = False
        self._paused: asyncio.TimerHandle | None = None

    # -- listening ------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """
        Take the address, and listen unless new connections are refused.

        Raises:
            OSError: the address cannot be had.
        """
        self._loop = asyncio.get_running_loop()
        self._socket = self._bind()
        self._listen()

    async def close(self) -> None:
        """
        Give the address back, and close all connections.
        """
        self._close_listener()
        tasks = list(self._relays.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def refuse(self) -> None:
        """
        Refuse new connections.
        """
        self._refusing = True
        if self._socket is not None:
            # A socket that is bound and does not listen refuses, and keeps the port from everyone else.
            self._close_listener()
            self._socket = self._bind()

    def _bind(self) -> socket.socket:
        sock = open_socket(self.address)
        try:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(socket_address(self.address))
        except BaseException:
            sock.close()
            raise
        if isinstance(self.address, tuple):
            self.address = (self.address[0], sock.getsockname()[1])
        return sock

    def _listen(self) -> None:
        if self._socket is not None and not self._refusing:
            self._socket.listen(socket.SOMAXCONN)
            self._loop.add_reader(self._socket, self._accept)

    def _close_listener(self) -> None:
        if self._paused is not None:
            self._paused.cancel()
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
            if isinstance(self.address, Path):
                self.address.unlink(missing_ok=True)

    def _pause(self) -> None:
        assert self._socket is not None
        self._loop.remove_reader(self._socket)
        self._paused = self._loop.call_later(PAUSE, self._listen)

    # -- connections ----------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        assert self._socket is not None
        if len(self._relays) >= MAX_CONNECTIONS:
            self._pause()
            return
        try:
            client, _ = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # out of file descriptors: it would fail at once again, for ever
            self._pause()
            return
        self._relay(client)

    def _relay(self, client: socket.socket) -> None:
        client.setblocking(False)  # noqa: FBT003  the standard library takes it so
        number = self.counters.connections + 1
        try:
            relay = Relay(
                number, client, self.target, to_target=self.to_target, to_client=self.to_client, seed=self.seed
            )
        except OSError:
            client.close()
            return
        self.counters.connections = number
        self.counters.open += 1
        self.counted.fire()
        task = self._relays[relay] = relay.start()
        task.add_done_callback(functools.partial(self._finished, relay))

    def _finished(self, relay: Relay, task: asyncio.Task[None]) -> None:
        del self._relays[relay]
        relay.close()
        self.counters.open -= 1
        if relay.ended is not None and relay.ended.reason is not None:
            self.counters.add(relay.ended.reason)
        self.counted.fire()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler({"message": f"connection {relay.number} failed", "exception": error})

    def live(self) -> list[Relay]:
        """
        Return the open connections, in the order in which they came.
        """
        return [relay for relay in self._relays if relay.ended is None]

    def abort(self, relays: list[Relay]) -> int:
        """
        Reset connections, and return how many.
        """
        for relay in relays:
            relay.end(Ended(reset=True, reason="resets"))
        return len(relays)

    def abort_one(self) -> int:
        """
        Reset one connection that chance chooses, if there is one.
        """
        live = self.live()
        return self.abort([self._random.choice(live)] if live else [])

    # -- faults ---------------------------------------------------------------------------------------------------

    def change(self, line: Line, faults: Faults) -> None:
        """
        Give a direction other faults.
        """
        returns = line.faults.swallow and not faults.swallow
        line.faults = faults
        line.changed.fire()
        if returns:
            self.abort([relay for relay in self.live() if relay.lost(line)])

    def add(self, lines: list[Line], **faults: bool) -> None:
        """
        Give directions faults beside those that they have.
        """
        for line in lines:
            self.change(line, dataclasses.replace(line.faults, **faults))

    def cut(self, line: Line, cut: Cut, of: Cuttable) -> None:
        """
        End connections at a byte of a direction.
        """
        if of == "next":
            line.cut_next = cut
        elif of == "every":
            line.cut_every = cut
        else:
            for relay in self.live():
                relay.cut(line, cut)

    def heal(self) -> None:
        """
        End all faults.
        """
        for line in (self.to_target, self.to_client):
            line.cut_next = line.cut_every = None
            for relay in self.live():
                relay.cut(line, None)
            self.change(line, Faults())
        self._refusing = False
        self._listen()
