"""
Who may come in, and how: users, passwords, TLS, limits; and what errors say.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any, cast

import pytest
import trustme

from swergio.errors import AccessRefused, ConfigurationError, ConnectFailed, SwergioError
from swergio_transports.redis.errors import BrokerRefused
from tests.servers import RedisServer, TlsFront
from tests.transports.conftest import Run
from tests.transports.heard import connected

PASSWORD = "not-to-be-shown"


async def refused(url: str, **settings: Any) -> SwergioError:
    with pytest.raises(SwergioError) as caught:
        async with connected(url, **settings):
            pass
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(caught.value)
    return caught.value


def test_a_password_is_shown_and_a_wrong_one_is_final(run: Run) -> None:
    async def check(server: RedisServer) -> None:
        async with connected(server.url, token=PASSWORD) as (broker, _):
            assert await broker.ask(b"", "PING") == b"PONG"
        for token in (None, PASSWORD + "x"):
            error = await refused(server.url, token=token)
            assert isinstance(error, AccessRefused)
            assert server.url in str(error)

    with RedisServer(requirepass=PASSWORD) as server:
        run(check(server))


def test_a_password_where_none_is_needed_is_refused_in_words(run: Run, shared_server: RedisServer) -> None:
    async def check() -> None:
        # Servers from 6.0 on let the default user in with any password, unless it has one.
        async with connected(shared_server.url, token=PASSWORD) as (broker, _):
            assert await broker.ask(b"", "PING") == b"PONG"
        assert isinstance(await refused(shared_server.url, token=PASSWORD, username="stranger"), AccessRefused)

    run(check())


def test_a_user_of_an_acl_is_who_we_are(run: Run) -> None:
    async def check(server: RedisServer) -> None:
        async with connected(server.url, username="forecaster", token=PASSWORD) as (broker, _):
            assert await broker.ask(b"", "ACL", "WHOAMI") == b"forecaster"
            await broker.subscribe(b"swergio:mine")
            with pytest.raises(BrokerRefused, match="NOPERM"):
                await broker.subscribe(b"others")
            with pytest.raises(BrokerRefused, match="NOPERM"):
                await broker.ask(b"k", "GET", "others")
            await broker.subscribe(b"swergio:still")
        for wrong in ({"username": "forecaster", "token": "x"}, {"username": "stranger", "token": PASSWORD}):
            assert isinstance(await refused(server.url, **wrong), AccessRefused)

    rules = ["default off", f"forecaster on >{PASSWORD} ~swergio:* &swergio:* +@all -@dangerous"]
    with RedisServer(user=rules) as server:
        run(check(server))


def test_a_password_that_is_changed_meanwhile_is_told_as_final(run: Run) -> None:
    async def check(server: RedisServer) -> None:
        async with connected(server.url, token=PASSWORD) as (_, heard):
            with server.client(password=PASSWORD) as client:
                client.config_set("requirepass", "another")
                client.client_kill_filter(skipme=True)
            await heard.until(lambda: heard.of("failed"))
            assert isinstance(heard.of("failed")[0][0], AccessRefused)

    with RedisServer(requirepass=PASSWORD) as server:
        run(check(server))


class Certificates:
    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        own = self.authority.issue_cert("component@example.org")
        self.own = folder / "own.pem"
        own.private_key_and_cert_chain_pem.write_to_path(self.own)

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("127.0.0.1").configure_cert(context)
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def test_tls_with_certificates_on_both_sides(run: Run, shared_server: RedisServer, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)

    async def check(url: str) -> None:
        async with connected(url, tls_ca=certificates.ca, tls_cert=certificates.own) as (broker, heard):
            await broker.subscribe(b"tls")
            await broker.ask(b"tls", "PUBLISH", b"tls", b"x" * 300_000)
            await heard.until(lambda: heard.of("came") == [(b"tls", b"x" * 300_000)])
        error = await refused(url, tls_cert=certificates.own, connect_timeout=1)
        assert "certificate is not trusted" in str(error)
        error = await refused(url, tls_ca=certificates.ca, connect_timeout=1)
        assert isinstance(error, ConnectFailed)
        error = await refused(url.replace("rediss", "redis"), connect_timeout=1)
        assert isinstance(error, ConnectFailed)

    with TlsFront(certificates.server_context(), shared_server.port) as front:
        run(check(f"rediss://127.0.0.1:{front.port}"))


def test_a_certificate_that_cannot_be_used_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "wrong.pem"
    path.write_text("no certificate")

    async def check() -> None:
        for setting in ("tls_ca", "tls_cert"):
            error = await refused("rediss://127.0.0.1:1", **{setting: path})
            assert isinstance(error, ConfigurationError)
            assert setting in str(error)

    run(check())


def test_a_server_that_may_throw_rooms_away_is_refused_unless_nothing_is_kept(run: Run) -> None:
    async def check(server: RedisServer) -> None:
        error = await refused(server.url)
        assert isinstance(error, ConfigurationError)
        assert "allkeys-lru" in str(error)
        assert "recovery=off" in str(error)
        async with connected(f"{server.url}?recovery=off"):
            pass

    with RedisServer(maxmemory="100mb", maxmemory_policy="allkeys-lru") as server:
        run(check(server))


def test_the_limits_of_a_server_are_known(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def check(server: RedisServer) -> None:
        with caplog.at_level(logging.WARNING, "swergio.redis"):
            async with connected(server.url) as (broker, _):
                assert broker.max_body == 2 * 1024 * 1024
                assert broker.pubsub_limit == 65536
        assert "65536 bytes behind" in caplog.text

    with RedisServer(proto_max_bulk_len="2mb", client_output_buffer_limit="pubsub 1mb 64kb 10") as server:
        run(check(server))


def test_limits_that_may_not_be_asked_for_are_the_defaults(run: Run) -> None:
    async def check(server: RedisServer) -> None:
        async with connected(server.url, token=PASSWORD) as (broker, heard):
            assert broker.max_body == 512 * 1024 * 1024
            with server.client(password=PASSWORD, username="default") as client:
                client.execute_command("PING")
            first = broker.identity
            assert first
            await broker.subscribe(b"room")
            await asyncio.sleep(0.3)
            assert heard.of("lost") == []

    rules = [f"default on >{PASSWORD} ~* &* +@all -config -info"]
    with RedisServer(user=rules) as server:
        run(check(server))


def test_a_replica_is_no_place_for_rooms(run: Run, shared_server: RedisServer) -> None:
    async def check(replica: RedisServer) -> None:
        assert "replica" in str(await refused(replica.url, connect_timeout=1))

    with RedisServer(replicaof=f"127.0.0.1 {shared_server.port}") as replica:
        run(check(replica))


class Stranger(asyncio.Protocol):
    """
    Answers as a web server does.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.transport.close()


def test_what_is_no_redis_is_said_to_be_none(run: Run) -> None:
    async def check() -> None:
        async with await asyncio.get_running_loop().create_server(Stranger, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            error = await refused(f"redis://127.0.0.1:{port}", connect_timeout=1)
        assert "not the protocol of Redis" in str(error)

    run(check())
