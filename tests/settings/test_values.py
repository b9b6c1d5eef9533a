"""
What a setting may be.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from swergio.errors import ConfigurationError
from swergio.settings import Settings, load

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("7 b", 7), ("2k", None), ("2 KiB", 2048), ("2Ki", 2048), ("64MiB", 64 * MIB), ("1 GB", 10**9)],
)
def test_sizes_may_be_given_as_text(text: str, size: int | None) -> None:
    if size is None:
        with pytest.raises(ConfigurationError, match="'8 MiB'"):
            load(max_message=text)
    else:
        assert load(max_message=text).max_message == size


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("heartbeat", 0),
        ("heartbeat", -1),
        ("connect_timeout", float("inf")),
        ("send_timeout", float("nan")),
        ("request_timeout", "soon"),
        ("max_open_passes", 0),
        ("max_open_passes", 1.5),
        ("max_message", 0),
        ("max_message", "-1 MiB"),
        ("window", "many"),
        ("url", ""),
        ("url", 7300),
        ("token_file", "missing"),
        ("tls_ca", "missing"),
        ("loop", "trio"),
        ("websocket", "aiohttp"),
        ("hub", 3),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_what_is_allowed(key: str, value: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(**{key: value})  # type: ignore[arg-type]

    assert caught.value.problem == f"argument '{key}' is {value!r}"
    assert caught.value.expected == Settings.model_fields[key].description


@pytest.mark.parametrize(("key", "value"), [("room_limit", 0), ("linger", -1), ("insecure", "perhaps"), ("listen", 3)])
def test_a_wrong_value_for_the_hub_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(hub={key: value})

    assert caught.value.problem == f"argument 'hub.{key}' is {value!r}"


def test_silence_must_last_longer_than_a_heartbeat_before_it_is_death(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWERGIO_HEARTBEAT", "20")

    with pytest.raises(ConfigurationError, match=r"'dead_after' by default is 15\.0; expected more than 'heartbeat'"):
        load()
    assert load(dead_after=21).dead_after == 21


def test_a_key_needs_its_certificate(folder: Path) -> None:
    (folder / "key.pem").touch()

    with pytest.raises(ConfigurationError, match="expected 'tls_cert' beside it"):
        load(tls_key="key.pem")


def test_paths_in_the_file_start_at_the_file_and_others_at_the_working_folder(
    write: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = folder / "inner"
    inner.mkdir()
    for path in (folder / "ca.pem", inner / "cert.pem"):
        path.touch()
    write("tls_ca = 'ca.pem'")
    monkeypatch.chdir(inner)
    monkeypatch.setenv("HOME", str(folder))

    assert load(tls_cert="cert.pem").tls_ca == folder / "ca.pem"
    assert load(tls_ca="~/ca.pem").tls_ca == folder / "ca.pem"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load().heartbeat = 3  # type: ignore[misc]
