"""The conformance suite itself: a sound transport passes, and each faulty one fails the test that is meant for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from swergio.testing.conformance import ConformanceSuite
from tests.testing import faulty

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
FAILED = re.compile(r"^(?:FAILED|ERROR) \S+::(test_\w+)", re.MULTILINE)

MODULE = """
from swergio.testing import waiting
from swergio.testing.conformance import ConformanceSuite
from tests.testing.faulty import deploy

waiting.DEADLINE = 8.0  # what a fault took away is waited for in vain

class TestFaulty(ConformanceSuite):
    def deploy(self, limits):
        yield from deploy({scheme!r}, limits)
"""

METADATA = "Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n"


def run_suite(folder: Path, kind: type[faulty.Faulty]) -> tuple[set[str], str]:
    """
    Run the whole suite, with plain components, on a faulty transport that is installed as a third party's is.

    Returns:
        The names of the tests that failed, and what pytest said.
    """
    scheme = kind.__name__.lower()
    installed = folder / "faulty-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(METADATA)
    (installed / "entry_points.txt").write_text(
        f"[swergio.transports]\n{scheme} = {kind.__module__}:{kind.__qualname__}"
    )
    (folder / "test_faulty.py").write_text(MODULE.format(scheme=scheme))
    paths = [str(folder), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=short", "-p", "no:cacheprovider", "-k", "not asyncio"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert re.search(r"\d\d passed", done.stdout), done.stdout + done.stderr
    return set(FAILED.findall(done.stdout)), done.stdout


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (faulty.Drops, {"test_messages_of_one_sender_arrive_in_order_and_once": "messages came in 8 s; missing"}),
        (faulty.Reorders, {"test_messages_of_different_types_keep_their_order": "reordered: 1 came where 0"}),
        (faulty.Duplicates, {"test_direct_messages_keep_their_order": "twice: 0"}),
        (faulty.Echoes, {"test_a_sender_gets_its_own_messages_only_if_it_asks": "not expected: 'from one'"}),
        (faulty.Forgets, {"test_a_member_gets_everything_that_is_sent_after_join_returned": "16 of 20 messages came"}),
        (faulty.Deaf, {"test_close_ends_in_time_though_the_deployment_has_gone": "'close' with a 'close_timeout'"}),
        (faulty.Leaks, {"test_a_deployment_that_is_not_there_is_an_error_within_the_deadline": "LibraryError"}),
        (faulty.Sloppy, dict.fromkeys(faulty.Sloppy.fails, "")),
    ],
)
def test_a_faulty_transport_fails_the_test_that_is_meant_for_it(
    kind: type[faulty.Faulty], expected: dict[str, str], tmp_path: Path
) -> None:
    failed, output = run_suite(tmp_path, kind)
    assert failed == expected.keys(), output
    for sentence in expected.values():
        assert sentence in output, output


def test_a_class_without_deploy_is_told_what_it_lacks() -> None:
    with pytest.raises(NotImplementedError, match=r"TestMine has no method 'deploy\(self, limits\)'"):
        type("TestMine", (ConformanceSuite,), {})().deploy(None)
