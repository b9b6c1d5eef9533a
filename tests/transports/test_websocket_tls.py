"""
Links over TLS: who trusts whom, and what is said when somebody does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from swergio.errors import ConfigurationError, ConnectFailed
from swergio.hub.link import LinkOptions
from swergio_transports.websocket import dial, listen
from tests.transports.conftest import Run
from tests.transports.recorder import DEFAULTS, Echo, Owners, Recorder, http, raw_stream

LOOPBACK = "wss://127.0.0.1:0"


class Files(NamedTuple):
    """
    PEM files: an authority, what it issued for a server and a client, what a stranger issued, and a locked key.
    """

    authority: str
    server: str
    client: str
    stranger: str
    locked: str


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    key = serialization.load_pem_private_key(server.private_key_pem.bytes(), None)
    pem, format_ = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return Files(
        written(folder / "authority.pem", authority.cert_pem.bytes()),
        written(folder / "server.pem", server.private_key_and_cert_chain_pem.bytes()),
        written(folder / "client.pem", authority.issue_cert("me@localhost").private_key_and_cert_chain_pem.bytes()),
        written(folder / "stranger.pem", trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes()),
        written(folder / "locked.pem", key.private_bytes(pem, format_, serialization.BestAvailableEncryption(b"x"))),
    )


def written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


async def echo_between(server: LinkOptions, client: LinkOptions, *, url: str = LOOPBACK) -> None:
    """
    Send 1 MiB there and back, and close.
    """
    owners = Owners(Echo)
    listener = await listen(url, owners, server)
    try:
        here = Recorder()
        link = await dial(listener.url, here, client)
        link.send((bytes(2**20),))
        link.send((b"end",))
        assert await here.until_packets(2) == [bytes(2**20), b"end"]
        link.close("enough")
        assert await here.until_lost() == "closed here: enough"
        assert await owners.all[0].until_lost() == "closed by the peer: 1000 (OK) enough"
    finally:
        await listener.close()


@pytest.mark.usefixtures("engine")
def test_packets_travel_over_tls(run: Run, files: Files) -> None:
    run(echo_between(LinkOptions(tls_cert=files.server), LinkOptions(tls_ca=files.authority)))


def test_a_token_and_tls_open_a_listener_to_other_hosts(run: Run, files: Files) -> None:
    server = LinkOptions(tls_cert=files.server, authorize=lambda token: token == "s3cret")
    client = LinkOptions(tls_ca=files.authority, token="s3cret")

    async def scenario() -> None:
        listener = await listen("wss://0.0.0.0:0", Owners(), server)
        link = await dial("wss://127.0.0.1:" + listener.url.rpartition(":")[2], here := Recorder(), client)
        link.abort()
        await here.until_lost()
        await listener.close()

    run(scenario())


def test_a_certificate_of_a_stranger_is_refused(run: Run, files: Files) -> None:
    async def scenario() -> None:
        with pytest.raises(ConnectFailed, match=r"certificate is not trusted.*tls_ca"):
            await echo_between(LinkOptions(tls_cert=files.stranger), LinkOptions(tls_ca=files.authority))

    run(scenario())


def test_a_listener_with_an_authority_wants_certificates(run: Run, files: Files) -> None:
    server = LinkOptions(tls_cert=files.server, tls_ca=files.authority)

    async def scenario() -> None:
        await echo_between(server, LinkOptions(tls_ca=files.authority, tls_cert=files.client))
        for shown in (None, files.stranger):
            with pytest.raises((ConnectFailed, OSError)):
                await echo_between(server, LinkOptions(tls_ca=files.authority, tls_cert=shown))

    run(scenario())


def test_tls_and_plain_do_not_mix_and_cost_nobody_else(run: Run, files: Files) -> None:
    options = LinkOptions(tls_cert=files.server, tls_ca=None, handshake_timeout=1.0)

    async def scenario() -> None:
        listener = await listen(LOOPBACK, Owners(Echo), options)
        with pytest.raises(OSError, match=r"."):
            await dial(listener.url.replace("wss:", "ws:"), Recorder(), DEFAULTS)
        assert await http(listener.url, bytes(range(256))) != "GET"
        link = await dial(listener.url, here := Recorder(), LinkOptions(tls_ca=files.authority))
        link.abort()
        await here.until_lost()
        await listener.close()
        plain = await listen("ws://127.0.0.1:0", Owners(), DEFAULTS)
        with pytest.raises(OSError, match=r"."):
            await dial(plain.url.replace("ws:", "wss:"), Recorder(), LinkOptions(tls_ca=files.authority))
        await plain.close()

    run(scenario())


def test_a_tls_handshake_that_never_ends_is_dropped(run: Run, files: Files) -> None:
    async def scenario() -> None:
        listener = await listen(LOOPBACK, Owners(), LinkOptions(tls_cert=files.server, handshake_timeout=0.1))
        async with raw_stream(listener.url) as (reader, _):
            assert await reader.read() == b""
        await listener.close()

    run(scenario())


def test_files_that_cannot_be_used_are_named(run: Run, files: Files) -> None:
    async def scenario() -> None:
        for options, problem in (
            (LinkOptions(), "needs a certificate"),
            (LinkOptions(tls_cert="/nowhere.pem"), "'/nowhere.pem'.*No such file"),
            (LinkOptions(tls_cert=files.authority), "cannot be used"),
            (LinkOptions(tls_cert=files.server, tls_key=files.client), "KEY_VALUES_MISMATCH"),
            (LinkOptions(tls_cert=files.server, tls_key=files.locked), "tls_key is encrypted"),
            (LinkOptions(tls_cert=files.server, tls_ca=files.locked), "tls_ca .*locked.pem"),
        ):
            with pytest.raises(ConfigurationError, match=problem):
                await listen(LOOPBACK, Owners(), options)
        with pytest.raises(ConfigurationError, match="tls_ca"):
            await dial("wss://127.0.0.1:1", Recorder(), LinkOptions(tls_ca="/nowhere.pem"))

    run(scenario())
