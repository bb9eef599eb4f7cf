"""The HTTP API, version 1, for the platform that Troth is wired to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from troth.app import live, views
from troth.app.serving import ServedHome
from troth.core.errors import BadInput, TrothError
from troth.core.events import Event, MemberEvent
from troth.core.shape import Shape
from troth.core.values import Use
from troth.core.written import read_event
from troth.ledger.group import Busy
from troth.ledger.store import Batch, Receipt
from troth.server import proving
from troth.server.access import GuardedRoute, Who, allow
from troth.server.errors import HttpError, envelope, not_found, status_of

router = APIRouter(prefix="/api/v1", route_class=GuardedRoute)

DESCRIPTION: Final = (
    "What was promised, told and chosen goes in; verdicts, releases and proofs come out. Every answer that is not"
    ' a success has the one envelope `{"error": {kind, message, remedy, place, request_id}}`. Programs show a'
    " token (`Authorization: Bearer …`) that has the scope of the route; instants are ISO 8601, UTC."
)
T = TypeVar("T")
NDJSON: Final = "application/x-ndjson"
_LINES: Final = 10_000
_KEY: Final = 200
_DUMPS: Final = json.JSONEncoder(separators=(",", ":")).encode

_ERROR: Final = {
    "description": "The one error envelope",
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/ErrorEnvelope"},
            "example": envelope(
                "bad_input", "choose.value: expected one of on, off; got 'of'", "4f0c9a2d11e2b3aa",
                remedy="did you mean off?", place="events[0]",
            ),
        }
    },
}  # fmt: skip
ERRORS: Final[dict[int | str, dict[str, Any]]] = dict.fromkeys(
    (400, 401, 403, 404, 409, 413, 415, 429, 500, 503), _ERROR
)


class ErrorDetail(BaseModel):
    """What went wrong and how to mend it."""

    kind: str
    message: str
    remedy: str | None
    place: str | None
    request_id: str


class ErrorEnvelope(BaseModel):
    """Every answer that is not a success."""

    error: ErrorDetail


class ReceiptOut(BaseModel):
    """Where an entry stands in the ledger, and what the public log will show of it."""

    position: int = Field(examples=[8231])
    type: str = Field(examples=["member"])
    time: str = Field(examples=["2025-01-21T17:00:00Z"])
    commitment: str = Field(examples=["9f" * 32])


class UseIn(BaseModel):
    """A use: a purpose and a recipient."""

    model_config = ConfigDict(extra="forbid")
    purpose: str = Field(examples=["train.generative"], max_length=200)
    recipient: str = Field(examples=["third_party:acme"], max_length=200)
    at: str | None = Field(None, examples=["2025-01-21T00:00:00Z"], max_length=40)

    @property
    def use(self) -> Use:
        """As the decision sees it."""
        return Use(self.purpose, self.recipient)


class DecisionsIn(UseIn):
    """Which records may a use have? At most 1,000 at a time."""

    records: list[str] = Field(examples=[["m1", "m2"]], min_length=1, max_length=1_000)


class Verdict(BaseModel):
    """The verdict on one record; a record that is not known may not be used."""

    record: str
    verdict: str = Field(examples=["denied"])
    reason: str | None = Field(examples=["opted-out"])


class DecisionsOut(BaseModel):
    """Verdicts, in the order in which they were asked for, with the ledger's position that they rest on."""

    position: int
    at: str
    decisions: list[Verdict]


class SummaryOut(BaseModel):
    """Counts by verdict and reason of all records."""

    records: int
    verdicts: dict[str, int]
    first_reasons: dict[str, int]
    all_reasons: dict[str, int]
    any_party_rule_would_allow: int
    position: int
    at: str


class Page(BaseModel):
    """Some items, and where to go on: give ``next`` as ``after``; null at the end."""

    items: list[dict[str, Any]]
    next: int | None


class WithdrawalIn(BaseModel):
    """Whose withdrawal, of which setting; without one, of everything."""

    model_config = ConfigDict(extra="forbid")
    subject: str = Field(examples=["m-000017"], min_length=1, max_length=500)
    setting: str | None = Field(None, examples=["genai-improvement"], min_length=1, max_length=200)


class WithdrawalOut(BaseModel):
    """A withdrawal and the dated steps that followed from it."""

    id: str
    setting: str | None
    at: int
    position: int | None
    steps: list[dict[str, Any]]
    done: bool


class CheckpointOut(BaseModel):
    """The head of the ledger, and its signed checkpoint where there is a public log."""

    position: int
    checkpoint: str | None


def home_of(request: Request) -> ServedHome:
    """The home that is served."""
    home: ServedHome = request.app.state.home
    return home


async def _engine(request: Request, work: Callable[[], T]) -> T:
    return await asyncio.to_thread(home_of(request).exclusively, work)


# in


def _body(schema: str, example: object, lines: str) -> dict[str, Any]:
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object", "additionalProperties": True, "description": schema},
                    "example": example,
                },
                NDJSON: {
                    "schema": {"type": "string", "description": f"{schema}; one to a line"},
                    "example": lines,
                },
            },
        },
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,200}$"},
                "description": "The same key with the same body answers as the first time, and records nothing anew.",
            }
        ],
    }


_CHOICE: Final = {
    "choose": {
        "subject": "m-000017",
        "setting": "genai-improvement",
        "value": "off",
        "at": "2025-01-21T17:42:09Z",
    }
}


@router.post(
    "/choices",
    status_code=201,
    response_model=ReceiptOut,
    responses=ERRORS,
    openapi_extra=_body(
        "One event of one member, as in case files: choose, consent, withdraw, object, erase, accept, notice,"
        " or dated attributes",
        _CHOICE,
        json.dumps(_CHOICE) + "\n",
    ),
)
@allow(scope="choices:write")
async def post_choices(request: Request) -> Response:
    """Record what a member chose, or was told; durable when it answers.

    Lines are recorded each by itself: every line gets its own answer, in order. With an `Idempotency-Key` a
    batch may be repeated after a broken connection. 429 means that too much is waiting: slow down, repeat.
    """
    key = request_key(request)
    data = await request.body()
    writer = home_of(request).writer
    if _is_lines(request):
        lines = split_lines(data)
        answers = await asyncio.gather(
            *(
                _record_line(writer.submit, line, f"{key}:{number}" if key else None)
                for number, line in lines
            ),
            return_exceptions=True,
        )
        return _line_answers(request, [number for number, _ in lines], answers)
    event = member_event(parse_object(data, "the body"))
    receipts = await writer.submit(Batch([event], key))
    return Response(_DUMPS(receipts[0].as_json()), 201, media_type="application/json")


async def _record_line(submit: Callable[[Batch], Any], line: bytes, key: str | None) -> list[Receipt]:
    answer: list[Receipt] = await submit(Batch([member_event(parse_object(line, "the line"))], key))
    return answer


def _line_answers(request: Request, numbers: list[int], answers: Iterable[object]) -> Response:
    lines: list[dict[str, Any]] = []
    for number, answer in zip(numbers, answers, strict=True):
        if isinstance(answer, Busy) and not lines:
            raise answer
        if isinstance(answer, TrothError):
            kind, _ = status_of(answer)
            place = str(answer.place) if answer.place else None
            body = envelope(kind, answer.message, request.state.request_id, remedy=answer.remedy, place=place)
            lines.append({"line": number, **body})
        elif isinstance(answer, BaseException):
            raise answer
        elif isinstance(answer, list):
            lines.append({"line": number, "receipt": answer[0].as_json()})
    return Response("".join(f"{_DUMPS(line)}\n" for line in lines), media_type=NDJSON)


_RECORD: Final = {
    "id": "m1",
    "category": "private_message.inmail",
    "created_at": "2024-05-02T08:00:00Z",
    "author": "m-000017",
    "addressees": ["m-000023"],
    "conversation": "c1",
    "title": "Hello",
    "body": "Shall we talk?",
}


@router.post(
    "/records",
    responses=ERRORS,
    openapi_extra=_body("A record", _RECORD, json.dumps(_RECORD) + "\n"),
)
@allow(scope="records:write")
async def post_records(request: Request) -> Response:
    """Take records. A record that is there already counts as a duplicate, so a batch may be repeated.

    Send many at a time: they are kept in columns, and a part of a thousand costs little more than one of one.
    """
    data = await request.body()
    records = _objects(request, data)
    async with request.app.state.intake:
        found = await asyncio.to_thread(live.take_records, home_of(request), records)
    return JSONResponse(found)


_DELETION: Final = {"id": "m1", "deleted_at": "2025-01-21T17:42:09Z"}


@router.post(
    "/deletions",
    responses=ERRORS,
    openapi_extra=_body("A deletion of a record", _DELETION, json.dumps(_DELETION) + "\n"),
)
@allow(scope="records:write")
async def post_deletions(request: Request) -> Response:
    """Mark records as deleted: they leave every use at once, and their words are forgotten."""
    data = await request.body()
    deletions = _objects(request, data)
    async with request.app.state.intake:
        found = await asyncio.to_thread(live.take_deletions, home_of(request), deletions)
    return JSONResponse(found)


def request_key(request: Request) -> str | None:
    """The caller's key of a request, made this token's own.

    Raises:
        BadInput: not a plain one.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    plain = key.replace("-", "").replace("_", "").replace(".", "").replace(":", "")
    if not (0 < len(key) <= _KEY and plain.isalnum() and key.isascii()):
        raise BadInput("an Idempotency-Key has 1 to 200 letters, digits, or any of . : _ -")
    who: Who = request.state.who
    return f"api:{who.label}:{key}"


def _is_lines(request: Request) -> bool:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind not in ("application/json", NDJSON):
        raise HttpError(415, f"expected application/json or {NDJSON}, got {kind[:80]!r}")
    return kind == NDJSON


def split_lines(data: bytes) -> list[tuple[int, bytes]]:
    """The lines that are not empty, with their numbers from 1.

    Raises:
        BadInput: more than are taken at a time, or none.
    """
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    if not 0 < len(lines) <= _LINES:
        raise BadInput(f"expected 1 to {_LINES:,} lines, got {len(lines):,}")
    return lines


def _objects(request: Request, data: bytes) -> list[dict[str, Any]]:
    if _is_lines(request):
        return [parse_object(line, f"line {number}") for number, line in split_lines(data)]
    return [parse_object(data, "the body")]


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        BadInput: it is none.
    """
    try:
        found = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadInput(f"{what} is no JSON", remedy="send one JSON object") from None
    if not isinstance(found, dict):
        raise BadInput(f"{what} is no JSON object", remedy="send one JSON object")
    return found


def _no_constant(text: str) -> None:
    raise ValueError(text)


def member_event(value: dict[str, Any]) -> Event:
    """An event that concerns one member; what concerns everybody is published by people, not by programs."""
    event = read_event(Shape(value, "event"))
    if not isinstance(event, MemberEvent) or not isinstance(getattr(event, "to", ""), str):
        raise BadInput("expected an event of one member", remedy="terms are added in the operator's console")
    return event


# out


@router.post("/decisions", response_model=DecisionsOut, responses=ERRORS)
@allow("privacy", "ml", "admin", scope="decisions:read")
async def post_decisions(request: Request, asked: DecisionsIn) -> Response:
    """May these records be used? A record that is not known counts as a gap."""
    found = await _engine(
        request, partial(views.decisions, home_of(request), asked.use, asked.at, asked.records)
    )
    return JSONResponse(found)


@router.get("/decisions/summary", response_model=SummaryOut, responses=ERRORS)
@allow("privacy", "ml", "admin", scope="decisions:read")
async def get_summary(
    request: Request,
    purpose: str = Query(examples=["train.generative"], max_length=200),
    recipient: str = Query(examples=["operator"], max_length=200),
    at: str | None = Query(None, max_length=40),
) -> Response:
    """How all records fare for a use: counts by verdict and reason."""
    found = await _engine(request, partial(views.summary, home_of(request), Use(purpose, recipient), at))
    return JSONResponse(found)


@router.get("/decisions/explained/{record}", responses=ERRORS)
@allow("privacy", "admin", scope="decisions:read")
async def get_explanation(
    request: Request,
    record: str,
    purpose: str = Query(examples=["train.generative"], max_length=200),
    recipient: str = Query(examples=["operator"], max_length=200),
    at: str | None = Query(None, max_length=40),
) -> Response:
    """Why a record may or may not be used: every party, every reason, every clause and its sentence."""
    explained = await _engine(request, partial(home_of(request).explain, record, Use(purpose, recipient), at))
    return JSONResponse(explained.as_json())


@router.get("/releases", response_model=Page, responses=ERRORS)
@allow("privacy", "ml", "admin", "auditor", scope="releases:read")
async def get_releases(
    request: Request, after: int = Query(-1, ge=-1, le=2**53), limit: int = Query(100, ge=1, le=1_000)
) -> Response:
    """The releases, in the order in which they were recorded."""
    return JSONResponse(await asyncio.to_thread(views.release_page, home_of(request), after, limit))


@router.get("/releases/{release}", responses=ERRORS)
@allow("privacy", "ml", "admin", "auditor", scope="releases:read")
async def get_release(request: Request, release: str) -> Response:
    """One release: its entry, and what a check of it finds where it lies here."""
    found = await asyncio.to_thread(views.release, home_of(request), release)
    if found is None:
        raise not_found()
    return JSONResponse(found)


@router.get("/entries", response_model=Page, responses=ERRORS)
@allow("auditor", "admin", "privacy", scope="log:read")
async def get_entries(
    request: Request, after: int = Query(-1, ge=-1, le=2**53), limit: int = Query(100, ge=1, le=1_000)
) -> Response:
    """What the public sees of the ledger's entries: type, time, commitment."""
    return JSONResponse(await asyncio.to_thread(views.entry_page, home_of(request), after, limit))


@router.get("/checkpoint", response_model=CheckpointOut, responses=ERRORS)
@allow("auditor", "admin", "privacy", scope="log:read")
async def get_checkpoint(request: Request) -> Response:
    """The head of the ledger."""
    return JSONResponse(await asyncio.to_thread(views.checkpoint, home_of(request)))


@router.get("/proofs", responses=ERRORS)
@allow(scope="proofs:read")
async def get_proof(
    request: Request,
    release: str = Query(examples=["r1c0e820c1e8d"], max_length=100),
    subject: str = Query(examples=["m-000017"], min_length=1, max_length=500),
) -> Response:
    """The proof that a member's messages are in a release, or that none is. It holds the member's secret."""
    data = await asyncio.to_thread(proving.proof, home_of(request), release, subject)
    return Response(data, media_type="application/json")


@router.get("/models", response_model=Page, responses=ERRORS)
@allow("privacy", "ml", "admin", "auditor", scope="models:read")
async def get_models(request: Request) -> Response:
    """The models that were trained, as the ledger knows them."""
    return JSONResponse({"items": await asyncio.to_thread(views.models, home_of(request)), "next": None})


@router.post("/withdrawals", status_code=202, response_model=WithdrawalOut, responses=ERRORS)
@allow(scope="withdrawals:write")
async def post_withdrawal(request: Request, asked: WithdrawalIn) -> Response:
    """Record a withdrawal and begin what follows from it. With an `Idempotency-Key` it may be repeated."""
    found = await asyncio.to_thread(
        request.app.state.withdrawals.request, asked.subject, asked.setting, request_key(request)
    )
    return JSONResponse(found.as_json(), 202)


@router.get("/withdrawals/{withdrawal}", response_model=WithdrawalOut, responses=ERRORS)
@allow("privacy", "admin", scope="withdrawals:write")
async def get_withdrawal(request: Request, withdrawal: str) -> Response:
    """How far a withdrawal has come."""
    found = request.app.state.withdrawals.find(withdrawal)
    if found is None:
        raise not_found()
    return JSONResponse(found.as_json())


@router.get("/openapi.json", include_in_schema=False)
@allow(public=True)
async def get_openapi(request: Request) -> Response:
    """The description of this API."""
    described = request.app.openapi()
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    if "ErrorEnvelope" not in schemas:
        schemas["ErrorDetail"] = ErrorDetail.model_json_schema()
        schemas["ErrorEnvelope"] = ErrorEnvelope.model_json_schema(
            ref_template="#/components/schemas/{model}"
        )
        schemas["ErrorEnvelope"].pop("$defs", None)
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return JSONResponse(described)
