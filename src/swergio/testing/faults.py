"""A proxy that breaks the connections through it on purpose."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, get_args

from swergio.errors import ConfigurationError
from swergio.portal import Portal
from swergio.testing.exchange import Exchange
from swergio.testing.lines import Counters, Cut, Cuttable, Faults, Line, Toward
from swergio.testing.seeds import choose_seed, rerun

T = TypeVar("T")

# How long a control waits for the proxy's own thread or loop, which only a blocked loop lets it reach.
CONTROL_TIMEOUT = 10.0


class FaultProxy:
    """
    Stands between clients and a server, and does to their connections what networks do.

    It relays any stream protocol over TCP or Unix sockets, and starts without faults. In ``async with`` it runs on
    the loop of the caller; in plain ``with`` on a thread of its own. Its faults can be changed at any time and from
    any thread, and have taken effect when the call returns.

    Example::

        with FaultProxy("127.0.0.1", 7300, seed=7) as proxy:
            component = swergio.Component("forecaster", proxy.url("ws"))
            ...
            proxy.to_target = Faults(delay=0.05, jitter=0.02, slices=100)  # toward the hub
            proxy.to_client = Faults(bandwidth=1e6)  # toward the components
            proxy.cut("client", after=300)           # the next connection breaks after 300 bytes from the hub
            proxy.abort_one()                        # reset one of the connections, chosen by the seed
            proxy.half_open()                        # swallow everything and tell nobody
            proxy.heal()
            proxy.wait_until(lambda counters: counters.cuts == 1)

    Memory is bounded: 1 MiB for each direction of a connection, at most 4096 connections. A receiver that does not
    read slows its sender down as it would without the proxy.

    Args:
        host: Where the server is: a name or IP address, or the path of a Unix socket if there is no ``port``.
        port: The server's port.
        listen: Where the proxy listens: (host, port), port 0 for any free one, or the path of a Unix socket, which
            is removed again.
        seed: Makes the random choices; by default ``SWERGIO_SEED``, else a new one, told by ``repr`` and errors.

    Raises:
        ConfigurationError: ``SWERGIO_SEED`` is no whole number.
        OSError: on entering, the address to listen on cannot be had.
        NotImplementedError: on entering, the loop has no ``add_reader``, as the default one of Windows.
    """

    def __init__(
        self,
        host: str | os.PathLike[str],
        port: int | None = None,
        *,
        listen: tuple[str, int] | str | os.PathLike[str] = ("127.0.0.1", 0),
        seed: int | None = None,
    ) -> None:
        self.seed = choose_seed(seed)
        target = Path(host) if port is None else (os.fspath(host), port)
        self._exchange = Exchange(target, listen if isinstance(listen, tuple) else Path(listen), self.seed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._portal: Portal | None = None

    # -- life -----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._exchange.open()
        self._thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop = None
        await self._exchange.close()

    def __enter__(self) -> Self:
        self._portal = Portal("fault proxy")
        try:
            return self._portal.call(self.__aenter__)
        except BaseException:
            self._end_thread()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._portal is not None
        try:
            self._portal.call(functools.partial(self.__aexit__, kind, value, trace))
        finally:
            self._end_thread()

    def _end_thread(self) -> None:
        assert self._portal is not None
        self._portal.end(CONTROL_TIMEOUT)
        self._portal = None

    def __repr__(self) -> str:
        ends = (self._exchange.address, self._exchange.target)
        told = (f"{end[0]}:{end[1]}" if isinstance(end, tuple) else str(end) for end in ends)
        return f"<FaultProxy {' -> '.join(told)}, seed {self.seed}>"

    # -- where it is ----------------------------------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int] | Path:
        """
        Where clients reach it: (host, port), or the path of its Unix socket.
        """
        return self._exchange.address

    @property
    def port(self) -> int:
        """
        The port that it listens on.

        Raises:
            ConfigurationError: it listens on a Unix socket.
        """
        if isinstance(self._exchange.address, Path):
            raise ConfigurationError(f"{self!r} listens on a Unix socket and has no port", remedy="Use address")
        return self._exchange.address[1]

    def url(self, scheme: str) -> str:
        """
        Return where clients reach it as a URL without a path.
        """
        if isinstance(self._exchange.address, Path):
            return f"{scheme}://{self._exchange.address}"
        host, port = self._exchange.address
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    # -- faults ---------------------------------------------------------------------------------------------------

    @property
    def to_target(self) -> Faults:
        """
        The faults of what clients send. Assign others at any time: they act on open connections and on new ones.
        """
        return self._exchange.to_target.faults

    @to_target.setter
    def to_target(self, faults: Faults) -> None:
        self._control(lambda: self._exchange.change(self._exchange.to_target, faults))

    @property
    def to_client(self) -> Faults:
        """
        The faults of what the target sends.
        """
        return self._exchange.to_client.faults

    @to_client.setter
    def to_client(self, faults: Faults) -> None:
        self._control(lambda: self._exchange.change(self._exchange.to_client, faults))

    def half_open(self, toward: Toward | None = None) -> None:
        """
        Swallow everything, or what goes one way: the sockets stay open, and nobody is told. See `Faults.swallow`.
        """
        self._control(lambda: self._exchange.add(self._lines(toward), swallow=True))

    def black_hole(self, toward: Toward | None = None) -> None:
        """
        Hold everything back, or what goes one way, and deliver it when that is healed. See `Faults.stall`.

        A new client sees its connection accepted, as a kernel does it for a program that hangs, and then nothing.
        """
        self._control(lambda: self._exchange.add(self._lines(toward), stall=True))

    def cut(
        self,
        toward: Toward,
        *,
        before: int | None = None,
        after: int | None = None,
        of: Cuttable = "next",
        reset: bool = False,
    ) -> None:
        """
        End connections at a byte of one direction; what came before it is delivered.

        ``before=k`` ends them when byte k (from 1) comes, which gets lost with all that follows: a message that was
        on its way. ``after=k`` ends them as soon as k bytes are delivered: an answer that never starts. One cut for
        each direction of a connection: a later one replaces it.

        Args:
            toward: The direction whose bytes are counted. Both directions end.
            before: Of which byte; or
            after: after how many, 0 for at once.
            of: ``"next"``: the next new connection; ``"every"``: all new ones, until `heal`; ``"live"``: those that
                are open now, bytes counted from now.
            reset: End with a reset, which may overtake delivered bytes that the receiver has not read; otherwise
                both sockets are closed, as those of a process that is killed (whoever was just sending is reset).

        Raises:
            ConfigurationError: not one of ``before`` and ``after`` is given, or an argument is none of the above.
        """
        if (before is None) == (after is None):
            raise ConfigurationError("a cut needs a place", "either 'before' or 'after'")
        limit = after if before is None else before - 1
        if limit is None or limit < 0:
            raise ConfigurationError(f"cut(before={before}, after={after})", "before=1 or more, or after=0 or more")
        if of not in get_args(Cuttable):
            raise ConfigurationError(f"of={of!r}", f"one of {', '.join(get_args(Cuttable))}")
        line, place = self._line(toward), Cut(limit, before is None, reset)
        self._control(lambda: self._exchange.cut(line, place, of))

    def abort(self) -> int:
        """
        Reset every open connection and return how many that were. A Unix socket knows no reset: it is closed.
        """
        return self._control(lambda: self._exchange.abort(self._exchange.live()))

    def abort_one(self) -> int:
        """
        Reset one open connection, chosen by the seed, and return how many that were: 1, or 0 if there was none.
        """
        return self._control(self._exchange.abort_one)

    def refuse(self) -> None:
        """
        Refuse new connections, as a host does where nothing listens. The address stays the proxy's.
        """
        self._control(self._exchange.refuse)

    def heal(self) -> None:
        """
        End all faults: no delays, limits, holes or cuts, and new connections are accepted.
        """
        self._control(self._exchange.heal)

    # -- watching -------------------------------------------------------------------------------------------------

    @property
    def counters(self) -> Counters:
        """
        What it has counted until now; a copy.
        """
        return dataclasses.replace(self._exchange.counters)

    async def until(self, condition: Callable[[Counters], bool], *, timeout: float = 10.0) -> None:
        """
        Return when the counters fulfil a condition. On the proxy's loop only; elsewhere, use `wait_until`.

        Raises:
            TimeoutError: that took more than ``timeout`` seconds; tells the counters and the seed.
        """
        try:
            async with asyncio.timeout(timeout):
                while not condition(self._exchange.counters):
                    await self._exchange.counted.wait()
        except TimeoutError:
            waited = f"{self!r} counted {self._exchange.counters} after {timeout:g} s, not what was waited for"
            raise TimeoutError(f"{waited} ({rerun(self.seed)})") from None

    def wait_until(self, condition: Callable[[Counters], bool], *, timeout: float = 10.0) -> None:
        """
        Return when the counters fulfil a condition; for plain code, where the proxy has its own thread.

        Raises:
            TimeoutError: that took more than ``timeout`` seconds; tells the counters and the seed.
            ConfigurationError: the proxy runs on no thread of its own.
        """
        if self._portal is None:
            raise ConfigurationError(f"{self!r} has no thread of its own", remedy="Use 'await until(...)', or 'with'")
        self._portal.call(functools.partial(self.until, condition, timeout=timeout))

    def _control(self, action: Callable[[], T]) -> T:
        """
        Run an action where nothing else happens meanwhile: on the loop, once there is one.
        """
        loop = self._loop
        if loop is None or threading.get_ident() == self._thread:
            return action()

        async def act() -> T:
            return action()

        try:
            return asyncio.run_coroutine_threadsafe(act(), loop).result(CONTROL_TIMEOUT)
        except TimeoutError:
            raise TimeoutError(f"{self!r} did not act in {CONTROL_TIMEOUT:g} s: its event loop is blocked") from None

    def _line(self, toward: Toward) -> Line:
        if toward not in {"target", "client"}:
            raise ConfigurationError(f"{toward!r} is no direction", "'target' or 'client'")
        return self._exchange.to_target if toward == "target" else self._exchange.to_client

    def _lines(self, toward: Toward | None) -> list[Line]:
        return [self._line("target"), self._line("client")] if toward is None else [self._line(toward)]
