"""Reading what was not published to us, or not whole: holes, large payloads, what handlers were not ready for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from swergio.codec.frames import Buffer
from swergio.errors import ProtocolError
from swergio_transports.redis import members
from swergio_transports.redis.access import Access
from swergio_transports.redis.calls import Call, Command, Word
from swergio_transports.redis.entries import Entry, heading, is_head, stored
from swergio_transports.redis.errors import BrokerLost, BrokerRefused
from swergio_transports.redis.keys import LogKeys
from swergio_transports.redis.loose import Loose
from swergio_transports.redis.reading import Reading, State
from swergio_transports.redis.receiving import Receiver
from swergio_transports.redis.scripts import script
from swergio_transports.redis.sharing import Share

logger = logging.getLogger("swergio.redis")

PAUSE: Final = 0.1
LOOKS: Final = 512
"""Logs that are compared with the server at once."""

SILENCE: Final = 1.0
TOKEN: Final = 2.0
MAX_SILENCE: Final = 30.0


class Filling:
    """
    Fetches what a receiver lacks.

    Args:
        access: The way to the server.
        receiver: Knows what is lacking.
        rejoin: Called with logs that the server does not know the instance to be a member of.
        connected: Whether it is worth trying again now; if not, all logs are looked at when it is.
    """

    def __init__(
        self,
        access: Access,
        receiver: Receiver,
        rejoin: Callable[[Sequence[Reading]], Awaitable[None]],
        connected: Callable[[], bool],
    ) -> None:
        self._instance = access.instance
        self._receiver = receiver
        self._broker = access.broker
        self._all = access.all
        self._verb = access.verb
        self._rejoin = rejoin
        self._connected = connected
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[Reading, asyncio.Task[None]] = {}
        self._silences: dict[Reading, float] = {}
        self._tokens: dict[bytes, asyncio.Future[None]] = {}
        self._closed = False

    # -- fetching -------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """
        Fetch what is wanted.
        """
        wanting = self._receiver.wanting
        for reading in () if self._closed else list(wanting):
            if reading not in self._tasks:
                del wanting[reading]
                if isinstance(reading, Share):
                    self._spawn(reading, self._work(reading))
                elif reading.wanted() is not None:
                    self._spawn(reading, self._fill(reading))

    async def _work(self, share: Share) -> None:
        asked = share.ask(self._loop.time())
        if asked is None:
            return
        count, mine, finished = asked
        try:
            answer = await self._broker.run(*self._work_call(share, count, mine, finished))
            if not self._receiver.is_read(share):
                return
            if answer[0] >= 0:
                self._receiver.given(share, await self._whole(share, answer), count)
                return
            logger.debug("%s does not know us as a member of the group", share.keys.log)
            await self._rejoin([share])
        except BrokerLost:
            pass
        except BrokerRefused as exc:
            logger.warning("%s has forgotten the group: %s", share.keys.log, exc)
            with contextlib.suppress(BrokerLost):
                await self._rejoin([share])
            await asyncio.sleep(PAUSE)
        share.lost()
        if self._connected():
            self._receiver.wanting[share] = None

    def _work_call(self, share: Share, count: int, mine: bool, finished: Sequence[bytes]) -> Call:
        manner = share.manner
        words: tuple[Word, ...] = (
            manner.group or "",
            self._instance,
            int(manner.echo),
            count,
            self._verb,
            int(mine),
            *finished,
        )
        return Call(script("work"), share.keys, words)

    async def finish(self, share: Share) -> None:
        """
        Tell the server what was finished, before the membership ends: others would do it again.

        Raises:
            BrokerLost: It may not know.
        """
        if share.finished:
            await self._broker.run(*self._work_call(share, 0, mine=False, finished=tuple(share.finished)))

    def _spawn(self, reading: Reading, work: Any) -> None:
        task = self._tasks[reading] = asyncio.create_task(work, name="swergio redis reading")
        task.add_done_callback(lambda task: self._ended(reading, task))

    def _ended(self, reading: Reading, task: asyncio.Task[None]) -> None:
        self._tasks.pop(reading, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("reading of %s ended", reading.keys.log, exc_info=error)
        if reading in self._receiver.wanting:
            self.pump()

    async def _fill(self, reading: Reading) -> None:
        try:
            while (span := reading.wanted()) is not None and self._receiver.is_read(reading):
                reading.fetching = True
                entries = await self._fetch(reading, *span)
                if self._receiver.is_read(reading) and self._receiver.fetched(reading, entries):
                    reading = await self._place(reading)
        except ProtocolError as exc:
            logger.error("%s: %s", reading.keys.log, exc)
        except BrokerLost:
            pass  # it is looked at again when a connection stands
        except BrokerRefused as exc:
            logger.error("%s cannot be read: %s", reading.keys.log, exc)
            await asyncio.sleep(PAUSE)
            self._receiver.wanting[reading] = None
        finally:
            reading.fetching = False

    async def _fetch(self, reading: Reading, start: int, end: int) -> list[Entry]:
        """
        Return entries, those whose payload is gone without a frame.

        Raises:
            ProtocolError: Something in the log is none of ours.
        """
        log = reading.keys.log
        if isinstance(reading, Loose):
            entries = [reading.ahead[0]]
        else:
            entries = [stored(item) for item in await self._broker.ask(log, "XRANGE", log, start, end - 1)]
        frames = await self._frames(reading.keys, [entry.head for entry in entries if entry.head is not None])
        return [entry if entry.head is None else entry._replace(frame=frames.pop(0)) for entry in entries]

    async def _frames(self, keys: LogKeys, heads: Sequence[Buffer]) -> list[memoryview | None]:
        """
        Return the frames that have these heads; None for one that is gone.
        """
        calls = []
        for head in heads:
            said = heading(head)
            body = keys.body(said.sender, said.channel, said.first + said.messages - 1)
            calls.append(Command(body, ("GET", body)))
        return [None if reply is None else memoryview(reply) for reply in await self._all(calls)]

    async def _whole(self, share: Share, answer: Sequence[Any]) -> list[Any]:
        """
        Return work with the frames of which it holds only the heads.
        """
        heads = [item[2] for item in answer[1:] if is_head(item[2])]
        frames = await self._frames(share.keys, heads) if heads else []
        return [
            answer[0],
            *([*item[:2], frames.pop(0) or item[2], *item[3:]] if is_head(item[2]) else item for item in answer[1:]),
        ]

    async def _place(self, reading: Reading) -> Reading:
        reading.fetching = not isinstance(reading, Loose)  # that goes on taking what comes
        token = secrets.token_bytes(8) if isinstance(reading, Loose) else b""
        arrived = self._tokens[token] = self._loop.create_future()
        try:
            words = (self._instance, reading.next, self._verb, token)
            base, top, member, first, flat = await self._broker.run(script("state"), reading.keys, words)
            if token:  # what was published before is here when this is, or the connection broke and we look again
                await asyncio.wait_for(arrived, TOKEN)
        except TimeoutError:
            return reading
        finally:
            self._tokens.pop(token, None)
        if not base or not member:
            await self._rejoin([reading])
            return await self._place(reading) if self._receiver.is_read(reading) else reading
        if not self._receiver.is_read(reading):
            return reading
        return self._receiver.stands(reading, State(base, top, bool(member), first, members.positions(flat)))

    def token(self, data: bytes) -> None:
        """
        What we published ourselves to know that everything before it has come.
        """
        arrived = self._tokens.get(data)
        if arrived is not None and not arrived.done():
            arrived.set_result(None)

    # -- looking --------------------------------------------------------------------------------------------------

    async def look(self, readings: Iterable[Reading]) -> None:
        """
        Compare logs with the server: their tops, and whether we are still a member.

        Raises:
            BrokerLost: A connection broke.
        """
        todo = [reading for reading in readings if not reading.joining]
        for start in range(0, len(todo), LOOKS):
            await self._look(todo[start : start + LOOKS])
        self.pump()

    async def _look(self, readings: Sequence[Reading]) -> None:
        seen = [reading.seen for reading in readings]
        calls: list[Call | Command] = []
        for reading in readings:
            keys = reading.keys
            calls.append(Command(keys.meta, ("HMGET", keys.meta, "base", "top")))
            calls.append(Command(keys.members, ("HEXISTS", keys.members, self._instance)))
        replies = await self._all(calls)
        unknown, behind = [], []
        for reading, place, (base, top), member in zip(readings, seen, replies[::2], replies[1::2], strict=True):
            if not self._receiver.is_read(reading):
                continue
            if not member or int(base or 0) != reading.base or int(top or 0) < place:
                unknown.append(reading)
            elif self._receiver.ends_at(reading, int(top)):
                behind.append(reading)
        if unknown:
            await self._rejoin(unknown)
        for reading in unknown + behind:
            if self._receiver.is_read(reading):
                await self._place(reading)

    async def look_at_silent(self) -> None:
        """
        Look at the logs in which nothing came for a second, again and again, ever more rarely.
        """
        now = self._loop.time()
        silent = []
        for reading in self._receiver:
            quiet = now - reading.heard
            if quiet < SILENCE:
                self._silences.pop(reading, None)
            elif quiet >= (after := self._silences.get(reading, SILENCE)):
                pause = SILENCE if isinstance(reading, Share) else min(2 * after, MAX_SILENCE)
                self._silences[reading] = quiet + pause
                silent.append(reading)
        self._silences = {reading: at for reading, at in self._silences.items() if self._receiver.is_read(reading)}
        await self.look(silent)

    async def close(self) -> None:
        """
        Cease.
        """
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
