"""What is installed here: Python, swergio, and the packages of its extras."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from swergio.doctor.findings import Finding, good, note

_REQUIREMENT = re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?([^;]*)(?:;(.*))?$")
_EXTRA = re.compile(r"extra == ['\"]([\w-]+)['\"]")


def installed() -> Iterator[Finding]:
    """
    Yield what there is. Nothing of it is wrong: an extra is missing only where something asks for it.
    """
    where = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable or 'embedded'}"
    yield good("Python", f"{where}, on {platform.system()} {platform.machine()}")
    yield good("swergio", metadata.version("swergio"))
    for extra, packages in sorted(extras().items()):
        there = {name: version for name in packages if (version := _version(name))}
        missing = [name for name in packages if name not in there]
        listed = ", ".join(f"{name} {version}" for name, version in there.items())
        if not missing:
            yield good(f"extra {extra}", listed)
        else:
            lacking = f"without {' and '.join(missing)}"
            remedy = f"If you need it: pip install 'swergio[{extra}]'"
            yield note(f"extra {extra}", f"{listed}; {lacking}" if listed else "not installed", remedy)


def extras() -> dict[str, list[str]]:
    """
    Return the packages of each extra, as the metadata of the distribution says; those of other systems are among them.
    """
    found: dict[str, list[str]] = {}
    for requirement in metadata.requires("swergio") or []:
        parts = _REQUIREMENT.match(requirement)
        extra = _EXTRA.search(parts[3] or "") if parts else None
        if parts and extra and parts[1] != "swergio" and parts[1] not in found.setdefault(extra[1], []):
            found[extra[1]].append(parts[1])
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
