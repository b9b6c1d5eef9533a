"""
The shape of the distribution: its files, what the wheel carries, what ``import swergio`` costs.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
SOURCE_ROOTS = [ROOT / "src", ROOT / "transports"]
MAX_LINES = 400


def project_files() -> list[Path]:
    folders = [*SOURCE_ROOTS, ROOT / "tests", ROOT / "benchmarks", ROOT / "examples"]
    return [ROOT / "conftest.py", *(path for folder in folders for path in sorted(folder.rglob("*.py")))]


def test_no_file_is_too_long_to_read() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text("utf-8").splitlines()) for path in project_files()}

    assert len(lengths) > 5
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_nothing_draws_from_the_global_random_state() -> None:
    # Who seeds it, to train the same model twice, must get the same numbers whatever connections do meanwhile.
    drawn = re.compile(r"\brandom\.(?!Random\b)\w+\(")
    sources = [path for root in SOURCE_ROOTS for path in root.rglob("*.py")]
    assert [
        path.name for path in sources if drawn.search(re.sub(r"(np|numpy)\.random", "", path.read_text("utf-8")))
    ] == []


@pytest.mark.parametrize("package", ["swergio", "swergio_transports"])
def test_all_names_each_public_object_once(package: str) -> None:
    # ruff (RUF022) keeps the list sorted. Modules are public by being imported, not by being listed.
    module = importlib.import_module(package)
    exported = getattr(module, "__all__", [])
    public = {name for name in vars(module) if not name.startswith("_") and name != "annotations"}
    objects = {name for name in public if not isinstance(getattr(module, name), ModuleType)}

    assert len(exported) == len(set(exported))
    assert objects <= set(exported)
    assert all(hasattr(module, name) for name in exported)


@pytest.mark.skipif("TOX_ENV_NAME" not in os.environ, reason="only tox installs the wheel; a checkout has none")
def test_the_wheel_carries_both_packages_whole() -> None:
    installed = {path.as_posix() for path in importlib.metadata.files("swergio") or []}
    sources = {path.relative_to(root).as_posix() for root in SOURCE_ROOTS for path in root.rglob("*.py")}

    assert sources <= installed
    assert {"swergio/py.typed", "swergio_transports/py.typed"} <= installed
    assert {path.partition("/")[0] for path in sources} == {"swergio", "swergio_transports"}


def test_importing_swergio_imports_nothing_that_may_not_be_needed() -> None:
    program = "import sys, swergio; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}

    assert "swergio" in loaded
    assert loaded.isdisjoint(
        {"pydantic", "pydantic_settings", "numpy", "websockets", "typer", "rich", "matplotlib", "yaml"}
    )
