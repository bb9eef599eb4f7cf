"""Troth: keep AI training true to what people were promised, and prove it.

The public API; everything else may change. Parts are imported when first used, so that ``import troth``
is quick.

    home = troth.open("troth-home")
    use = troth.Use("train.generative", recipient="third_party:acme")
    home.gate(use, at="2025-01-21").decide(table)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from troth.app.api import Home, init, open, replay, verify  # noqa: A004
    from troth.app.decisions import Explanation, HomeGate
    from troth.core.catalogue import SENTENCES
    from troth.core.errors import BadInput, Conflict, Corrupt, Refused, TrothError, Unavailable, Unpublished
    from troth.core.findings import Finding, Findings
    from troth.core.values import Use
    from troth.release.hf import SealedDataCallback
    from troth.release.load import load

__all__ = [
    "SENTENCES",
    "BadInput",
    "Conflict",
    "Corrupt",
    "Explanation",
    "Finding",
    "Findings",
    "Home",
    "HomeGate",
    "Refused",
    "SealedDataCallback",
    "TrothError",
    "Unavailable",
    "Unpublished",
    "Use",
    "init",
    "load",
    "open",
    "replay",
    "verify",
]

_WHERE: Final = {
    "Home": "troth.app.api",
    "init": "troth.app.api",
    "open": "troth.app.api",
    "replay": "troth.app.api",
    "verify": "troth.app.api",
    "Explanation": "troth.app.decisions",
    "HomeGate": "troth.app.decisions",
    "SENTENCES": "troth.core.catalogue",
    "BadInput": "troth.core.errors",
    "Conflict": "troth.core.errors",
    "Corrupt": "troth.core.errors",
    "Refused": "troth.core.errors",
    "TrothError": "troth.core.errors",
    "Unavailable": "troth.core.errors",
    "Unpublished": "troth.core.errors",
    "Finding": "troth.core.findings",
    "Findings": "troth.core.findings",
    "Use": "troth.core.values",
    "SealedDataCallback": "troth.release.hf",
    "load": "troth.release.load",
}


def __getattr__(name: str) -> object:
    where = _WHERE.get(name)
    if where is None:
        raise AttributeError(f"module 'troth' has no attribute {name!r}")
    return getattr(importlib.import_module(where), name)
