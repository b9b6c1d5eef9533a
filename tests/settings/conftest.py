"""
What every test of the settings starts from.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with nothing in or above it that says a setting, and no variables."""
    for name in os.environ:
        if name.startswith("SWERGIO_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Callable[..., Path]:
    """Write ``swergio.toml`` into the working folder, or one below it."""

    def write_file(text: str, below: str = ".") -> Path:
        (folder / below).mkdir(parents=True, exist_ok=True)
        file = folder / below / "swergio.toml"
        file.write_text(text, "utf-8")
        return file

    return write_file
