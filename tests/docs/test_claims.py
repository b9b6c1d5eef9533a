"""What the pages point to exists: linked files, the tests that show what is promised, the code that is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from swergio.settings import HubSettings, Settings, load

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
SOURCE_ROOTS = [ROOT, ROOT / "src", ROOT / "transports"]

LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
TEST = re.compile(r"`((?:tests|src)/[\w/]+\.py)::(test_\w+)`")
LINKED_TEST = re.compile(r"\[`(test_\w+)`\]\(((?:tests|src)/[\w/]+\.py)\)")
FILE = re.compile(r"`([\w.]+/[\w/]*(?:\.py|/))`")
SETTING = re.compile(r"^\| (`[^|]+`) \| ([^|]+) \|", re.MULTILINE)
CODE = re.compile(r"`([\w/]+\.py)` `(\w+)(?:\.(\w+))?`")


def find(path: str) -> Path:
    """
    Return a file or folder that a page names, below the folder of the project or one of its source roots.
    """
    places = [root / path for root in SOURCE_ROOTS if (root / path).exists()]
    assert places, f"there is no {path}"
    return places[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_to_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    for link in LINK.findall(text):
        assert (page.parent / link).exists(), f"there is no {link}"
    for file, test in [*TEST.findall(text), *((file, test) for test, file in LINKED_TEST.findall(text))]:
        assert f"def {test}(" in find(file).read_text("utf-8"), f"there is no {file}::{test}"
    for file in FILE.findall(text):
        find(file)
    for file, name, method in CODE.findall(text):
        source = find(file).read_text("utf-8")
        assert re.search(rf"^(class|def) {name}\b", source, re.MULTILINE), f"{file} has no {name}"
        assert f"    def {method}(" in source or not method, f"{name} has no {method}"


def test_the_defaults_in_the_table_of_limits_are_those_of_the_settings() -> None:
    text = (ROOT / "docs/how-to.md").read_text("utf-8")
    table = text.partition("## Choose the limits")[2].partition("\n## ")[0]
    said = [
        (name.strip("`"), value.removesuffix(" s"))
        for names, values in SETTING.findall(table)
        for name, value in zip(names.split(", "), values.split(", "), strict=True)
    ]
    own = {name: value for name, value in said if "." not in name}
    hub = {name.removeprefix("hub."): value for name, value in said if "." in name}

    assert load("memory://", **own, hub=hub) == load("memory://")
    numbers = {name for name, field in Settings.model_fields.items() if type(field.default) in (int, float)}
    limits = {name for name, field in HubSettings.model_fields.items() if type(field.default) in (int, float)}
    assert set(own) == numbers
    assert set(hub) == limits
