"""
Runs the Python blocks of the README and the documentation as tests; the blocks of a page share their names.

What a block prints must be what the ``text`` block behind it says, where "..." stands for anything. A block that begins
with the name of a file, as ``# world.py``, is a program: ``tests/docs/test_scripts.py`` runs it as one. Any other block
that cannot run as it stands is left out with ``<!--- skip: next "the reason" -->`` above it.

Each page has a folder of its own to work in, and its components a hub of their own, started on demand.
"""

from __future__ import annotations

import contextlib
import doctest
import functools
import io
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, SkipParser

from swergio import component as plain

PROGRAM = re.compile(r"# \w+\.py\n")

run = PythonEvaluator()


def evaluate(example: Example) -> None:
    """
    Run a block, unless it is a program, and keep what it prints.
    """
    printed = example.namespace["printed"] = io.StringIO()
    if not PROGRAM.match(example.parsed):
        with contextlib.redirect_stdout(printed):
            run(example)


def compare(example: Example) -> str | None:
    """
    Return what is wrong with a ``text`` block that stands behind a block that printed something.
    """
    printed = example.namespace.pop("printed", io.StringIO()).getvalue()
    as_said = doctest.OutputChecker().check_output(str(example.parsed), printed, doctest.ELLIPSIS)
    return None if as_said or not printed else f"The block above printed:\n{printed}"


def begin(namespace: dict[str, Any]) -> None:
    """
    Let nothing of this machine's settings into a page, and nothing of a page into its rooms.
    """
    patch = namespace["_patch"] = pytest.MonkeyPatch()
    folder = namespace["_folder"] = tempfile.TemporaryDirectory()
    namespace["_before"] = set(plain._open)  # noqa: SLF001  nobody else asks what is open
    for name in [name for name in os.environ if name.startswith("SWERGIO_")]:
        patch.delenv(name)
    patch.setenv("SWERGIO_RUNTIME_DIR", folder.name)
    patch.chdir(folder.name)


def end(namespace: dict[str, Any]) -> None:
    """
    Close what the page left open, which would look for another hub, that of another test; and remove the folder.

    A hub whose connection file is gone ends.
    """
    for component in plain._open - namespace["_before"]:  # noqa: SLF001
        component.close()
    namespace["_patch"].undo()
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser("python", evaluate), CodeBlockParser("text", compare), SkipParser()],
    patterns=["README.md", "docs/*.md"],
    setup=begin,
    teardown=end,
).pytest()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """
    Run more tests at once than there are processors: nearly all of them wait for something most of the time.
    """
    return min(2 * (os.cpu_count() or 1), 16)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Let the long ones come first, so that no worker is left with much when the others are done.
    """
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """
    Let any worker take any test, but the blocks of a page stay together, and so do tests that share a fixture.

    ``--dist=loadgroup``, which is meant for that, does not see its groups under pytest 9.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if _shared(Path(file)) else nodeid

    return Scheduling(config, log)


@functools.cache
def _shared(file: Path) -> bool:
    if file.suffix != ".py":
        return True
    near = (file, file.with_name("conftest.py"))
    return any('scope="module"' in one.read_text("utf-8") for one in near if one.exists())
