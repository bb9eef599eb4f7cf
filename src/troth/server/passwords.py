"""Passwords of local accounts: Argon2id with the parameters of RFC 9106's second recommendation."""

from __future__ import annotations

from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.profiles import RFC_9106_LOW_MEMORY

from troth.core.errors import BadInput

SHORTEST: Final = 12
LONGEST: Final = 1_024
"""A longer one would only keep the hasher busy."""


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@cache
def _nobody() -> str:
    """The hash of a password that nobody has, so that unknown accounts take as long as known ones."""
    return _hasher().hash("nobody has this password")


def hashed(password: str) -> str:
    """The hash to keep.

    Raises:
        BadInput: too short or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(f"a password has {SHORTEST} to {LONGEST} characters")
    return _hasher().hash(password)


def matches(kept: str | None, password: str) -> bool:
    """Whether a password is the kept one; as slow for an account that there is not (None)."""
    try:
        _hasher().verify(kept or _nobody(), password[:LONGEST])
    except (Argon2Error, InvalidHashError):
        return False
    return kept is not None
