"""What a vector of environments is called with, checked: one of each for each environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import iterate

from swergio.errors import ConfigurationError

if TYPE_CHECKING:
    from gymnasium import Space


def mode_of(said: str | AutoresetMode) -> AutoresetMode:
    """
    Return an autoreset mode, or the one that is called so.

    Raises:
        ConfigurationError: none is.
    """
    try:
        return AutoresetMode(said)
    except ValueError:
        names = ", ".join(repr(mode.value) for mode in AutoresetMode)
        raise ConfigurationError(f"autoreset_mode={said!r}", f"one of {names}") from None


def actions_of(actions: Any, space: Space[Any], count: int) -> list[Any]:
    """
    Return the action of each environment, out of a value of the batched space.

    Raises:
        ConfigurationError: it has another form, or not as many actions.
    """
    try:
        each = list(iterate(space, actions))
    except (TypeError, ValueError, LookupError) as exc:
        raise ConfigurationError(f"the actions {actions!r:.200} ({exc})", f"of {space}") from exc
    if len(each) != count:
        raise ConfigurationError(f"{len(each)} actions for {count} environments", "one for each")
    return each


def seeds_of(seed: int | Sequence[int | None] | None, count: int) -> list[int | None]:
    """
    Return the seed of each environment: one for all has the index of each added.

    Raises:
        ConfigurationError: there are not as many seeds.
    """
    if seed is None:
        return [None] * count
    if isinstance(seed, int | np.integer):
        return [int(seed) + index for index in range(count)]
    if len(seed) != count:
        raise ConfigurationError(f"{len(seed)} seeds for {count} environments", "one for each")
    return [None if one is None else int(one) for one in seed]


def mask_of(options: dict[str, Any] | None, count: int) -> tuple[Any, dict[str, Any] | None]:
    """
    Return which environments are to be reset, and the other options.

    Raises:
        ConfigurationError: the mask is no boolean array with an element for each, or resets none.
    """
    if options is None or "reset_mask" not in options:
        return np.ones(count, bool), options
    mask = options["reset_mask"]
    if not isinstance(mask, np.ndarray) or mask.shape != (count,) or mask.dtype != bool or not mask.any():
        raise ConfigurationError(
            f"options['reset_mask'] of {mask!r}", f"a boolean array of shape ({count},), not all False"
        )
    return mask, {key: value for key, value in options.items() if key != "reset_mask"}
