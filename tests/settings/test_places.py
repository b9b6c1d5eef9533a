"""
Which place a setting comes from, with real files, variables and URLs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from swergio.settings import Settings, load

MIB = 1024 * 1024


def test_nothing_said_means_the_defaults() -> None:
    settings = load()

    assert settings == Settings()
    assert settings.url is None
    assert settings.token is None
    assert (settings.connect_timeout, settings.heartbeat, settings.dead_after) == (10.0, 5.0, 15.0)
    assert (settings.max_message, settings.outbox_limit, settings.window) == (64 * MIB, 16 * MIB, 8 * MIB)
    assert settings.hub.listen == ()
    assert settings.hub.insecure is False


def test_each_setting_comes_from_the_first_place_that_says_it(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("url = 'ws://file'\nheartbeat = 1\nsend_timeout = 1\npass_timeout = 1\nclose_timeout = 1\nwindow = 1")
    monkeypatch.setenv("SWERGIO_HEARTBEAT", "2")
    monkeypatch.setenv("SWERGIO_SEND_TIMEOUT", "2")
    monkeypatch.setenv("SWERGIO_PASS_TIMEOUT", "2")

    settings = load("ws://argument:1/path?send_timeout=3&pass_timeout=3", pass_timeout=4)

    assert settings.url == "ws://argument:1/path"
    assert settings.pass_timeout == 4
    assert settings.send_timeout == 3
    assert settings.heartbeat == 2
    assert settings.close_timeout == 1
    assert settings.request_timeout == 60


def test_the_url_comes_from_argument_then_variable_then_file(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("url = 'ws://file?heartbeat=1'")
    from_file = load()
    monkeypatch.setenv("SWERGIO_URL", "ws://variable?heartbeat=2")
    from_variable = load()
    from_argument = load("ws://argument?heartbeat=3")

    assert (from_file.url, from_file.heartbeat) == ("ws://file", 1)
    assert (from_variable.url, from_variable.heartbeat) == ("ws://variable", 2)
    assert (from_argument.url, from_argument.heartbeat) == ("ws://argument", 3)


def test_the_query_counts_before_a_variable_even_if_the_variable_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWERGIO_HEARTBEAT", "quick")

    assert load("ws://host?heartbeat=2").heartbeat == 2


def test_the_nearest_file_above_the_working_folder_is_the_only_one(
    write: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = folder / "project" / "src"
    inner.mkdir(parents=True)
    write("heartbeat = 1\nwindow = 1")
    write("heartbeat = 2", below="project")
    monkeypatch.chdir(inner)

    assert load().heartbeat == 2
    assert load().window == 8 * MIB


def test_none_and_an_empty_variable_say_nothing(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    write("url = 'ws://file'\nheartbeat = 2")
    monkeypatch.setenv("SWERGIO_URL", "")

    settings = load(None, heartbeat=None, token=None)

    assert (settings.url, settings.heartbeat, settings.token) == ("ws://file", 2, None)


def test_the_hubs_table_is_merged_key_by_key(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    write("[hub]\nlisten = ['ws://file']\nroom_limit = '1 MiB'\nlinger = 1")
    monkeypatch.setenv("SWERGIO_HUB_LISTEN", "ws://127.0.0.1:1, ws://127.0.0.1:2")
    monkeypatch.setenv("SWERGIO_HUB_MAX_SESSIONS", "3")

    hub = load(hub={"linger": 0}).hub

    assert hub.listen == ("ws://127.0.0.1:1", "ws://127.0.0.1:2")
    assert (hub.room_limit, hub.max_sessions, hub.linger) == (MIB, 3, 0)


@pytest.mark.parametrize(
    "url", ["memory://", "memory://name", "ws://[::1]:7300", "zmq+ipc:///run/hub", "ws://host?", "ws://host/?window=1"]
)
def test_only_the_query_leaves_the_url(url: str) -> None:
    assert load(url).url == url.partition("?")[0]
