"""What members write: short believable text from templates in our own words, with the topics it touches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from troth_network.chance import Dice

_TOPICS: Final = {
    "private_message.inmail": {"recruiting": 50, "compensation": 25, "intellectual_property": 15, "": 10},
    "private_message.direct": {"": 45, "intellectual_property": 20, "compensation": 15, "health": 10, "recruiting": 10},
    "private_message.group": {"": 55, "intellectual_property": 25, "recruiting": 12, "health": 8},
    "post": {"": 50, "recruiting": 25, "intellectual_property": 15, "health": 10},
    "comment": {"": 75, "recruiting": 10, "intellectual_property": 10, "health": 5},
    "article": {"intellectual_property": 40, "": 40, "health": 20},
    "profile": {"": 100},
    "feedback": {"": 90, "health": 10},
}  # fmt: skip
"""How often each category touches each topic; the empty topic is small talk."""

_SENTENCES: Final = {
    "recruiting": (
        "We are looking for a {role} in {town} and your work on {thing} caught my eye.",
        "Would you be open to a call about a {role} opening on our {thing} team?",
        "The team is {number} people, mostly remote, and the last {role} stayed for years.",
        "My notice period is {number} weeks, so I could start in {month}.",
        "They want somebody who has shipped {thing} before, and soon.",
        "Could I pass your name on to the hiring manager for {thing}?",
    ),
    "compensation": (
        "Between us, I am on {pay} a year here and the offer from {town} is {more}.",
        "The range that I may go to for this {role} is {pay}, plus {number} per cent on signing.",
        "They matched {pay} but would not move on the shares, so I am leaving in {month}.",
        "What would it take? I was thinking of {more} and {number} weeks off.",
        "Please keep the {pay} figure to yourself until {month}.",
    ),
    "intellectual_property": (
        "We have not filed yet, but the new {thing} runs at a third of the cost.",
        "The trick is to {trick} before anything else touches the {thing}.",
        "I would rather not show the {thing} outside the group until the patent is in.",
        "Here is the idea: {trick}, then sell the result as {thing}.",
        "Our prototype of {thing} breaks after {number} hours and nobody outside knows why.",
    ),
    "health": (
        "I will be away from {month}, the treatment takes {number} weeks.",
        "Since the diagnosis I work {number} hours a day and no more.",
        "Going back to {thing} after burnout taught me to say no early.",
        "My back is worse again, can we move the visit in {town} to {month}?",
    ),
    "": (
        "Good to see you in {town} last week, the talk on {thing} was the best of the day.",
        "Does anybody have slides on {thing} from the meeting in {month}?",
        "Small win today: {thing} went out without a single call at night.",
        "Lunch in {town} on the {number}th? I will bring the {thing} notes.",
        "After {number} years with {thing} I still learn something every {month}.",
        "Thanks, that helped a lot. I owe you a coffee in {town}.",
        "Three things that I wish I had known about {thing} before {month}.",
    ),
}  # fmt: skip

_WORDS: Final = {
    "role": ("data engineer", "nurse manager", "product lead", "welder", "tax adviser", "plant manager", "editor"),
    "town": ("Porto", "Pune", "Austin", "Leeds", "Recife", "Lyon", "Bogota", "Perth", "Tacoma", "Puebla"),
    "thing": ("route planning", "a heat pump", "payroll", "the label printer", "fraud checks", "water meters",
              "a crop sensor", "the ledger export", "onboarding", "a quieter gearbox", "claims handling"),
    "trick": ("cool it first", "sort by weight", "skip the third pass", "batch the small ones", "ask twice"),
    "month": ("January", "March", "April", "June", "September", "October", "November"),
    "number": ("3", "4", "6", "8", "9", "11", "12", "15", "16", "18"),
    "pay": ("62,000", "71,500", "88,000", "94,000", "105,000", "123,000", "140,000"),
    "more": ("75,000", "90,000", "112,000", "131,000", "155,000"),
}  # fmt: skip

_TITLES: Final = {
    "recruiting": "About a {role} opening",
    "compensation": "The offer, in confidence",
    "intellectual_property": "An idea on {thing}",
    "health": "Being away in {month}",
    "": "Hello from {town}",
}
_OPENINGS: Final = ("Hi, ", "Hello, ", "Quick one: ", "Following up. ", "")
_CLOSINGS: Final = ("", " Best wishes.", " Let me know.", " No rush.", " Talk soon.")
_TITLED: Final = ("private_message.inmail", "article")


@dataclass(frozen=True, slots=True)
class Writing:
    """A text, its title (InMail and articles) and the topics found in it."""

    title: str | None
    body: str
    topics: tuple[str, ...]


def write(category: str, dice: Dice) -> Writing:
    """Something that a member writes in a category."""
    topic = dice.weighted(_TOPICS[category])
    sentences = dice.sample(_SENTENCES[topic], dice.between(3, 6) if category == "article" else dice.between(1, 4))
    body = " ".join(_fill(sentence, dice) for sentence in sentences)
    if category.startswith("private_message"):
        body = dice.pick(_OPENINGS) + body + dice.pick(_CLOSINGS)
    title = _fill(_TITLES[topic], dice) if category in _TITLED else None
    return Writing(title, body, (topic,) if topic else ())


def _fill(sentence: str, dice: Dice) -> str:
    return sentence.format_map({word: dice.pick(options) for word, options in _WORDS.items()})
