"""Both ends say, byte by byte, what the vectors say that they say."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.vectors import checked, described, load, packet_of
from tests.vectors.conversations import played, transcript

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("wire.md", "wire-redis.md")
BLOCK = re.compile(r"^``` ?\{ \.text title=\"(\w+)\.json: ([^\"]+)\" \}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_conversations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swergio.outbox.time", SimpleNamespace(time=lambda: 1767225600.5))
    checked("conversations", played())


@pytest.mark.parametrize("conversation", load("conversations"), ids=lambda conversation: conversation["name"])
def test_every_packet_is_read_and_written_as_described(conversation: dict[str, Any]) -> None:
    for step in conversation["steps"]:
        packet = bytes.fromhex(step["packet"])
        assert described(packet) == step["frames"]
        assert packet_of(step["frames"]) == packet


def examples() -> list[tuple[str, str, str]]:
    return [example for page in PAGES for example in BLOCK.findall((DOCS / page).read_text("utf-8"))]


@pytest.mark.parametrize(("file", "name", "text"), examples(), ids=lambda value: value.partition("\n")[0][:40])
def test_an_example_of_the_documentation_is_a_vector(file: str, name: str, text: str) -> None:
    (vector,) = [vector for vector in load(file) if vector["name"] == name]
    if file == "conversations":
        assert text.rstrip("\n") == transcript(vector)
        return
    shown = bytes.fromhex("".join(line.partition("  ")[0] for line in text.splitlines()))
    assert shown.hex() in (vector.get("packet"), vector.get("payload"), vector.get("body"))


def test_the_documentation_has_examples_of_each_kind() -> None:
    assert {file for file, _, _ in examples()} >= {"frames", "batches", "bodies", "conversations", "redis"}
