from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.units import DEPLOY


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The folder with what ``make-secrets.sh`` makes for this machine.
    """
    folder = tmp_path_factory.mktemp("deployment") / "secrets"
    if shutil.which("openssl") is None:
        pytest.skip("there is no program 'openssl'")
    command = [str(DEPLOY / "make-secrets.sh"), str(folder), "broker.example.org", "127.0.0.1", "::1"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder
