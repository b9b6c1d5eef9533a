"""
CURVE: only those on the list come in, and whoever does not is told why.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import NamedTuple

import pytest
import zmq

from swergio.errors import AccessRefused, ConfigurationError, ConnectFailed
from swergio.hub.link import LinkOptions
from swergio_transports.zeromq import ZeroMQTransport, dial, listen
from tests.transports.conftest import Run
from tests.transports.recorder import DEFAULTS, Echo, Owners, Recorder
from tests.transports.zeromq_ends import listening, pair, raw_socket, watched_end

TCP = "zmq+tcp://127.0.0.1:0"


class Keys(NamedTuple):
    folder: Path
    hub: LinkOptions
    component: LinkOptions
    stranger: LinkOptions


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """
    A hub that lets one component in, that component, and somebody else.
    """
    make = ZeroMQTransport.make_keys
    hub, hub_secret = make(tmp_path, "hub")
    _, component = make(tmp_path / "clients", "component")
    _, stranger = make(tmp_path / "strangers", "stranger")
    return Keys(
        tmp_path,
        LinkOptions(curve_key=str(hub_secret), curve_clients=str(tmp_path / "clients")),
        LinkOptions(curve_key=str(component), curve_hub=str(hub)),
        LinkOptions(curve_key=str(stranger), curve_hub=str(hub)),
    )


def test_who_is_on_the_list_comes_in(run: Run, keys: Keys) -> None:
    async def scenario() -> None:
        async with listening(TCP, keys.hub, Echo) as (url, _):
            here = Recorder()
            here.link = await dial(url, here, keys.component)
            here.link.send((b"head", bytes(300_000)))
            assert await here.until_packets(1) == [b"head" + bytes(300_000)]
            here.link.close()
            await here.until_lost()

    run(scenario())


def test_who_is_not_is_told_so_at_once(run: Run, keys: Keys) -> None:
    async def scenario() -> None:
        async with listening(TCP, keys.hub) as (url, owners):
            with pytest.raises(AccessRefused, match=r"allow-list \(hub.curve_clients\) does not have the public key"):
                await dial(url, Recorder(), keys.stranger)
            with pytest.raises(ConnectFailed, match="during the handshake: does it use CURVE"):
                await dial(url, Recorder(), DEFAULTS)
            wrong = LinkOptions(
                curve_key=keys.component.curve_key, curve_hub=str(keys.folder / "clients/component.key")
            )
            with pytest.raises(ConnectFailed, match="is 'curve_hub' its public key"):
                await dial(url, Recorder(), wrong)
            assert owners.all == []

    run(scenario())


def test_a_component_with_keys_does_not_talk_to_a_hub_without(run: Run, keys: Keys) -> None:
    async def scenario() -> None:
        async with listening(TCP) as (url, owners):
            with pytest.raises(ConnectFailed, match="CURVE handshake: does it use CURVE"):
                await dial(url, Recorder(), keys.component)
            assert owners.all == []

    run(scenario())


def test_a_plain_stranger_gets_nothing_and_disturbs_nobody(run: Run, keys: Keys) -> None:
    async def scenario() -> None:
        async with listening(TCP, keys.hub, Echo) as (url, owners):
            here = Recorder()
            here.link = await dial(url, here, keys.component)
            with raw_socket(zmq.DEALER) as peer, watched_end(peer) as ended:
                peer.connect(url.removeprefix("zmq+"))
                peer.send_multipart([b"", b"\x01swergio\x01"])
                await ended()
            with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as raw:
                raw.sendall(os.urandom(1000))
            here.link.send((b"still there?",))
            assert await here.until_packets(1) == [b"still there?"]
            assert len(owners.all) == 1
            here.link.close()
            await here.until_lost()

    run(scenario())


def test_two_listeners_of_one_process_have_lists_of_their_own(run: Run, keys: Keys) -> None:
    other = LinkOptions(curve_key=keys.hub.curve_key, curve_clients=str(keys.folder / "strangers/stranger.key"))

    async def scenario() -> None:
        async with listening(TCP, keys.hub) as (url, _), listening(TCP, other) as (other_url, _):
            for where, welcome, refused in (
                (url, keys.component, keys.stranger),
                (other_url, keys.stranger, keys.component),
            ):
                with pytest.raises(AccessRefused):
                    await dial(where, Recorder(), refused)
                here = Recorder()
                link = await dial(where, here, welcome)
                link.close()
                await here.until_lost()

    run(scenario())


def test_a_key_may_be_added_while_the_hub_runs(run: Run, keys: Keys) -> None:
    async def scenario() -> None:
        async with listening(TCP, keys.hub, Echo) as (url, _):
            with pytest.raises(AccessRefused):
                await dial(url, Recorder(), keys.stranger)
            text = (keys.folder / "strangers/stranger.key").read_text()
            (keys.folder / "clients/new.key").write_text(text)
            here = Recorder()
            link = await dial(url, here, keys.stranger)
            link.close()
            await here.until_lost()

    run(scenario())


def test_listening_to_other_hosts_with_curve(run: Run, keys: Keys) -> None:
    async def scenario() -> None:
        async with listening("zmq+tcp://0.0.0.0:0", keys.hub):
            pass

    run(scenario())


def test_curve_is_not_used_on_a_socket_of_this_user(run: Run, keys: Keys, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pair(f"zmq+ipc://{tmp_path}/socket", keys.hub):
            pass

    run(scenario())


def test_keys_that_cannot_be_used_are_named(run: Run, keys: Keys) -> None:
    damaged, empty = keys.folder / "damaged", keys.folder / "empty"
    damaged.write_text('public-key = "' + "~" * 40 + '"\nsecret-key = "short"')
    empty.write_text("")
    hub_key, mine = keys.hub.curve_key, keys.component.curve_key

    async def scenario() -> None:
        for options, problem in (
            (LinkOptions(curve_key=hub_key), "expected 'hub.curve_clients'"),
            (LinkOptions(curve_key=hub_key, curve_clients=str(empty)), "has no CURVE public key"),
            (LinkOptions(curve_key=hub_key, curve_clients=str(damaged)), "has a key that is damaged"),
            (LinkOptions(curve_key=hub_key, curve_clients="/nowhere"), "cannot be read"),
            (LinkOptions(curve_key=str(damaged), curve_clients=str(empty)), "curve_key .* damaged"),
        ):
            with pytest.raises(ConfigurationError, match=problem):
                await listen(TCP, Owners(), options)
        for options, problem in (
            (LinkOptions(curve_hub=str(keys.folder / "hub.key")), "'curve_hub' without a key"),
            (LinkOptions(curve_key=mine, curve_hub=str(empty)), "curve_hub .* has no CURVE public key"),
            (LinkOptions(curve_key=keys.component.curve_hub, curve_hub=keys.component.curve_hub), "no CURVE key pair"),
            (LinkOptions(curve_key="/nowhere", curve_hub=keys.component.curve_hub), "No such file"),
        ):
            with pytest.raises(ConfigurationError, match=problem):
                await dial("zmq://127.0.0.1:1", Recorder(), options)

    run(scenario())


def test_key_files_are_safe_and_those_of_zeromq(keys: Keys) -> None:
    import zmq.auth

    public, secret = keys.folder / "hub.key", keys.folder / "hub.key_secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert zmq.auth.load_certificate(public)[1] is None
    assert zmq.auth.load_certificate(secret)[0] == zmq.auth.load_certificate(public)[0]
    with pytest.raises(ConfigurationError, match="is there already"):
        ZeroMQTransport.make_keys(keys.folder, "hub")
