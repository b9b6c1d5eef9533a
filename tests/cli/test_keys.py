"""
``swergio keys``, and a hub and a component that use what it makes.
"""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

import swergio
from swergio.hub import HubThread
from swergio.settings import load

SWERGIO = [sys.executable, "-c", "from swergio.cli import main; main()"]


def keys(*arguments: str, code: int = 0) -> str:
    done = subprocess.run([*SWERGIO, "keys", *arguments], check=False, timeout=30, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_keys_let_a_component_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = keys("hub", "--folder", str(tmp_path)) + keys("forecaster", "--folder", str(tmp_path / "clients"))
    assert said.count("keep it secret") == 2
    secret = tmp_path / "clients/forecaster.key_secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600

    monkeypatch.chdir(tmp_path)
    Path("swergio.toml").write_text('curve_key = "hub.key_secret"\n[hub]\ncurve_clients = "clients"\n')
    with HubThread(["zmq+tcp://127.0.0.1:0"], load()) as hub:
        Path("swergio.toml").write_text('curve_key = "clients/forecaster.key_secret"\ncurve_hub = "hub.key"\n')
        with swergio.Component("forecaster", hub.urls[0]) as forecaster:
            assert forecaster.members("room") == []
        Path("swergio.toml").write_text('curve_key = "hub.key_secret"\ncurve_hub = "hub.key"\n')
        with pytest.raises(swergio.AccessRefused, match="allow-list"), swergio.Component("stranger", hub.urls[0]):
            pass


def test_keys_that_are_there_are_not_replaced(tmp_path: Path) -> None:
    keys("hub", "--folder", str(tmp_path))
    text = (tmp_path / "hub.key_secret").read_text()
    assert "hub.key_secret is there already" in keys("hub", "--folder", str(tmp_path), code=1).replace("\n", "")
    assert (tmp_path / "hub.key_secret").read_text() == text
