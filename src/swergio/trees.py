"""Bodies as trees: dicts and lists, and whatever else they hold as leaves. Nothing is imported for the leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def transform(function: Callable[[Any], Any], tree: Any) -> Any:
    """
    Return the tree with ``function(leaf)`` in the place of each leaf. Tuples become lists, as they do on the wire.
    """
    if isinstance(tree, Mapping):
        return {key: transform(function, value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [transform(function, value) for value in tree]
    return function(tree)


def leaves(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    """
    Iterate over the leaves with their paths, such as ``x['speed'][1]``; ``path`` is what the whole tree is called.
    """
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from leaves(value, f"{path}[{key!r}]")
    elif isinstance(tree, list | tuple):
        for number, value in enumerate(tree):
            yield from leaves(value, f"{path}[{number}]")
    else:
        yield path, tree


def beside(tree: Any, other: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """
    Iterate over the leaves of a tree, each with what ``other`` has in its place.

    None in ``other`` stands for a tree of None: feedback is None where there is no gradient. A leaf of ``tree`` may
    meet a whole tree of ``other``.

    Raises:
        ValueError: a part of ``other`` has other keys, or another length; names it.
    """
    if isinstance(tree, Mapping):
        _check(other is None or (isinstance(other, Mapping) and other.keys() == tree.keys()), path, tree, other)
        for key, value in tree.items():
            yield from beside(value, None if other is None else other[key], f"{path}[{key!r}]")
    elif isinstance(tree, list | tuple):
        fits = other is None or (isinstance(other, list | tuple) and len(other) == len(tree))
        _check(fits, path, tree, other)
        for number, value in enumerate(tree):
            yield from beside(value, None if other is None else other[number], f"{path}[{number}]")
    else:
        yield path, tree, other


def spread(function: Callable[..., Any], body: Any, *first: Any) -> Any:
    """
    Call a function with a body behind its ``first`` arguments.

    The items of a list are positional arguments, those of a dict keyword arguments; anything else is one argument.
    """
    if isinstance(body, Mapping):
        return function(*first, **body)
    return function(*first, *body) if isinstance(body, list | tuple) else function(*first, body)


def _check(fits: bool, path: str, tree: Any, other: Any) -> None:
    if not fits:
        raise ValueError(f"{path} should be {_outline(tree)}, and is {_outline(other)}")


def _outline(tree: Any) -> str:
    if isinstance(tree, Mapping):
        return f"a dict with the keys {sorted(map(str, tree))}"
    if isinstance(tree, list | tuple):
        return f"a list of {len(tree)}"
    return f"a {type(tree).__name__}"
