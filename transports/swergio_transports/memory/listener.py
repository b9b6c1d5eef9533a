"""Finding the other end inside one process."""

from __future__ import annotations

import asyncio
import errno
import functools
import logging
import os
import threading
from typing import Final

from swergio.errors import AccessRefused, ConfigurationError, ConnectFailed
from swergio.hub.link import Accept, Link, LinkEvents, LinkOptions, Listener
from swergio_transports.memory.call import Call
from swergio_transports.memory.link import MemoryLink

SCHEME: Final = "memory://"

logger = logging.getLogger("swergio.memory")

_lock = threading.Lock()
_listeners: dict[str, MemoryListener] = {}


async def listen(url: str, accept: Accept, options: LinkOptions) -> Listener:
    """
    Accept links at ``memory://name`` from every thread of this process.

    Raises:
        ConfigurationError: The URL has no name.
        OSError: The name is taken.
    """
    listener = MemoryListener(_checked(url), accept, options)
    with _lock:
        holder = _listeners.get(url)
        if holder is not None and holder.reachable:
            raise OSError(errno.EADDRINUSE, f"{url} is taken in this process")
        _listeners[url] = listener
    return listener


async def dial(url: str, events: LinkEvents, options: LinkOptions) -> Link:
    """
    Connect to ``memory://name``.

    Nothing is told to ``events`` before the awaiting coroutine goes on, if it awaits this call directly. A cancelled
    call leaves no connection.

    Raises:
        ConfigurationError: The URL has no name.
        AccessRefused: The token was not accepted.
        ConnectFailed: All links are taken, or the listener failed.
        ConnectionRefusedError: Nobody listens there.
        TimeoutError: The listener's loop did not answer within ``options.handshake_timeout``.
    """
    call = Call(_checked(url), options)
    with _lock:
        listener = _listeners.get(url)
    if listener is None or not listener.ring(call):
        raise _nobody(url)
    try:
        async with asyncio.timeout(options.handshake_timeout):
            problem = await call.answered
    except BaseException as exc:
        call.link.abort()
        if isinstance(exc, TimeoutError):
            raise TimeoutError(f"no answer from {url} in {options.handshake_timeout:g} s") from None
        raise
    if problem is not None:
        raise problem
    asyncio.get_running_loop().call_soon(call.link.begin, events)
    return call.link


class MemoryListener(Listener):
    """
    A name that can be dialled.
    """

    def __init__(self, url: str, accept: Accept, options: LinkOptions) -> None:
        self.url = url
        self._accept = accept
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._links: set[MemoryLink] = set()
        self._process = os.getpid()
        self._closed = False

    @property
    def reachable(self) -> bool:
        """
        Whether anyone will answer: not in a fork, which has the listeners of its parent but none of its threads.
        """
        return not self._closed and not self._loop.is_closed() and self._process == os.getpid()

    def ring(self, call: Call) -> bool:
        """
        Have a call answered, on the listener's thread; return false if it never will be.
        """
        if not self.reachable:
            return False
        try:
            self._loop.call_soon_threadsafe(self._answer, call)
        except RuntimeError:  # the loop is closed
            return False
        return True

    async def close(self) -> None:
        """
        Give the name back.
        """
        self._closed = True
        with _lock:
            if _listeners.get(self.url) is self:
                del _listeners[self.url]

    def _answer(self, call: Call) -> None:
        link = MemoryLink(self.url, self._options.max_packet)
        try:
            problem = self._problem(call)
            if problem is None:
                self._welcome(call, link)
            else:
                call.refuse(problem)
        except Exception:
            logger.exception("a call to %s could not be answered", self.url)
            link.abort()
            call.refuse(ConnectFailed(self.url, "the listener failed; its log tells how"))

    def _problem(self, call: Call) -> Exception | None:
        if self._closed:
            return _nobody(self.url)
        if not self._options.authorize(call.token):
            return AccessRefused(self.url, "it does not accept this token (or needs one, if none was given)")
        if len(self._links) >= self._options.max_links:
            return ConnectFailed(self.url, "all connections are taken; try again later")
        return None

    def _welcome(self, call: Call, link: MemoryLink) -> None:
        link.connect(call.link)
        owner = self._accept(link)
        self._links.add(link)
        call.accept(link)
        link.begin(owner, functools.partial(self._links.discard, link))


def _checked(url: str) -> str:
    if not url.startswith(SCHEME) or url == SCHEME:
        raise ConfigurationError(f"{url!r} is not the URL of a link in this process", "memory://name")
    return url


def _nobody(url: str) -> ConnectionRefusedError:
    return ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {url} in this process")
