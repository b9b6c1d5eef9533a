"""What can be answered, by hand and on the wire, and what cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import swergio
from swergio.people import Choice, Media, Number, Rating, Text
from swergio.people.answers import read

KINDS = [Choice(("good", "bad", "so-so")), Rating(), Rating(-2, 2), Number(), Number(0, 1), Text(), Text(5)]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_kind_is_the_same_at_the_desk(kind: Any) -> None:
    assert read(kind.described()) == kind


@pytest.mark.parametrize(
    ("kind", "typed", "meant"),
    [
        (KINDS[0], "good", "good"),
        (KINDS[0], "2", "bad"),
        (KINDS[0], "So", "so-so"),
        (Choice(("2", "1")), "1", "1"),
        (Rating(-2, 2), "-2", -2),
        (Number(0, 1), "1e-1", 0.1),
        (Text(), "anything", "anything"),
    ],
)
def test_what_is_typed(kind: Any, typed: str, meant: Any) -> None:
    assert kind.parse(typed) == meant


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        *((KINDS[0], typed) for typed in ("", "0", "4", "x", "good bad")),
        (Choice(("goose", "good")), "goo"),
        *((Rating(), typed) for typed in ("", "0", "6", "2.5", "three")),
        *((Number(0, 1), typed) for typed in ("", "1.1", "nan", "inf", "one")),
        *((Text(5), typed) for typed in ("", "  ", "too long")),
    ],
)
def test_what_is_typed_and_no_answer(kind: Any, typed: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        kind.parse(typed)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(KINDS[0], 1), (Rating(), True), (Rating(), 2.0), (Number(), "1"), (Number(), False), (Text(), 3), (Text(), None)],
)
def test_what_comes_and_is_no_answer(kind: Any, value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        kind.check(value)


@pytest.mark.parametrize(
    ("make", "how"),
    [
        (Choice, ["only"]),
        (Choice, [("one",)]),
        (Choice, [("one", "one")]),
        (Choice, [(1, 2)]),
        (Rating, [5, 1]),
        (Rating, [0.5, 2]),
        (Number, [1, 1]),
        (Number, [float("nan"), 1]),
    ],
)
def test_what_no_kind_can_be_made_of(make: Any, how: list[Any]) -> None:
    with pytest.raises(swergio.ConfigurationError, match="expected"):
        make(*how)


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "tune.wav").write_bytes(b"RIFF")
    (tmp_path / "tune").write_bytes(b"RIFF")

    assert Media.of(tmp_path / "tune.wav").type in ("audio/wav", "audio/x-wav", "audio/vnd.wave")
    assert Media.of(tmp_path / "tune.wav").data == b"RIFF"
    with pytest.raises(swergio.ConfigurationError, match="a file called 'tune'"):
        Media.of(tmp_path / "tune")
