"""What a component has asked of the hub and not been answered yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from swergio.codec.frames import Buffer, Op, encode


@dataclass(frozen=True, slots=True)
class Question:
    """
    Something that was asked; ``answer(value, error)`` is called once.
    """

    verb: str
    arguments: tuple[Any, ...]
    answer: Callable[[Any, str | None], None]


class Questions:
    """
    The open questions. They are asked again after a reconnect, in their order.
    """

    def __init__(self) -> None:
        self._open: dict[int, Question] = {}
        self._asked = 0

    def add(self, verb: str, arguments: tuple[Any, ...], answer: Callable[[Any, str | None], None]) -> int:
        """
        Take a question; return its number.
        """
        self._asked += 1
        self._open[self._asked] = Question(verb, arguments, answer)
        return self._asked

    def forget(self, number: int) -> None:
        """
        Nobody waits for the answer any more. A join or leave takes effect all the same: the hub counts on its members.
        """
        question = self._open.get(number)
        if question is not None and question.verb not in {"join", "leave"}:
            del self._open[number]

    def frame(self, number: int) -> list[Buffer]:
        """
        Return the frame that asks a question.
        """
        question = self._open[number]
        return encode(Op.ASK, number, question.verb, list(question.arguments))

    def frames(self) -> Iterator[list[Buffer]]:
        """
        Return the frames that ask all open questions.
        """
        return map(self.frame, self._open)

    def answered(self, number: int, value: Any, error: str | None) -> Question | None:
        """
        Hand an answer over; return its question, None if nobody waits for it.

        A question whose answer cannot be understood stays open.
        """
        question = self._open.get(number)
        if question is not None:
            question.answer(value, error)
            self._open.pop(number, None)
        return question
