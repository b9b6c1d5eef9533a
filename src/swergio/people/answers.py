"""What a person may answer: one of several options, a rating, a number, or text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from swergio.errors import ConfigurationError


class AnswerKind(Protocol):
    """
    A kind of answer.
    """

    def check(self, value: Any) -> Any:
        """
        Return the answer.

        Raises:
            ValueError: it is none of this kind; the text says what is.
        """

    def parse(self, typed: str) -> Any:
        """
        Return the answer that somebody typed.

        Raises:
            ValueError: as `check`.
        """

    def described(self) -> dict[str, Any]:
        """
        Return what `read` makes the kind of.
        """


@dataclass(frozen=True, slots=True)
class Choice:
    """
    One of several options, which are texts.

    Raises:
        ConfigurationError: there are fewer than two, or two are the same.
    """

    options: Sequence[Any]

    def __post_init__(self) -> None:
        options = (self.options,) if isinstance(self.options, str) else tuple(self.options)
        if len(set(options)) < max(2, len(options)) or not all(isinstance(one, str) and one for one in options):
            raise ConfigurationError(f"the options {options!r}", "two or more different texts")
        object.__setattr__(self, "options", options)

    def check(self, value: Any) -> str:
        """
        See `AnswerKind.check`.
        """
        if not isinstance(value, str) or value not in self.options:
            raise ValueError(f"{value!r} is none of {', '.join(self.options)}")
        return value

    def parse(self, typed: str) -> str:
        """
        Take an option, its beginning if that is enough to know it, or its number from 1.
        """
        if typed in self.options:
            return typed
        if typed.isdecimal() and 1 <= int(typed) <= len(self.options):
            return str(self.options[int(typed) - 1])
        meant = [str(option) for option in self.options if typed and option.lower().startswith(typed.lower())]
        return meant[0] if len(meant) == 1 else self.check(typed)

    def described(self) -> dict[str, Any]:
        """
        See `AnswerKind.described`.
        """
        return {"kind": "choice", "options": list(self.options)}

    def __str__(self) -> str:
        return "  ".join(f"{number}) {option}" for number, option in enumerate(self.options, 1))


@dataclass(frozen=True, slots=True)
class Rating:
    """
    A whole number, from the worst to the best, both included.

    Raises:
        ConfigurationError: the worst is not below the best.
    """

    worst: int = 1
    best: int = 5

    def __post_init__(self) -> None:
        if type(self.worst) is not int or type(self.best) is not int or self.worst >= self.best:
            raise ConfigurationError(
                f"a rating from {self.worst!r} to {self.best!r}", "two integers, the lower one first"
            )

    def check(self, value: Any) -> int:
        """
        See `AnswerKind.check`.
        """
        if type(value) is not int or not self.worst <= value <= self.best:
            raise ValueError(f"{value!r} is no whole number from {self.worst} to {self.best}")
        return value

    def parse(self, typed: str) -> int:
        """
        See `AnswerKind.parse`.
        """
        try:
            return self.check(int(typed))
        except ValueError:
            raise ValueError(f"{typed!r} is no whole number from {self.worst} to {self.best}") from None

    def described(self) -> dict[str, Any]:
        """
        See `AnswerKind.described`.
        """
        return {"kind": "rating", "worst": self.worst, "best": self.best}

    def __str__(self) -> str:
        return f"{self.worst} (worst) to {self.best} (best)"


@dataclass(frozen=True, slots=True)
class Number:
    """
    A finite number, within bounds that are included.

    Raises:
        ConfigurationError: the lower bound is not below the upper one.
    """

    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigurationError(f"a number from {self.low!r} to {self.high!r}", "the lower bound first")

    def check(self, value: Any) -> float:
        """
        See `AnswerKind.check`.
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{value!r} is no finite number")
        if not self.low <= value <= self.high:
            raise ValueError(f"{value!r} is not from {self.low:g} to {self.high:g}")
        return float(value)

    def parse(self, typed: str) -> float:
        """
        See `AnswerKind.parse`.
        """
        try:
            value = float(typed)
        except ValueError:
            raise ValueError(f"{typed!r} is no number") from None
        return self.check(value)

    def described(self) -> dict[str, Any]:
        """
        See `AnswerKind.described`.
        """
        return {"kind": "number", "low": self.low, "high": self.high}

    def __str__(self) -> str:
        bounds = [f"at least {self.low:g}" * (self.low > -math.inf), f"at most {self.high:g}" * (self.high < math.inf)]
        return ", ".join(["a number", *filter(None, bounds)])


@dataclass(frozen=True, slots=True)
class Text:
    """
    Text that is not empty, of at most ``longest`` characters.
    """

    longest: int = 10_000

    def check(self, value: Any) -> str:
        """
        See `AnswerKind.check`.
        """
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{value!r} is no text")
        if len(value) > self.longest:
            raise ValueError(f"a text of {len(value)} characters, and not of {self.longest} at most")
        return value

    def parse(self, typed: str) -> str:
        """
        See `AnswerKind.parse`.
        """
        return self.check(typed)

    def described(self) -> dict[str, Any]:
        """
        See `AnswerKind.described`.
        """
        return {"kind": "text", "longest": self.longest}

    def __str__(self) -> str:
        return "text"


def read(told: Mapping[str, Any]) -> AnswerKind:
    """
    Return the kind of answer that was described.

    Raises:
        ValueError, TypeError, LookupError: this describes none (`ConfigurationError` is a ValueError).
    """
    kind = told["kind"]
    if kind == "choice":
        return Choice(tuple(told["options"]))
    if kind == "rating":
        return Rating(told["worst"], told["best"])
    if kind == "number":
        return Number(told["low"], told["high"])
    if kind == "text":
        return Text(told["longest"])
    raise ValueError(f"there is no kind of answer called {kind!r}")
