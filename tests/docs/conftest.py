"""A hub on demand of its own for each test of the documentation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """
    The folder in which components find the hub of this test, and no other one.
    """
    for name in [name for name in os.environ if name.startswith("SWERGIO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SWERGIO_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    (tmp_path / "swergio" / "hub.json").unlink(missing_ok=True)  # its hub notices, and ends
