"""The log's side of witnessing: asks the witnesses of a policy to cosign, all at once, and insists on the quorum."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from troth.core.checkpoint import Checkpoint, parse_size
from troth.core.errors import BadInput, Refused, Unavailable
from troth.core.note import Note, Signature, parse_signatures, verify
from troth.core.policy import Party, Policy
from troth.core.tiles import Tiles
from troth.core.witness import CONFLICT, OK, SIZE, UNPROCESSABLE, Answer, Request
from troth.ledger.tilelog import Ahead

TIMEOUT_SECONDS: Final = 10.0
_MAX_ANSWER_BYTES: Final = 64 * 1024
_TRIES: Final = 3

Send: TypeAlias = Callable[[str, bytes], Answer]
"""Posts a body to a URL. Raises Unavailable if no answer comes."""


def post(url: str, body: bytes) -> Answer:
    """Post to a witness over HTTP or HTTPS; redirections are not followed.

    Raises:
        Unavailable: no answer.
    """
    parts = urlsplit(url)
    try:
        if parts.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.netloc, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
            )
        elif parts.scheme == "http":
            connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
        else:
            raise Unavailable(f"{url} is no http or https address")
        try:
            connection.request("POST", parts.path, body, {"Content-Type": "text/plain; charset=utf-8"})
            answer = connection.getresponse()
            data = answer.read(_MAX_ANSWER_BYTES)
            return Answer(answer.status, data, answer.headers.get("Content-Type", ""))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"no answer from {url}: {str(error) or type(error).__name__}") from None


@dataclass(frozen=True, slots=True)
class _Outcome:
    signature: Signature | None = None
    problem: str | None = None
    ahead: bool = False


class Cosigners:
    """The witnesses of a policy that can be reached."""

    def __init__(self, policy: Policy, send: Send = post) -> None:
        self.policy = policy
        self._send = send

    def __bool__(self) -> bool:
        return any(one.url for one in self.policy.witnesses.values())

    def cosign(self, note: Note, checkpoint: Checkpoint, tiles: Tiles, seen: int) -> list[Signature]:
        """Ask all of them; see ``tilelog.Witnesses``."""
        asked = {name: one for name, one in self.policy.witnesses.items() if one.url}
        outcomes: dict[str, _Outcome] = {}
        if asked:
            with ThreadPoolExecutor(len(asked)) as pool:
                answers = pool.map(
                    lambda one: self._ask(one, Request(seen, (), note, checkpoint), tiles), asked.values()
                )
                outcomes = dict(zip(asked, answers, strict=True))
        problems = [f"{name}: {one.problem}" for name, one in outcomes.items() if one.problem]
        if any(one.ahead for one in outcomes.values()):
            raise Ahead("; ".join(problems))
        held = {name for name, one in outcomes.items() if one.signature}
        if not self.policy.satisfied(held):
            said = "; ".join(problems) or "the policy names no address of enough witnesses"
            raise Unavailable(
                f"too few witnesses have cosigned: the policy asks for {self.policy.quorum} ({said})",
                remedy="what was recorded is safe; publish it with `troth log publish` when they answer again",
            )
        return [one.signature for one in outcomes.values() if one.signature]

    def _ask(self, witness: Party, request: Request, tiles: Tiles) -> _Outcome:
        """Ask one. If it has seen another size than the request supposes, it says so, and is asked again."""
        url = f"{(witness.url or '').rstrip('/')}/add-checkpoint"
        old, size = request.old, request.checkpoint.size
        try:
            for _ in range(_TRIES):
                proof = tuple(tiles.consistency(old, size))
                answer = self._send(url, replace(request, old=old, proof=proof).write())
                if answer.status == OK:
                    return _read(witness, request.note, answer)
                if answer.status == UNPROCESSABLE:
                    return _Outcome(problem="has seen another log under this name", ahead=True)
                if answer.status != CONFLICT or answer.type.partition(";")[0].strip() != SIZE:
                    return _Outcome(problem=f"answered {answer.status}")
                old = parse_size(answer.body.decode("ascii").removesuffix("\n"))
                if old > size:
                    return _Outcome(
                        problem=f"has seen {old} entries of this log, here are {size}:"
                        " an old backup was restored, or entries were lost",
                        ahead=True,
                    )
        except (Unavailable, BadInput, UnicodeDecodeError) as error:
            return _Outcome(problem=error.message if isinstance(error, Unavailable) else "answered nonsense")
        return _Outcome(problem="changes its mind about what it has seen")


def _read(witness: Party, note: Note, answer: Answer) -> _Outcome:
    try:
        lines = parse_signatures(answer.body.decode("utf-8"))
        verify(note.text, lines, [witness.key])
    except (BadInput, Refused, UnicodeDecodeError):
        return _Outcome(problem="its cosignature does not hold")
    for one in lines:
        if (one.name, one.id) == (witness.key.name, witness.key.id):
            return _Outcome(one)
    return _Outcome(problem="answered without its cosignature")
