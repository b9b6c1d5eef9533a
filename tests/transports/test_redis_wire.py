"""
What travels, and what comes back that should not.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swergio_transports.redis.calls import COPIED, Call, Script, Word, packed
from swergio_transports.redis.dialing import Identity, dial
from swergio_transports.redis.errors import BrokerLost, BrokerRefused, translated
from swergio_transports.redis.limits import pubsub_limit
from swergio_transports.redis.reader import Reader
from swergio_transports.redis.wire import Wire
from tests.transports.conftest import Run

SMALL = 16  # in place of COPIED, for quicker examples
sizes = st.sampled_from([0, 1, SMALL - 1, SMALL, SMALL + 1])
buffers = sizes.flatmap(lambda size: st.sampled_from([bytes(size), bytearray(size), memoryview(bytes(size))]))
words = st.one_of(buffers, st.integers(-(2**63), 2**64), st.text(max_size=5), st.lists(buffers, max_size=4))


def plain(word: Word) -> bytes:
    if isinstance(word, (list, tuple)):
        return b"".join(bytes(piece) for piece in word)
    return bytes(word) if isinstance(word, (bytes, bytearray, memoryview)) else str(word).encode()


@given(st.lists(st.lists(words, min_size=1, max_size=5), max_size=5))
def test_commands_are_packed_as_the_parser_of_a_server_reads_them(commands: list[list[Word]]) -> None:
    parser = hiredis.Reader(notEnoughData=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("swergio_transports.redis.calls.COPIED", SMALL)
        parser.feed(b"".join(packed(commands)))

    assert [parser.gets() for _ in commands] == [[plain(word) for word in command] for command in commands]
    assert parser.gets() is None


def test_what_is_large_is_not_copied() -> None:
    large = bytearray(COPIED)
    assert any(piece is large for piece in packed([["SET", "key", [b"head", large]]]))


class Sink(asyncio.Transport):
    """
    Takes what is written.
    """

    def write(self, data: object) -> None:
        pass

    def abort(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


@given(st.lists(st.sampled_from([0, 1, SMALL - 1, SMALL, 3 * SMALL, 9 * SMALL]), min_size=1), st.integers(1, 4 * SMALL))
def test_replies_of_any_size_are_read_from_chunks_of_any_size(lengths: list[int], chunk: int) -> None:
    replies = [bytes([number % 256]) * length for number, length in enumerate(lengths)]
    data = b"".join(b"$%d\r\n%b\r\n" % (len(reply), reply) for reply in replies)

    async def check() -> list[bytes]:
        wire = Wire(heartbeat=60, dead_after=60)
        wire.connection_made(Sink())
        futures = wire.send([("GET", "key")] * len(replies))
        at = 0
        while at < len(data):
            view = wire.get_buffer(-1)
            part = data[at : at + min(chunk, len(view))]
            view[: len(part)] = part
            wire.buffer_updated(len(part))
            at += len(part)
        wire.abort("done")
        return [bytes(future.result()) for future in futures]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("swergio_transports.redis.bodies.LARGE", SMALL)
        patch.setattr("swergio_transports.redis.wire.HEAD", SMALL)
        assert asyncio.run(check()) == replies


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'. script: abc, on @user_script:1.", "OOM"),
        ("ERR Error running script (call to f_a): @user_script:3: -OOM command not allowed", "OOM"),
        ("ERR unknown command", "ERR"),
        ("NOPERM User x has no permissions", "NOPERM"),
    ],
)
def test_the_code_of_an_error_is_that_of_its_cause(text: str, expected: str) -> None:
    error = translated(hiredis.ReplyError(text))
    assert isinstance(error, BrokerRefused)
    assert error.code == expected


@pytest.mark.parametrize("code", ["LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY"])
def test_a_server_that_cannot_serve_now_is_as_good_as_away(code: str) -> None:
    assert isinstance(translated(hiredis.ReplyError(f"{code} for some reason")), BrokerLost)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", 8388608),
        ("pubsub 33554432 0 0", 33554432),
        ("pubsub 0 0 0", 0),
        ("", 8388608),
    ],
)
def test_the_limit_of_subscribers_is_read(value: str, expected: int) -> None:
    assert pubsub_limit(value) == expected


def test_scripts_are_known_by_their_text() -> None:
    one, other = Script("return 1"), Script("return 1")
    assert one == other
    assert len({one, other, Script("return 2")}) == 2
    assert Call(one, [b"a"], [1]).words() == ("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 1, b"a", 1)
    assert Call(one, [b"a"], [1]).words(whole=True)[:2] == ("EVAL", "return 1")


class Scripted(asyncio.Protocol):
    """
    A server that greets, and answers everything after that with the same bytes.
    """

    answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.greeted = False

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.answer if self.greeted else b"+OK\r\n")
        self.greeted = True


async def answered(answer: bytes, came: list[Any], verb: bytes = b"subscribe") -> Any:
    """
    Subscribe to "a" and "b" at a server that answers so, and return what that gives.
    """

    def serve() -> Scripted:
        protocol = Scripted()
        protocol.answer = answer
        return protocol

    def make() -> Reader:
        return Reader(5, 15, lambda *message: came.append(message), came.append)

    async with await asyncio.get_running_loop().create_server(serve, "127.0.0.1", 0) as server:
        reader = await dial(server.sockets[0].getsockname()[:2], Identity("test"), make)
        try:
            return await asyncio.wait_for(reader.confirm(verb, [b"a", b"b"]), 20)
        finally:
            reader.abort("the test is over")
            await asyncio.sleep(0.01)


A, B = b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", b">3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
MESSAGE = b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"


def test_messages_between_confirmations_are_messages(run: Run) -> None:
    came: list[Any] = []

    async def check() -> None:
        assert await answered(A + MESSAGE + B + MESSAGE, came) is None
        assert came == [(b"a", b"hi")] * 2

    run(check())


def test_a_channel_that_is_taken_away_is_told(run: Run) -> None:
    came: list[Any] = []

    async def check() -> None:
        taken = b">3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n"
        confirmed = (A + taken + B).replace(b"$9\r\nsubscribe", b"$10\r\nssubscribe")
        assert await answered(confirmed, came, b"ssubscribe") is None
        assert came == [b"a"]

    run(check())


def test_a_refusal_is_the_answer_to_the_subscription(run: Run) -> None:
    async def check() -> None:
        reply = await answered(b"-NOPERM no\r\n", [])
        assert isinstance(reply, hiredis.ReplyError)

    run(check())


@pytest.mark.parametrize("answer", [b"+OK\r\n", b"\x00\x01rubbish\r\n", b"$-5\r\n", b"*2\r\n+a\r\n?\r\n"])
def test_an_answer_that_makes_no_sense_ends_the_connection(run: Run, answer: bytes) -> None:
    async def check() -> None:
        with pytest.raises(BrokerLost):
            await answered(answer, [])

    run(check())
