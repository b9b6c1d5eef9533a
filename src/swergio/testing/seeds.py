"""Where the seed of a fault test comes from, so that a failure can be run again."""

from __future__ import annotations

import os
import secrets

from swergio.errors import ConfigurationError

VARIABLE = "SWERGIO_SEED"


def environment_seed() -> int | None:
    """
    Return the seed in ``SWERGIO_SEED``, None if there is none.

    Raises:
        ConfigurationError: it is no whole number.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        return int(text) if text else None
    except ValueError:
        raise ConfigurationError(f"{VARIABLE} is {text!r}", "a whole number", f"Unset {VARIABLE}") from None


def choose_seed(seed: int | None = None) -> int:
    """
    Return the argument, else ``SWERGIO_SEED``, else a new random seed.

    Print it where a test fails; the same number in ``SWERGIO_SEED`` makes the same random choices.
    """
    if seed is None:
        seed = environment_seed()
    return secrets.randbits(32) if seed is None else seed


def rerun(seed: int) -> str:
    """
    Return the words that an error tells its seed with.
    """
    return f"seed {seed}; {VARIABLE}={seed} makes the same random choices again"
