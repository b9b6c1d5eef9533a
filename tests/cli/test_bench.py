"""
``swergio bench``, run as a program.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.live.deployments import deployed

SWERGIO = [sys.executable, "-c", "from swergio.cli import main; main()", "bench"]
TINY = ["--repeat", "1", "--scale", "0.0001"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SWERGIO, *arguments], capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.long
def test_it_measures_a_deployment() -> None:
    with deployed("ws") as url:
        done = run(url, *TINY, "--json")
    results = json.loads(done.stdout)["results"]

    assert (done.returncode, done.stderr) == (0, "")
    assert {result["handlers"] for result in results} == {"plain", "async"}
    assert {result["workload"] for result in results} == {
        "round trip, 64 B",
        "throughput, 128 B",
        "arrays, 1 MiB",
        "fan-out to 4, 128 B",
    }
    assert all(run["ok"] and run["figures"] for result in results for run in result["runs"])


@pytest.mark.long
def test_it_prints_a_table() -> None:
    with deployed("redis") as url:
        done = run(url, *TINY)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("MB/s") == 2
    assert "✗" not in done.stdout


@pytest.mark.parametrize(
    ("url", "said"), [("memory://here", "is within one process"), ("ws://127.0.0.1:1", "cannot connect to")]
)
def test_it_says_what_is_wrong_with_the_deployment(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWERGIO_CONNECT_TIMEOUT", "0.1")
    done = run(url, *TINY)

    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
