"""
A folder for the files of a swarm, and nothing of this machine's settings in its programs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    The working folder: empty, with the scripts of the tests to be written to it.
    """
    for name in [name for name in os.environ if name.startswith("SWERGIO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SWERGIO_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path
