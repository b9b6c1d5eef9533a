"""Reading ``swarm.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from swergio.errors import ConfigurationError, MissingExtra

USUAL_FILE = "swarm.yaml"


class Source(NamedTuple):
    """
    Where a swarm is described.

    Attributes:
        name: What errors call it.
        folder: Where its relative paths begin.
        said: What it says, unchecked.
    """

    name: str
    folder: Path
    said: object


def read(source: str | Path | Mapping[str, Any] | None) -> Source:
    """
    Return what a file says; a mapping says it itself, and None nothing.

    Raises:
        ConfigurationError: the file cannot be read, or is no YAML, or says a key twice.
        MissingExtra: a file is to be read, and PyYAML is not installed.
    """
    if source is None or isinstance(source, Mapping):
        return Source("the swarm", Path.cwd(), dict(source or {}))
    path = Path(source).absolute()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        remedy = f"Name the file: swergio up FILE; without one it is {USUAL_FILE} in the working folder"
        raise ConfigurationError(f"{source} cannot be read: {exc}", "a YAML file in UTF-8", remedy) from exc
    return Source(str(source), path.parent, _parse(text, str(source)))


def _parse(text: str, name: str) -> Any:
    try:
        import yaml
    except ImportError as exc:
        raise MissingExtra(f"{name} needs PyYAML", remedy="Run: pip install 'swergio[swarm]'") from exc

    class Loader(yaml.SafeLoader):
        """
        The loader for which nothing in a file is code; PyYAML's own takes the last of two equal keys, silently.
        """

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            first: dict[str, int] = {}
            for key, _ in node.value:
                line = first.setdefault(str(key.value), key.start_mark.line)
                if line != key.start_mark.line:
                    lines = f"lines {line + 1} and {key.start_mark.line + 1}"
                    raise ConfigurationError(f"{name}: {key.value} is there twice, in {lines}", "each key once")
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)  # noqa: S506  a SafeLoader
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigurationError(f"{name} is no YAML: {where}{exc.problem}") from None
    except yaml.YAMLError as exc:
        raise ConfigurationError(f"{name} is no YAML: {' '.join(str(exc).split())}") from None
