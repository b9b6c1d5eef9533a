from __future__ import annotations

from pathlib import Path

import pytest

from swergio.errors import UnknownScheme
from swergio.transport import find
from swergio_transports.memory import MemoryTransport


def test_a_transport_that_was_installed_since_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnknownScheme, match="fresh://"):
        find("fresh://somewhere")

    installed = tmp_path / "fresh-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: fresh\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        "[swergio.transports]\nfresh = swergio_transports.memory:MemoryTransport"
    )

    assert find("fresh://somewhere") is MemoryTransport
    assert find("memory://somewhere") is MemoryTransport
