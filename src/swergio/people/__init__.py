"""People as components: questions that a person answers at a desk, and the labels that come back.

What is on the wire knows nothing of terminals: ``swergio.people.items`` says what an item and a label look like,
`desk` answers items with a function of yours.
"""

from swergio.people.answers import AnswerKind, Choice, Number, Rating, Text
from swergio.people.asking import AsksPeople, PlainAsksPeople
from swergio.people.desks import Skip, desk
from swergio.people.items import Answer, Item, Media
from swergio.people.uncertainty import most_uncertain

__all__ = [
    "Answer",
    "AnswerKind",
    "AsksPeople",
    "Choice",
    "Item",
    "Media",
    "Number",
    "PlainAsksPeople",
    "Rating",
    "Skip",
    "Text",
    "desk",
    "most_uncertain",
]
