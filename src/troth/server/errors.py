"""One error envelope, and which HTTP status each kind of error has."""

from __future__ import annotations

from typing import Any, Final

from troth.core.errors import BadInput, Conflict, Corrupt, Refused, TrothError, Unavailable
from troth.ledger.group import Busy

KINDS: Final[tuple[tuple[type[TrothError], str, int], ...]] = (
    (Busy, "busy", 429),
    (Refused, "refused", 403),
    (BadInput, "bad_input", 400),
    (Conflict, "conflict", 409),
    (Corrupt, "corrupt", 500),
    (Unavailable, "unavailable", 503),
)
"""Kinds of errors of Troth: the class, the word in the envelope, the status. The first that fits counts."""

STATUS_KINDS: Final = {
    400: "bad_input",
    401: "sign_in",
    403: "refused",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_type",
    429: "busy",
    500: "internal",
    503: "unavailable",
}


class HttpError(Exception):
    """An answer other than success that is about HTTP itself: nobody signed in, not found, too large."""

    def __init__(
        self, status: int, message: str, *, remedy: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.remedy = remedy
        self.headers = headers or {}


def not_found() -> HttpError:
    """The same answer for what is not there and for what is somebody else's."""
    return HttpError(404, "there is nothing here for you", remedy="check the address")


def status_of(error: TrothError) -> tuple[str, int]:
    """The word and the status of an error of Troth."""
    return next(
        ((word, status) for kind, word, status in KINDS if isinstance(error, kind)), ("internal", 500)
    )


def envelope(
    kind: str, message: str, request_id: str, *, remedy: str | None = None, place: str | None = None
) -> dict[str, Any]:
    """The body of every error of the API."""
    return {
        "error": {
            "kind": kind,
            "message": message,
            "remedy": remedy,
            "place": place,
            "request_id": request_id,
        }
    }
