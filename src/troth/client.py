"""A thin typed client of the HTTP API (extra ``server``).

    with Client("https://troth.example", token) as troth:
        receipt = troth.choose("m-17", "genai-improvement", on=False, at="2025-01-21T17:42:09Z", key="click-881")

Answers are the JSON of the API. What it refuses is raised as the same errors that a home raises.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import httpx2

from troth.core.errors import BadInput, Conflict, Corrupt, Refused, TrothError, Unavailable

Json: TypeAlias = dict[str, Any]

_KINDS: Final[dict[str, type[TrothError]]] = {
    "bad_input": BadInput,
    "not_found": BadInput,
    "too_large": BadInput,
    "unsupported_type": BadInput,
    "method_not_allowed": BadInput,
    "refused": Refused,
    "sign_in": Refused,
    "conflict": Conflict,
    "corrupt": Corrupt,
}
_AGAIN: Final = (429, 503)


class Client:
    """A connection to a server.

    Args:
        address: of the server, such as ``https://troth.example``.
        token: of this program; its scopes say what it may do.
        tries: how often a request is sent when the server is busy or not there. Requests that record something are
            sent again only if they have a key.
        transport: for tests.

    Raises (all methods):
        BadInput, Refused, Conflict, Corrupt: as the server answered.
        Unavailable: it did not answer, or was busy to the end.
    """

    def __init__(
        self, address: str, token: str, *, tries: int = 5, transport: httpx2.BaseTransport | None = None
    ) -> None:
        self._tries = tries
        self._http = httpx2.Client(
            base_url=f"{address.rstrip('/')}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    # in

    def record(self, event: Mapping[str, object], *, key: str | None = None) -> Json:
        """Record one event of one member, in the short form of case files; answers its receipt."""
        return self._call("POST", "/choices", body=event, key=key)

    def record_all(self, events: Iterable[Mapping[str, object]], *, key: str | None = None) -> list[Json]:
        """Record many events, each by itself; answers ``receipt`` or ``error`` for each, in order."""
        return self._lines("/choices", events, key)

    def choose(
        self, subject: str, setting: str, *, on: bool, at: str, by: str = "member", key: str | None = None
    ) -> Json:
        """Record that a switch was set; answers the receipt."""
        value = "on" if on else "off"
        choice = {"subject": subject, "setting": setting, "value": value, "at": at, "by": by}
        return self.record({"choose": choice}, key=key)

    def add_records(self, records: Iterable[Mapping[str, object]]) -> Json:
        """Send records; those that are there already count as duplicates, so it may be repeated."""
        return self._call("POST", "/records", content=_ndjson(records), key="")

    def delete_records(self, deletions: Iterable[Mapping[str, object]]) -> Json:
        """Mark records as deleted (``id``, ``deleted_at``); it may be repeated."""
        return self._call("POST", "/deletions", content=_ndjson(deletions), key="")

    def withdraw(self, subject: str, setting: str | None = None, *, key: str | None = None) -> Json:
        """Record a withdrawal of a setting, or of everything, and begin what follows."""
        return self._call("POST", "/withdrawals", body={"subject": subject, "setting": setting}, key=key)

    # out

    def withdrawal(self, number: str) -> Json:
        """How far a withdrawal has come."""
        return self._call("GET", f"/withdrawals/{number}")

    def decide(self, purpose: str, recipient: str, records: list[str], at: str | None = None) -> Json:
        """The verdicts on some records."""
        body = {"purpose": purpose, "recipient": recipient, "at": at, "records": records}
        return self._call("POST", "/decisions", body=body, key="")

    def summary(self, purpose: str, recipient: str, at: str | None = None) -> Json:
        """Counts of all records by verdict and reason."""
        values = {"purpose": purpose, "recipient": recipient} | ({"at": at} if at else {})
        return self._call("GET", "/decisions/summary", values=values)

    def releases(self) -> Iterator[Json]:
        """All releases, page by page."""
        return self._pages("/releases")

    def entries(self, after: int = -1) -> Iterator[Json]:
        """What the public sees of the ledger's entries after a position."""
        return self._pages("/entries", after)

    def proof(self, release: str, subject: str) -> Json:
        """The proof that a member's messages are in a release, or that none is."""
        return self._call("GET", "/proofs", values={"release": release, "subject": subject})

    def models(self) -> list[Json]:
        """The models and how they stand."""
        found: list[Json] = self._call("GET", "/models")["items"]
        return found

    # inside

    def _pages(self, path: str, after: int = -1) -> Iterator[Json]:
        following: int | None = after
        while following is not None:
            page = self._call("GET", path, values={"after": str(following)})
            yield from page["items"]
            following = page["next"]

    def _lines(self, path: str, lines: Iterable[Mapping[str, object]], key: str | None) -> list[Json]:
        answer = self._send("POST", path, {"content": _ndjson(lines)}, key, lines=True)
        return [json.loads(line) for line in answer.text.splitlines()]

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, object] | None = None,
        content: bytes | None = None,
        values: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Json:
        sent: dict[str, Any] = {"params": values} if values else {}
        if body is not None:
            sent["content"] = json.dumps(body).encode()
        elif content is not None:
            sent["content"] = content
        found: Json = self._send(method, path, sent, key, lines=content is not None).json()
        return found

    def _send(
        self, method: str, path: str, sent: dict[str, Any], key: str | None, *, lines: bool
    ) -> httpx2.Response:
        headers = {"Content-Type": "application/x-ndjson" if lines else "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        repeatable = method == "GET" or key is not None
        problem = "it did not answer"
        for attempt in range(self._tries if repeatable else 1):
            if attempt:
                time.sleep(min(0.2 * 2**attempt, 5.0))
            try:
                answer = self._http.request(method, path, headers=headers, **sent)
            except httpx2.HTTPError as error:
                problem = type(error).__name__
                continue
            if answer.status_code not in _AGAIN:
                return _checked(answer)
            problem = f"it answered {answer.status_code}"
        raise Unavailable(f"the server could not be asked: {problem}", remedy="repeat it later")


def _ndjson(lines: Iterable[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _checked(answer: httpx2.Response) -> httpx2.Response:
    if answer.is_success:
        return answer
    try:
        error = answer.json()["error"]
        kind, message, remedy = error["kind"], str(error["message"]), error["remedy"]
    except (ValueError, KeyError, TypeError):
        raise Unavailable(f"the server answered {answer.status_code}, and not as Troth does") from None
    raise _KINDS.get(kind, Unavailable)(message, remedy=remedy)
