"""
Where a token comes from, and where it never shows.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from swergio.errors import ConfigurationError
from swergio.settings import load


def test_a_token_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWERGIO_TOKEN", "hunter2")
    settings = load()

    assert settings.token is not None
    assert settings.token.get_secret_value() == "hunter2"
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_a_wrong_token_is_not_shown_either() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(token=[b"hunter2"])

    assert str(caught.value) == "argument 'token' is wrong; expected a text that is not empty"
    assert "hunter2" not in str(pickle.dumps(caught.value))
    assert caught.value.__suppress_context__  # so that no traceback quotes it


@pytest.mark.parametrize(
    "url",
    [
        "ws://host:1?token=hunter2",
        "wss://hunter2@host:1",
        "ws://me:hunter2@host:1?window=1",
        "x://host:1?password=hunter2",
    ],
)
def test_a_secret_in_the_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(url)

    assert "hunter2" not in str(caught.value)
    assert "host:1" in str(caught.value)
    assert "SWERGIO_TOKEN" in caught.value.remedy


def test_the_token_is_read_from_its_file(write: Callable[..., Path], folder: Path) -> None:
    (folder / "secret").write_text("hunter2\n", "utf-8")
    write("token_file = 'secret'")
    token = load().token

    assert token is not None
    assert token.get_secret_value() == "hunter2"


def test_of_token_and_token_file_the_one_that_is_said_first_counts(
    write: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "secret").write_text("of the file", "utf-8")
    monkeypatch.setenv("SWERGIO_TOKEN_FILE", "secret")
    by_argument = load(token="of the argument").token
    write("token = 'of swergio.toml'")
    by_variable = load().token

    assert by_argument is not None
    assert by_argument.get_secret_value() == "of the argument"
    assert by_variable is not None
    assert by_variable.get_secret_value() == "of the file"


def test_two_tokens_in_one_place_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "secret").write_text("hunter2", "utf-8")
    monkeypatch.setenv("SWERGIO_TOKEN", "hunter2")
    monkeypatch.setenv("SWERGIO_TOKEN_FILE", "secret")

    with pytest.raises(ConfigurationError, match="SWERGIO_TOKEN and SWERGIO_TOKEN_FILE both give a token"):
        load()


@pytest.mark.parametrize("content", [b" \n", b"\xff"])
def test_a_token_file_without_a_token_is_named(folder: Path, content: bytes) -> None:
    (folder / "secret").write_bytes(content)

    with pytest.raises(ConfigurationError, match="argument 'token_file'"):
        load(token_file="secret")
