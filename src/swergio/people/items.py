"""What a person is shown, and what comes back: items and labels, as they are on the wire.

An **item** is a message in the room of the desks, of any type. A dict with ``show`` is read as::

    {
        "show": what is to be judged: text, a number, an array, anything; or a file:
                {"media": "audio/wav", "data": bytes, "name": "melody.wav"},
        "question": text,             # may be missing
        "answer": the kind:           # may be missing: text
            {"kind": "choice", "options": [text, ...]}
            {"kind": "rating", "worst": 1, "best": 5}
            {"kind": "number", "low": -inf, "high": inf}
            {"kind": "text", "longest": 10000},
        "until": seconds,             # since the epoch: nobody waits for an answer any longer. May be missing
    }

All other data are shown as they are, and answered by text.

A **label** is feedback on that message, of type ``DATA/LABEL``: ``{"answer": ..., "seconds": how long it took}``, or
``{"skipped": reason}`` from somebody who leaves it to others. To an item that is a request, it is the reply too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from swergio.errors import ConfigurationError, ProtocolError
from swergio.messages import Instance
from swergio.people.answers import AnswerKind, Text, read


@dataclass(frozen=True, slots=True)
class Media:
    """
    A file that an item shows: an image, a sound, anything.

    Attributes:
        data: Its bytes.
        type: Its media type, such as ``image/png``.
        name: What it is called.
    """

    data: bytes = field(repr=False)
    type: str
    name: str = ""

    @classmethod
    def of(cls, path: str | Path) -> Media:
        """
        Return a file of this machine, read now.

        Raises:
            ConfigurationError: its name does not say what type of file it is.
            OSError: it cannot be read.
        """
        import mimetypes

        path = Path(path)
        type = mimetypes.guess_type(path.name)[0]
        if type is None:
            raise ConfigurationError(f"a file called {path.name!r}", "a name that ends in .wav, .png or the like")
        return cls(path.read_bytes(), type, path.name)


@dataclass(frozen=True, slots=True)
class Item:
    """
    Something that a person is to judge.

    Attributes:
        show: Text, a number, an array, `Media`; whatever a message can carry.
        question: What is asked about it.
        answer: What may be answered.
        until: Seconds since the epoch, after which nobody waits for the answer; None if that is not known.
    """

    show: Any
    question: str | None = None
    answer: AnswerKind = field(default_factory=Text)
    until: float | None = None

    def body(self, until: float) -> dict[str, Any]:
        """
        Return the item as the data of a message.
        """
        show = self.show
        if isinstance(show, Media):
            show = {"media": show.type, "data": show.data, "name": show.name}
        answer = self.answer.described()
        return {"show": show, "question": self.question, "answer": answer, "until": until}

    @classmethod
    def read(cls, data: Any) -> Item:
        """
        Return the item that a message is.

        Raises:
            ProtocolError: it has the form of an item, and parts that are none.
        """
        if not isinstance(data, dict) or "show" not in data:
            return cls(data)
        question, until = data.get("question"), data.get("until")
        try:
            answer = read(data["answer"]) if data.get("answer") is not None else Text()
        except (TypeError, ValueError, LookupError) as exc:
            raise ProtocolError(f"an item with the answer {data['answer']!r:.200}: {exc}") from exc
        if not isinstance(question, str | None) or not isinstance(until, int | float | None):
            raise ProtocolError(f"an item with the question {question!r:.200} until {until!r:.50}")
        return cls(_shown(data["show"]), question, answer, until)


def _shown(show: Any) -> Any:
    if not isinstance(show, dict) or "media" not in show:
        return show
    media = show["media"], show.get("data"), show.get("name", "")
    if not isinstance(media[0], str) or not isinstance(media[1], bytes) or not isinstance(media[2], str):
        raise ProtocolError(f"an item that shows the file {show!r:.200}")
    return Media(media[1], media[0], media[2])


class Answer(NamedTuple):
    """
    What a person said about an item.

    Attributes:
        value: The answer; the default if nobody answered.
        by: The desk; None if nobody answered.
        seconds: How long the person took, as the desk says; None if nobody answered.
    """

    value: Any
    by: Instance | None = None
    seconds: float | None = None
