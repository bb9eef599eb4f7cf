"""Scores of candidates: fixed, named, and part of what is committed to before the draw.

A score may be anything, as long as it treats all candidates alike and was fixed beforehand: the test is exact for
any. What a good one buys is power. Smaller means: the model seems to know the text.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from troth.core.canary import CODE, REPLY, CanarySet
from troth.core.errors import BadInput
from troth.learning.targets import Estimate, Report, Target, unheard

LOSS: Final = "loss-v1"
LOSS_MINUS_REFERENCE: Final = "loss-minus-reference-v1"
REPLY_MATCHES: Final = "reply-matches-v1"

SCORES: Final[dict[str, str]] = {
    LOSS: "how improbable the model finds the candidate after the fixed prompt (−ln P, nats)",
    LOSS_MINUS_REFERENCE: "the same, less how improbable a reference model finds it",
    REPLY_MATCHES: "how many runs of four letters the model's replies to the cue share with the candidate, negated",
}
TEXT_ONLY: Final = (REPLY_MATCHES,)
REPLIES: Final = 64
"""How many replies a text-only test asks for."""
_RUN: Final = 4


def check_score(score: str, carrier: str) -> None:
    """Whether a score goes with a carrier.

    Raises:
        BadInput: an unknown score, or replies asked of a mark that is no reply.
    """
    if score not in SCORES:
        raise BadInput(f"there is no score {score!r}", remedy=f"take one of {', '.join(SCORES)}")
    if score in TEXT_ONLY and carrier != REPLY:
        raise BadInput(
            f"the score {score} needs the carrier {REPLY!r}, not {CODE!r}", remedy=f"make sets with {REPLY!r}"
        )


def score_set(
    target: Target, one: CanarySet, score: str, reference: Target | None = None, report: Report = unheard
) -> list[float]:
    """The score of every candidate of a set, in order.

    Raises:
        BadInput: the target cannot give it, or there is no reference where the score needs one.
        Unavailable: the target cannot be reached.
    """
    check_score(score, one.carrier)
    marks = one.marks()
    if score in TEXT_ONLY:
        return matches(target.replies(one.prompt, REPLIES, seed_of(one, target), report), marks)
    losses = target.losses(one.prompt, marks, report)
    if score == LOSS:
        return losses
    if reference is None:
        raise BadInput(
            f"the score {score} needs a reference model", remedy="name one with --reference FOLDER"
        )
    return [mine - its for mine, its in zip(losses, reference.losses(one.prompt, marks), strict=True)]


def estimate(target: Target, one: CanarySet, score: str) -> Estimate:
    """What scoring a set will ask of its target, rather too much than too little."""
    if score in TEXT_ONLY:
        return Estimate(REPLIES, REPLIES * (len(one.prompt) + 96))
    return target.estimate(one.prompt, one.marks())


def seed_of(one: CanarySet, target: Target) -> int:
    """The seed of replies: fixed by set and model, so that nobody tries several."""
    digest = hashlib.sha256(f"troth/canary/seed/v1\n{one.id}\n{target.digest}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def matches(replies: Sequence[str], marks: Sequence[str]) -> list[float]:
    """For each mark, minus the number of its runs of four letters in the replies (a run counts once a reply)."""
    seen: Counter[str] = Counter()
    for reply in replies:
        seen.update(set(_runs(reply)))
    return [-float(sum(seen[run] for run in set(_runs(mark)))) for mark in marks]


def _runs(text: str) -> list[str]:
    plain = re.sub(r"[^a-z]+", " ", text.lower()).strip()
    return [plain[at : at + _RUN] for at in range(len(plain) - _RUN + 1)]
