"""Personal data in texts, by the rule-based recognisers of Presidio: no model, no network (extra ``pii``).

E-mail addresses, telephone numbers, IBANs, payment cards, IP addresses, US social security numbers. Names of
people are not found: that takes a model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from troth.core.errors import BadInput
from troth.intake.topics import MAX_TEXT

MIN_SCORE = 0.4
"""Presidio's score from which on a finding counts: its weak patterns (any nine digits, say) do not."""


def personal_data_finder() -> Callable[[str], tuple[str, ...]]:
    """A function that names the kinds of personal data in a text, such as ``EMAIL_ADDRESS``.

    Raises:
        BadInput: Presidio is not installed.
    """
    try:
        import tldextract
        from presidio_analyzer import predefined_recognizers as known
    except ImportError:
        raise BadInput(
            "finding personal data takes Presidio, which is not installed",
            remedy="install troth with the extra pii: pip install 'troth[pii]'",
        ) from None
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    # The list of domains that comes with the package: by default it would be fetched.
    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class Email(known.EmailRecognizer):  # type: ignore[misc]
        def validate_result(self, pattern_text: str) -> bool:
            found = extract(pattern_text)
            return bool(found.domain and found.suffix)

    recognizers: list[Any] = [
        Email(),
        known.IbanRecognizer(),
        known.CreditCardRecognizer(),
        known.PhoneRecognizer(),
        known.IpRecognizer(),
        known.UsSsnRecognizer(),
    ]

    def find(text: str) -> tuple[str, ...]:
        kinds: dict[str, None] = {}
        for one in recognizers:
            found = one.analyze(text[:MAX_TEXT], one.supported_entities, None) or []
            kinds.update({each.entity_type: None for each in found if each.score >= MIN_SCORE})
        return tuple(sorted(kinds))

    return find
