"""A bridge whose framework is not installed says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("bridge", "package", "extra"),
    [("torch", "torch", "torch"), ("jax", "jax", "jax"), ("scipy", "numpy", "scipy"), ("estimators", "numpy", "numpy")],
)
def test_a_missing_framework_is_named_with_its_extra(bridge: str, package: str, extra: str) -> None:
    program = f"""
import sys
sys.modules[{package!r}] = None  # as if it were not there
import swergio
try:
    import swergio.{bridge}
except swergio.MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"pip install 'swergio[{extra}]'" in done.stdout
