"""``swergio demo``."""

from __future__ import annotations

from pathlib import Path

from swergio.errors import MissingExtra


def run(url: str | None, *, seeds: int, plot: Path | None, as_json: bool) -> None:
    """
    Run the demo.

    Raises:
        MissingExtra: NumPy or matplotlib is not installed.
    """
    try:
        from swergio.demo.run import run_demo

        run_demo(url, seeds=seeds, plot=plot, as_json=as_json)
    except ModuleNotFoundError as exc:
        if exc.name not in {"numpy", "matplotlib"}:
            raise
        raise MissingExtra(f"the demo needs {exc.name}", remedy="Run: pip install 'swergio[demo]'") from exc
