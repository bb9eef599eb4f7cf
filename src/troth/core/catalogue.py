"""One sentence per reason for members and one for lawyers.

Members read about themselves only; of others they see ``ANOTHER_PARTY``, so that nobody learns what
somebody else chose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from troth.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Sentences:
    """What a reason means, said to a member and said to a lawyer."""

    member: str
    lawyer: str


ANOTHER_PARTY: Final = "Not used, for a reason outside your own choices."
ALLOWED: Final = Sentences(
    "May be used: you were told of the terms that allow it, and you have not said no.",
    "A ground existed when the record was created and holds now; no promise, objection or law stands against it.",
)

SENTENCES: Final[dict[Reason, Sentences]] = {
    Reason.NOT_YET: Sentences(
        "This was written after the moment that was asked about.",
        "The record was created after the instant T of the question.",
    ),
    Reason.DELETED: Sentences(
        "This was deleted, so it is not used.",
        "The record was deleted at or before T.",
    ),
    Reason.ERASED: Sentences(
        "Your data was erased, so nothing of yours is used.",
        "An erasure, or the status erased, holds for the data subject at T.",
    ),
    Reason.CLOSED: Sentences(
        "Your account is closed, so what you wrote is not used.",
        "The account is closed at T and the operator's rule ends use with it.",
    ),
    Reason.MINOR: Sentences(
        "You were under the minimum age when this was written.",
        "The data subject was below the minimum age when the record was created.",
    ),
    Reason.PROHIBITED_HERE: Sentences(
        "The law where you are, or were when this was written, does not allow this use.",
        "The regime of the data subject's place prohibits the use at T, or did at the record's creation"
        " without a consent given where it was not prohibited.",
    ),
    Reason.OBJECTED: Sentences(
        "You objected to training, and have not said yes to it since.",
        "An objection to training stands at T; no later consent or choice of a governing setting ends it.",
    ),
    Reason.PROMISED_NOT_TO: Sentences(
        "You were promised that this would not be used in this way.",
        "A forbid or limit clause binding at the record's creation or at T covers the use;"
        " no consent given under that version lifts it.",
    ),
    Reason.RETROACTIVE: Sentences(
        "The terms that allow this came into effect only after this was written.",
        "Only a version effective after the record's creation permits the use, and it does not reach back.",
    ),
    Reason.NOT_NOTICED: Sentences(
        "The terms that allow this had been changed without telling you when this was written.",
        "The newest version in effect at the record's creation permits the use,"
        " but the data subject had not been given notice of it.",
    ),
    Reason.NO_GROUND: Sentences(
        "Nothing that you agreed to, or were told of, allows this.",
        "No permit binds and no consent covers the record.",
    ),
    Reason.PERMISSION_ENDED: Sentences(
        "The terms allowed this once but no longer do.",
        "A permit bound at the record's creation; none covering the use binds at T.",
    ),
    Reason.OPTED_OUT: Sentences(
        "You switched this off.",
        "The last explicit choice of the setting is off, or without one a signal of off was received.",
    ),
    Reason.OFF_BY_DEFAULT: Sentences(
        "This is off where you are, and you have not switched it on.",
        "The setting's default for the data subject is off at T and no choice was made.",
    ),
    Reason.NO_OPT_IN: Sentences(
        "The law where you are asks for your explicit yes, and you have not given one.",
        "The regime is opt-in (or prohibits) at the record's creation or at T; a default or terms alone do not do.",
    ),
    Reason.NO_CHOICE_OFFERED: Sentences(
        "The law where you are asks that you be offered a choice, and you were not.",
        "The regime is opt-out at the record's creation or at T, and the permit offers no setting.",
    ),
    Reason.BEFORE_CHOICE: Sentences(
        "This was written before there was a switch for it.",
        "The setting had not been introduced when the record was created (or by T).",
    ),
    Reason.WRITTEN_WHILE_OFF: Sentences(
        "This was written while the switch was off for you.",
        "At the record's creation the setting was off by choice, or by a default that counted;"
        " the later on-choice does not cover the past.",
    ),
    Reason.CONSENT_WITHDRAWN: Sentences(
        "You took back your consent.",
        "A consent of matching scope was withdrawn by T.",
    ),
    Reason.CONSENT_EXPIRED: Sentences(
        "Your consent has run out.",
        "A consent of matching scope had expired by T.",
    ),
    Reason.NO_CONSENT: Sentences(
        "This needs your consent, and you have not given one that covers it.",
        "The permit is conditional on consent and none covers the record.",
    ),
    Reason.UNKNOWN_SUBJECT: Sentences(
        "It is not known whose this is, so it is not used.",
        "The party has no entry in the ledger with effect at or before T, or the record has no author.",
    ),
    Reason.UNKNOWN_TIME: Sentences(
        "It is not known when this was written, so it is not used.",
        "The record has no instant of creation.",
    ),
    Reason.UNKNOWN_JURISDICTION: Sentences(
        "It is not known where you are, or were when this was written, so it is not used.",
        "The data subject's jurisdiction is unknown at T or at the record's creation.",
    ),
    Reason.UNKNOWN_AGE: Sentences(
        "Your age is not known, so what you wrote is not used.",
        "No birth date is known at T and the operator's rule treats that as a gap.",
    ),
}
