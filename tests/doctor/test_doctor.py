"""
The examination of real deployments: good ones, and what is wrong with the others.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
import trustme

from swergio.doctor import Finding, Outcome, examine
from swergio.doctor.installed import extras
from swergio.hub import HubThread
from swergio.hub.access import accepting
from swergio.settings import load
from tests.live.deployments import deployed

DOCTOR = [sys.executable, "-c", "from swergio.cli import main; main()", "doctor"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    The working folder, with nothing of this machine's settings.
    """
    for name in [name for name in os.environ if name.startswith("SWERGIO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SWERGIO_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("SWERGIO_CONNECT_TIMEOUT", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def examined(url: str | None = None) -> list[Finding]:
    async def main() -> list[Finding]:
        return [finding async for finding in examine(url)]

    return asyncio.run(main())


def wrong(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.outcome is Outcome.BAD]


def said(findings: list[Finding], what: str) -> str:
    return next(finding.said for finding in findings if finding.what == what)


@contextmanager
def answering(words: bytes) -> Iterator[str]:
    """
    Something that is no hub: it says the same to everyone. Yields host and port.
    """
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(words)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


# -- good -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ws", "zmq+ipc", "redis", "redis?recovery=off", "memory"])
def test_a_good_deployment_has_nothing_wrong(kind: str) -> None:
    with deployed(kind) as url:
        findings = examined(url)

    assert wrong(findings) == []
    assert said(findings, "URL") == f"{url.partition('?')[0]}, from argument 'url'"
    assert "to a room and back in" in said(findings, "message")
    assert f"swergio {version('swergio')} here, " in said(findings, "versions")
    assert ("redis" in said(findings, "versions")) == kind.startswith("redis")
    steps = {"zmq+ipc": {"socket"}, "memory": {"memory"}}.get(kind, {"name", "TCP"})
    assert steps <= {finding.what for finding in findings}
    assert ("guarantees" in {finding.what for finding in findings}) == kind.endswith("off")


def test_places_are_named_and_the_token_is_not_shown(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "token").write_text("open sesame")
    with HubThread(["ws://127.0.0.1:0"], load("memory://"), accepting("open sesame")) as hub:
        (place / "swergio.toml").write_text(f'url = "{hub.urls[0]}"\ntoken_file = "token"\n')
        findings = examined()
        monkeypatch.setenv("SWERGIO_TOKEN", "open sesame")
        again = examined()

    assert wrong(findings) == wrong(again) == []
    assert said(findings, "URL") == f"{hub.urls[0]}, from 'url' in {place / 'swergio.toml'}"
    assert said(findings, "token") == f"there is one, from 'token_file' in {place / 'swergio.toml'}"
    assert said(again, "token") == "there is one, from SWERGIO_TOKEN"
    assert "sesame" not in repr([findings, again])


def test_what_is_installed_is_listed_by_extra() -> None:
    assert extras()["zeromq"] == ["pyzmq"]
    assert {"redis", "hiredis"} == set(extras()["redis"])
    assert said(examined("memory://"), "extra zeromq") == f"pyzmq {version('pyzmq')}"


# -- bad --------------------------------------------------------------------------------------------------------------


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


UNREACHABLE = {
    "no such host": ("ws://no-such-host.invalid:7300", "name", "no-such-host.invalid is not known", "DNS"),
    "nobody there": (f"ws://127.0.0.1:{closed_port()}", "TCP", "connection refused", "swergio hub --listen URL"),
    "no Redis there": (f"redis://127.0.0.1:{closed_port()}", "TCP", "connection refused", "the Redis"),
    "no such socket": ("zmq+ipc:///tmp/no-such-socket", "socket", "there is no /tmp/no-such-socket", "swergio hub"),
    "no such scheme": ("nats://host", "transport", "no transport for 'nats://host'", "installed?"),
    "no URL": ("ws://:", "settings", "'ws://:' is not a WebSocket URL", "ws://host:port"),
    "a secret in it": ("ws://a:b@host", "settings", "a secret in its user part", "SWERGIO_TOKEN"),
}


@pytest.mark.parametrize(("url", "what", "problem", "remedy"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_what_cannot_be_reached_is_told_with_what_to_do(url: str, what: str, problem: str, remedy: str) -> None:
    findings = examined(url)
    (finding,) = wrong(findings)

    assert finding is findings[-1]
    assert finding.what == what
    assert problem in finding.said
    assert remedy in finding.remedy


@pytest.mark.parametrize("token", [None, "open barley"])
def test_a_token_that_is_refused(token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if token:
        monkeypatch.setenv("SWERGIO_TOKEN", token)
    with HubThread(["ws://127.0.0.1:0"], load("memory://"), accepting("open sesame")) as hub:
        (finding,) = wrong(examined(hub.urls[0]))

    assert finding.what == "token"
    assert "token" in finding.said
    assert finding.remedy.startswith("Show the token" if token else "Set SWERGIO_TOKEN")
    assert "barley" not in repr(finding)


@pytest.mark.parametrize("scheme", ["ws", "redis"])
def test_something_else_listens_there(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWERGIO_CONNECT_TIMEOUT", "0.3")
    with answering(b"220 mail.example.org ESMTP\r\n") as address:
        (finding,) = wrong(examined(f"{scheme}://{address}"))

    assert finding.what == "hello"
    assert "is what listens there" in finding.remedy


def test_tls_that_does_not_fit(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(place / "hub.pem"))
    authority.cert_pem.write_to_path(str(place / "ca.pem"))
    with HubThread(["wss://127.0.0.1:0"], load("memory://", tls_cert=place / "hub.pem")) as hub:
        port = hub.urls[0].rpartition(":")[2]
        unknown = examined(f"wss://localhost:{port}")
        monkeypatch.setenv("SWERGIO_TLS_CA", "ca.pem")
        trusted = examined(f"wss://localhost:{port}")
        other = examined(f"wss://127.0.0.1:{port}")
    with HubThread(["ws://127.0.0.1:0"]) as hub:
        plain = examined(hub.urls[0].replace("ws:", "wss:"))

    assert wrong(trusted) == []
    assert [finding.what for finding in wrong(unknown) + wrong(other) + wrong(plain)] == ["TLS"] * 3
    assert "tls_ca" in wrong(unknown)[0].remedy
    assert "another host's" in wrong(other)[0].said
    assert "speaks no TLS" in wrong(plain)[0].remedy


def test_a_wrong_setting_is_called_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWERGIO_HEARTBEAT", "often")
    (finding,) = wrong(examined())

    assert finding == Finding(
        "settings", Outcome.BAD, "SWERGIO_HEARTBEAT is 'often'", "Expected: a number of seconds above 0"
    )


# -- as a program -----------------------------------------------------------------------------------------------------


def test_the_command_prints_it_and_its_exit_code_tells() -> None:
    run = {"capture_output": True, "text": True, "timeout": 60}
    with deployed("ws") as url:
        good = subprocess.run([*DOCTOR, "--url", url], check=False, **run)  # type: ignore[call-overload]
    bad = subprocess.run([*DOCTOR, "--url", url, "--json"], check=False, **run)  # type: ignore[call-overload]

    assert (good.returncode, good.stderr) == (0, "")
    assert "✓ message        to a room and back in " in good.stdout
    assert "✗" not in good.stdout
    assert (bad.returncode, bad.stderr) == (1, "")
    assert json.loads(bad.stdout)[-1]["outcome"] == "bad"
