"""What kind of document a name stands for, in the words of terms files."""

from __future__ import annotations

import re
from typing import Final

from troth.core.terms import FORBIDDING_KINDS, PERMITTING_KINDS

KINDS: Final = (*PERMITTING_KINDS, *FORBIDDING_KINDS)

_RULES: Final = (
    (re.compile(r"privacy|data policy|datenschutz|confidentialit", re.IGNORECASE), "privacy_policy"),
    (re.compile(r"processor|processing|controller|\bdpa\b", re.IGNORECASE), "data_processing_agreement"),
    (re.compile(r"subscription|commercial|premium|paid", re.IGNORECASE), "subscription_agreement"),
    (re.compile(r"faq|help|question|support|how.?to", re.IGNORECASE), "faq"),
    (re.compile(r"setting|switch|toggle|preference", re.IGNORECASE), "setting_text"),
    (re.compile(r"e-?mail|newsletter|letter", re.IGNORECASE), "email"),
    (re.compile(r"statement|press|blog|denial|announcement|tweet", re.IGNORECASE), "statement"),
)


def kind_of(name: str) -> str:
    """The kind of a document called so; what is no other kind is an agreement."""
    return next((kind for pattern, kind in _RULES if pattern.search(name)), "user_agreement")


def slug(name: str) -> str:
    """A name as the id of a document."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:80] or "document"
