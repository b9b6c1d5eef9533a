"""The notebook of the documentation, run by a real kernel: its cells run inside a running event loop."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def results(notebook: Any) -> list[dict[str, Any]]:
    """
    Return what each cell shows, below its source.
    """
    shown = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts = [output.get("data", output).get("text/plain", output) for output in cell.outputs]
            shown.append({"source": cell.source, "shows": texts})
    return shown


def test_every_cell_shows_what_the_file_says(tmp_path: Path) -> None:
    told = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    run = deepcopy(told)
    NotebookClient(run, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()

    assert len(results(told)) > 5
    assert results(run) == results(told)
