"""
A mistake is named with its place, and what is allowed there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from swergio.errors import ConfigurationError
from swergio.settings import load


def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWERGIO_HEARTBEAT", "quick")

    with pytest.raises(ConfigurationError) as caught:
        load()

    assert str(caught.value) == "SWERGIO_HEARTBEAT is 'quick'; expected a number of seconds above 0"


def test_a_wrong_value_names_its_file(write: Callable[..., Path]) -> None:
    file = write("[hub]\nroom_limit = 'much'")

    with pytest.raises(ConfigurationError) as caught:
        load()

    assert caught.value.problem == f"'hub.room_limit' in {file} is 'much'"


def test_a_wrong_value_names_the_url() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load("ws://host:1?heartbeat=")

    assert caught.value.problem == "'heartbeat' in the query of ws://host:1 is ''"


def test_an_unknown_argument_is_answered_with_the_nearest_key() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(hartbeat=3)

    assert caught.value.problem == "argument 'hartbeat' is no setting"
    assert "dead_after, heartbeat, hub, loop, max_message" in caught.value.expected
    assert caught.value.remedy == "Did you mean 'heartbeat'?"


def test_an_unknown_key_in_the_hubs_table_is_answered_with_the_hubs_keys(write: Callable[..., Path]) -> None:
    file = write("[hub]\nlisten_on = []")

    with pytest.raises(ConfigurationError) as caught:
        load()

    assert caught.value.problem == f"'hub.listen_on' in {file} is no setting"
    assert caught.value.expected.startswith("one of curve_clients, group_grace, history_limit, insecure, linger, ")
    assert caught.value.remedy == "Did you mean 'listen'?"


@pytest.mark.parametrize(
    ("name", "near"), [("SWERGIO_HARTBEAT", "SWERGIO_HEARTBEAT"), ("SWERGIO_HUB_LISTENS", "SWERGIO_HUB_LISTEN")]
)
def test_an_unknown_variable_is_answered_with_the_nearest(
    name: str, near: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")

    with pytest.raises(ConfigurationError, match=f"{name} is no setting.* Did you mean '{near}'"):
        load()


@pytest.mark.parametrize("key", ["url", "hub", "speed", "heart-beat"])
def test_a_query_holds_settings_only(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(f"ws://host?{key}=1")

    assert caught.value.problem == f"'{key}' in the query of ws://host is no setting"
    assert "heartbeat" in caught.value.expected
    assert "token," not in caught.value.expected


def test_a_query_says_a_setting_once() -> None:
    with pytest.raises(ConfigurationError, match="twice"):
        load("ws://host?window=1&window=2")


@pytest.mark.parametrize("content", [b"heartbeat = ", b"url = '\xff'"])
def test_a_file_that_is_no_toml_is_named(folder: Path, content: bytes) -> None:
    file = folder / "swergio.toml"
    file.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        load()

    assert str(file) in caught.value.problem


def test_a_url_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"'ws://\[::1' is no URL"):
        load("ws://[::1")
