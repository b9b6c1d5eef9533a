"""
Who gets a link from a WebSocket listener, and who does not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

import swergio_transports.websocket.server
from swergio.errors import AccessRefused, ConfigurationError, ConnectFailed
from swergio.hub.link import Link, LinkOptions, Listener
from swergio_transports.websocket import dial, listen
from tests.transports.conftest import Run
from tests.transports.recorder import (
    DEFAULTS,
    PATIENCE,
    Echo,
    Owners,
    Recorder,
    http,
    link_of,
    raw_peer,
    raw_stream,
    upgrade_request,
)

LOOPBACK = "ws://127.0.0.1:0"


def knows(token: str | None) -> bool:
    return token == "s3cret"


@contextlib.asynccontextmanager
async def listening(options: LinkOptions = DEFAULTS, url: str = LOOPBACK) -> AsyncIterator[tuple[str, Owners]]:
    owners = Owners(Echo)
    listener = await listen(url, owners, options)
    try:
        yield listener.url, owners
    finally:
        for owner in owners.all:
            link_of(owner).abort()
            await owner.until_lost()
        await listener.close()


async def echoes(link: Link, owner: Recorder) -> bool:
    count = len(owner.packets)
    link.send((b"still there?",))
    return (await owner.until_packets(count + 1))[-1] == b"still there?"


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        pytest.param(b"GET /health HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK", id="health"),
        pytest.param(upgrade_request("Authorization: Bearer s3cret", path="/other"), "HTTP/1.1 404 ", id="path"),
        pytest.param(upgrade_request(), "HTTP/1.1 401 ", id="no token"),
        pytest.param(upgrade_request("Authorization: Bearer wrong"), "HTTP/1.1 401 ", id="wrong token"),
        pytest.param(upgrade_request("Authorization: Basic s3cret"), "HTTP/1.1 401 ", id="not a bearer"),
        pytest.param(
            upgrade_request("Authorization: Bearer s3cret", "Authorization: Bearer s3cret"),
            "HTTP/1.1 401 ",
            id="two tokens",
        ),
        pytest.param(
            upgrade_request("Authorization: Bearer s3cret", "Origin: https://evil.example"),
            "HTTP/1.1 403 ",
            id="a page elsewhere",
        ),
        pytest.param(
            upgrade_request("Authorization: Bearer s3cret").replace(b"swergio", b"chat"),
            "HTTP/1.1 400 ",
            id="another subprotocol",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nAuthorization: Bearer s3cret\r\n\r\n", "HTTP/1.1 426 ", id="a browser"),
        pytest.param(b"POST / HTTP/1.1\r\nAuthorization: Bearer s3cret\r\n\r\n", "HTTP/1.1 405 ", id="POST"),
        pytest.param(b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n", "HTTP/1.1 414 ", id="long path"),
        pytest.param(upgrade_request("X: " + "x" * 20_000), "", id="large request"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", "", id="TLS"),
        pytest.param(bytes(range(256)) * 8, "", id="binary"),
        pytest.param(upgrade_request("Authorization: Bearer s3cret") + b"\xff\xff", "", id="garbage behind it"),
    ],
)
def test_a_handshake_is_answered_or_dropped(
    run: Run, request_: bytes, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with listening(LinkOptions(authorize=knows)) as (url, owners):
            here = Recorder()
            link = await dial(url, here, LinkOptions(token="s3cret"))
            response = await http(url, request_)
            assert response.startswith(answer)
            assert bool(response) == bool(answer)
            assert len(owners.all) == 1
            assert await echoes(link, here)

    run(scenario())
    assert caplog.records == []  # or strangers could fill the log


def test_the_health_page_says_ok(run: Run) -> None:
    async def scenario() -> None:
        async with listening() as (url, _):
            head, _, body = (await http(url, b"GET /health?now HTTP/1.1\r\nHost: x\r\n\r\n")).partition("\r\n\r\n")
            assert "Connection: close" in head
            assert body == "ok\n"

    run(scenario())


def test_a_listed_origin_may_connect(run: Run) -> None:
    async def scenario() -> None:
        async with (
            listening(LinkOptions(origins=("https://board.example",))) as (url, owners),
            raw_stream(url) as (reader, writer),
            asyncio.timeout(PATIENCE),
        ):
            writer.write(upgrade_request("Origin: https://board.example"))
            assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
            await owners.number(0)

    run(scenario())


def test_links_are_at_the_path_of_the_url(run: Run) -> None:
    async def scenario() -> None:
        async with listening(url=LOOPBACK + "/hub") as (url, owners):
            assert url.endswith("/hub")
            here = Recorder()
            assert await echoes(await dial(url, here, DEFAULTS), here)
            with pytest.raises(ConnectFailed, match="404"):
                await dial(url.removesuffix("/hub"), Recorder(), DEFAULTS)
            assert len(owners.all) == 1

    run(scenario())


def test_there_are_no_more_links_than_allowed(run: Run) -> None:
    async def scenario() -> None:
        async with listening(LinkOptions(max_links=2)) as (url, owners):
            members = [Recorder(), Recorder()]
            links = [await dial(url, member, DEFAULTS) for member in members]
            with pytest.raises(ConnectFailed, match=r"503.*All connections are taken"):
                await dial(url, Recorder(), DEFAULTS)
            links[0].close()
            await members[0].until_lost()
            await owners.all[0].until_lost()
            late = Recorder()
            assert await echoes(await dial(url, late, DEFAULTS), late)

    run(scenario())


def test_a_handshake_that_never_ends_is_dropped(run: Run) -> None:
    async def scenario() -> None:
        async with listening(LinkOptions(handshake_timeout=0.1)) as (url, owners):
            here = Recorder()
            link = await dial(url, here, DEFAULTS)
            assert await http(url, b"") == ""
            assert await http(url, b"GET / HTTP/1.1\r\n") == ""
            assert len(owners.all) == 1
            assert await echoes(link, here)

    run(scenario())


def test_the_oldest_handshake_goes_when_too_many_are_under_way(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swergio_transports.websocket.server, "MAX_HANDSHAKES", 3)

    async def scenario() -> None:
        async with listening() as (url, _), contextlib.AsyncExitStack() as stack:
            waiting = [await stack.enter_async_context(raw_stream(url)) for _ in range(5)]
            here = Recorder()
            assert await echoes(await dial(url, here, DEFAULTS), here)
            async with asyncio.timeout(PATIENCE):
                for reader, _ in waiting[:2]:
                    assert await reader.read() == b""
                reader, writer = waiting[-1]
                writer.write(b"GET /health HTTP/1.1\r\n\r\n")
                assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")

    run(scenario())


def test_closing_a_listener_leaves_its_links_alone(run: Run) -> None:
    async def scenario() -> None:
        owners = Owners(Echo)
        listener = await listen(LOOPBACK, owners, DEFAULTS)
        here = Recorder()
        link = await dial(listener.url, here, DEFAULTS)
        async with raw_stream(listener.url) as (reader, writer), asyncio.timeout(PATIENCE):
            writer.write(b"GET /hea")
            await listener.close()
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await dial(listener.url, Recorder(), DEFAULTS)
        assert await echoes(link, here)
        link.close()
        await here.until_lost()
        await owners.all[0].until_lost()

    run(scenario())


def test_an_owner_may_send_while_it_accepts(run: Run) -> None:
    def greet(link: Link) -> Recorder:
        link.send((b"welcome",))
        return greeted

    greeted = Recorder()

    async def scenario() -> None:
        listener = await listen(LOOPBACK, greet, DEFAULTS)
        here = Recorder()
        link = await dial(listener.url, here, DEFAULTS)
        assert here.packets == []
        assert await here.until_packets(1) == [b"welcome"]
        link.close()
        await here.until_lost()
        await greeted.until_lost()
        await listener.close()

    run(scenario())


def test_failing_to_accept_costs_only_that_connection(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    owners = Owners(Echo)

    def accept(link: Link) -> Recorder:
        if owners.all:
            raise RuntimeError("no more")
        return owners(link)

    async def scenario() -> None:
        listener = await listen(LOOPBACK, accept, DEFAULTS)
        here = Recorder()
        link = await dial(listener.url, here, DEFAULTS)
        async with raw_peer(listener.url) as (reader, _), asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        assert await echoes(link, here)
        link.close()
        await here.until_lost()
        await owners.all[0].until_lost()
        await listener.close()

    run(scenario())
    assert "no more" in caplog.text


async def ignored(url: str, options: LinkOptions) -> Listener:
    return await listen(url, Owners(), options)


@pytest.mark.parametrize(
    ("url", "options", "missing"),
    [
        ("ws://0.0.0.0:0", LinkOptions(), "token.* and TLS"),
        ("ws://[::]:0", LinkOptions(), "token.* and TLS"),
        ("ws://0.0.0.0:0", LinkOptions(authorize=knows), "expected TLS"),
        ("wss://0.0.0.0:0", LinkOptions(), "expected a token"),
    ],
)
def test_listening_to_other_hosts_needs_a_token_and_tls(run: Run, url: str, options: LinkOptions, missing: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match=missing):
            await ignored(url, options)

    run(scenario())


def test_listening_to_other_hosts_can_be_meant(run: Run) -> None:
    async def scenario() -> None:
        listener = await ignored("ws://0.0.0.0:0", LinkOptions(insecure=True))
        assert not listener.url.endswith(":0")
        await listener.close()

    run(scenario())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:0", "ws://", "127.0.0.1:80", "ws://127.0.0.1:70000", "ws://a b", "ws://a..b", "ws://[::1"]
)
def test_a_url_that_cannot_be_used_is_refused(run: Run, url: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match=r"expected ws://host:port"):
            await ignored(url, DEFAULTS)
        with pytest.raises(ConfigurationError, match=r"expected ws://host:port"):
            await dial(url, Recorder(), DEFAULTS)

    run(scenario())


@pytest.mark.parametrize("url", ["ws://me:hunter2@127.0.0.1:0", "ws://127.0.0.1:0/?token=hunter2"])
def test_a_secret_in_a_url_is_refused_and_not_repeated(run: Run, url: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match="'token'") as caught:
            await dial(url, Recorder(), DEFAULTS)
        assert "hunter2" not in str(caught.value)

    run(scenario())


def test_the_wrong_token_is_final_for_the_dialling_side(run: Run) -> None:
    async def scenario() -> None:
        async with listening(LinkOptions(authorize=knows)) as (url, owners):
            for token in (None, "wrong"):
                with pytest.raises(AccessRefused):
                    await dial(url, Recorder(), LinkOptions(token=token))
            assert owners.all == []

    run(scenario())
