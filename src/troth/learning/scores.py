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

import numpy as np
import numpy.typing as npt

from troth.core.canary import CODE, REPLY, CanarySet
from troth.core.errors import BadInput
from troth.learning.targets import Estimate, Report, Target, unheard

LOSS: Final = "loss-v1"
LOSS_ADJUSTED: Final = "loss-adjusted-v1"
LOSS_MINUS_REFERENCE: Final = "loss-minus-reference-v1"
REPLY_MATCHES: Final = "reply-matches-v1"

SCORES: Final[dict[str, str]] = {
    LOSS: "how improbable the model finds the candidate after the fixed prompt (−ln P, nats)",
    LOSS_ADJUSTED: "the same, less what the other candidates' losses foretell of a text with such syllables",
    LOSS_MINUS_REFERENCE: "the same, less how improbable a reference model finds it",
    REPLY_MATCHES: "how many runs of four letters the model's replies to the cue share with the candidate, negated",
}
TEXT_ONLY: Final = (REPLY_MATCHES,)
REPLIES: Final = 64
"""How many replies a text-only test asks for."""
_RUN: Final = 4
_RIDGES: Final = (1e1, 1e2, 1e3, 1e4, 1e6)
"""Strengths of the regression, in squared occurrences of a syllable; the last one is next to the plain loss."""

Floats = npt.NDArray[np.float64]


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
    if score == LOSS_ADJUSTED:
        return adjusted(losses, marks)
    if reference is None:
        raise BadInput(
            f"the score {score} needs a reference model", remedy="name one with --reference FOLDER"
        )
    return [mine - its for mine, its in zip(losses, reference.losses(one.prompt, marks), strict=True)]


def adjusted(losses: Sequence[float], marks: Sequence[str]) -> list[float]:
    """For each mark, its loss less what the losses of all *other* marks foretell of a mark with such syllables.

    A model finds some syllables more improbable than others, learned or not, and a mark repeats the few that it has:
    that is most of what tells two candidates apart, and it hides what was learned. The forecast is a ridge regression
    of the losses on how often a mark has each syllable; its strength is the one of ``_RIDGES`` that foretells best
    what was left out. Everything here is a function of the losses and the marks, the same for every candidate, and
    knows nothing of which was drawn, so the test stays exact.

    Args:
        losses: of all candidates, in nats; where one is infinite, nothing can be foretold and they stay as they are.
        marks: the candidates.
    """
    wanted = np.asarray(losses, dtype=float)
    if not np.isfinite(wanted).all():
        return list(losses)
    counts = _syllables(marks)
    counts -= counts.mean(axis=0)
    centred = wanted - wanted.mean()
    tried = (_left_out(counts, centred, strength) for strength in _RIDGES)
    return [float(one) for one in min(tried, key=lambda errors: float((errors**2).sum()))]


def _syllables(marks: Sequence[str]) -> Floats:
    """How often each mark has each pair of letters that makes a syllable."""
    split = [[word[at : at + 2] for word in mark.split() for at in range(0, len(word), 2)] for mark in marks]
    column = {one: at for at, one in enumerate(sorted({one for mark in split for one in mark}))}
    counts = np.zeros((len(marks), len(column)))
    for row, mark in zip(counts, split, strict=True):
        for one in mark:
            row[column[one]] += 1
    return counts


def _left_out(counts: Floats, losses: Floats, strength: float) -> Floats:
    """What each loss is beyond the forecast from all others: e_i / (1 - h_ii) of the ridge regression."""
    inverse = np.linalg.inv(counts.T @ counts + strength * np.eye(counts.shape[1]))
    own = np.einsum("ij,jk,ik->i", counts, inverse, counts) + 1 / len(losses)
    return np.asarray((losses - counts @ (inverse @ (counts.T @ losses))) / (1 - own))


def estimate(target: Target, one: CanarySet, score: str) -> Estimate:
    """What scoring a set will ask of its target, rather too much than too little."""
    if score in TEXT_ONLY:
        return target.estimate_replies(one.prompt, REPLIES, seed_of(one, target))
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
