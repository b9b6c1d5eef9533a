"""The transport that the documentation writes, installed as a third party's is, against the conformance suite."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.programs import ROOT, programs

pytestmark = pytest.mark.long

PAGE = "docs/write-a-transport.md"
TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
METADATA = "Metadata-Version: 2.1\nName: folder\nVersion: 1.0\n"


def install(folder: Path) -> None:
    """
    Put the page's programs into a folder, with what pip would write for the entry points that the page names.
    """
    for name, source in programs(PAGE).items():
        (folder / name).write_text(source, "utf-8")
    (declared,) = TOML.findall((ROOT / PAGE).read_text("utf-8"))
    ((group, points),) = tomllib.loads(declared)["project"]["entry-points"].items()
    installed = folder / "folder-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(METADATA)
    lines = [f"{name} = {value}" for name, value in points.items()]
    (installed / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))


@pytest.mark.parametrize("face", ["plain", "asyncio"])
def test_it_keeps_what_it_claims(face: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", face]
    done = subprocess.run(
        [*command, "test_folder.py"], cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d\d passed, \d+ skipped", done.stdout), done.stdout
