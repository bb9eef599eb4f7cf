"""Membership-inference scores: indicative at best, since nobody knows how often they are wrong.

They compare a text with others, and members with non-members differ in more than membership: in date, topic, style.
On such shifted data they tell the shift, not the training (Duan and others 2024; Das, Zhang, Tramèr 2024;
Meeus and others 2024). Troth shows them with these words beside them, never as proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

SAYS: Final = (
    "These messages bear no marks, so whether they were used cannot be known from the model with any known error "
    "rate. Scores of membership inference differ between any two collections of texts, also if neither was used. "
    "They are shown because they are asked for; nothing follows from them."
)
_SHARE: Final = 0.2

Floats = npt.NDArray[np.float64]


def min_k(losses: Sequence[float], share: float = _SHARE) -> float:
    """Min-K%: the mean log-probability of the least probable tokens (Shi and others 2024, arXiv 2310.16789).

    Args:
        losses: −ln P of each token of a text, in nats.
        share: of the tokens that are taken.
    """
    found = np.sort(np.asarray(losses, dtype=float))[::-1]
    return float(-found[: max(1, int(len(found) * share))].mean())


def min_k_plus_plus(losses: Sequence[float], entropies: Sequence[float], spreads: Sequence[float]) -> float:
    """Min-K%++: the same of log-probabilities that are standardised by place (Zhang and others 2025, arXiv 2404.02936).

    Args:
        losses: −ln P of each token.
        entropies: the entropy of the model's distribution at each place, in nats.
        spreads: the standard deviation of ln P under that distribution at each place.
    """
    standard = (-np.asarray(losses, dtype=float) + np.asarray(entropies)) / np.maximum(
        np.asarray(spreads), 1e-6
    )
    found = np.sort(standard)
    return float(found[: max(1, int(len(found) * _SHARE))].mean())


def area(members: Sequence[float], others: Sequence[float]) -> float:
    """The area under the ROC curve: how often a member's score is above another's, ties counted half."""
    mine, its = np.asarray(members, dtype=float)[:, None], np.asarray(others, dtype=float)[None, :]
    return float((mine > its).mean() + 0.5 * (mine == its).mean())
