"""The programs in the README and the documentation: Python blocks that begin with the name of their file."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

_PROGRAM = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"```\n.*?^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def programs(page: str) -> dict[str, str]:
    """
    Return the source of each program of a page, by the name of its file.
    """
    text = (ROOT / page).read_text("utf-8")
    return dict(_PROGRAM.findall(text))


def output_of(page: str, name: str) -> str:
    """
    Return what the page says that a program prints: the ``text`` block that comes next.
    """
    text = (ROOT / page).read_text("utf-8")
    found = _OUTPUT.search(text, text.index(f"```python\n# {name}\n") + len("```python"))
    assert found is not None, f"{page} does not say what {name} prints"
    return found[1]
