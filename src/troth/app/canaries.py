"""Canaries: made, committed to, drawn, placed, opened. The file of keys is its holder's; the rest is in the ledger."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from troth.app.home import Home, instant_or_now
from troth.core.canary import (
    CANDIDATES,
    CODE,
    KEY_BYTES,
    PLACERS,
    TEST,
    Beacon,
    CanarySet,
    Commitment,
    History,
    Logged,
    Promised,
    check_draw,
    check_set,
    read_beacon,
    read_history,
    set_key,
)
from troth.core.entries import Act
from troth.core.errors import BadInput, Conflict, Place, Refused
from troth.core.shape import Shape
from troth.core.values import format_instant, parse_instant
from troth.core.written import Json
from troth.ledger.store import Ledger, Receipt, clock

FORMAT: Final = "troth/canaries/v2"
HOLDERS: Final = ("member", "escrow")
_MOST_BYTES: Final = 64 * 2**20
_MOST_SETS: Final = 100_000
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Held:
    """One set in its holder's file: the set, its role, and whose messages it is for (never leaves the file)."""

    set: CanarySet
    role: str
    subject: str | None


@dataclass(frozen=True, slots=True)
class Canaries:
    """What a file of canaries holds: the keys of a campaign's sets. Whoever has it can place and test them."""

    path: Path
    campaign: str
    holder: str
    sets: tuple[Held, ...]

    def one(self, set_id: str | None) -> Held:
        """A set by its id; None: the only one.

        Raises:
            BadInput: there is no such set, or there are several.
        """
        found = [held for held in self.sets if set_id in (None, held.set.id)]
        if len(found) != 1:
            raise BadInput(
                f"the file holds {len(self.sets)} sets; {'no ' + set_id if set_id else 'say which one'}",
                place=Place(str(self.path)),
                remedy=f"name one with --set, such as {self.sets[0].set.id}",
            )
        return found[0]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a new campaign is to hold.

    Attributes:
        subjects: one set for each; None where it is for nobody by name.
        calibration: how many sets besides go into data of people who agreed.
        carrier, size: see ``CanarySet``.
        holder: ``member`` or ``escrow``.
    """

    subjects: Sequence[str | None] = (None,)
    calibration: int = 0
    carrier: str = CODE
    size: int = CANDIDATES
    holder: str = "member"


def new(path: Path, wish: Wish, key: Path | None = None) -> Canaries:
    """Make a campaign's sets and write their keys to a new file, readable by its owner alone.

    Args:
        path: the file to make.
        wish: what it is to hold.
        key: a holder's key file (64 hex digits) that the sets' keys are derived from; without it they are drawn.

    Raises:
        Conflict: the file is there already.
        BadInput: what is wished for cannot be.
    """
    if wish.holder not in HOLDERS:
        raise BadInput(f"expected a holder of {', '.join(HOLDERS)}; got {wish.holder!r}")
    count = len(wish.subjects) + wish.calibration
    if not 1 <= count <= _MOST_SETS:
        raise BadInput(f"a campaign has 1 to {_MOST_SETS:,} sets, not {count:,}")
    if path.exists():
        raise Conflict("a file is there already", place=Place(str(path)), remedy="name a new file")
    holder = _holder_key(key) if key else secrets.token_bytes(KEY_BYTES)
    campaign = f"c-{datetime.fromtimestamp(clock() / 1e6, UTC):%Y%m%d}-{secrets.token_hex(4)}"
    roles = [TEST] * len(wish.subjects) + ["calibration"] * wish.calibration
    subjects = [*wish.subjects, *[None] * wish.calibration]
    held = []
    for number, (role, subject) in enumerate(zip(roles, subjects, strict=True), start=1):
        name = f"{campaign}-{number}"
        held.append(Held(CanarySet(name, set_key(holder, name), wish.carrier, wish.size), role, subject))
    made = Canaries(path, campaign, wish.holder, tuple(held))
    write_private(path, json.dumps(_as_json(made), indent=1).encode())
    return made


def _as_json(canaries: Canaries) -> dict[str, Json]:
    return {
        "format": FORMAT,
        "campaign": canaries.campaign,
        "holder": canaries.holder,
        "sets": [
            {
                "set": held.set.id,
                "key": held.set.key.hex(),
                "carrier": held.set.carrier,
                "size": held.set.size,
                "role": held.role,
                "subject": held.subject,
            }
            for held in canaries.sets
        ],
    }


def read(path: Path) -> Canaries:
    """Read a file of canaries.

    Raises:
        BadInput: it cannot be read, or others can read it.
    """
    document = _read_json(path, "a file made by `troth canary new`")
    if path.stat().st_mode & _OTHERS:
        raise BadInput(
            "the keys can be read by others", place=Place(str(path)), remedy="chmod 600 it; keep it secret"
        )
    shape = Shape(document, str(path))
    if shape.need("format").as_text() != FORMAT:
        shape.need("format").refuse(f"expected {FORMAT}")
    held = tuple(_held(one) for one in shape.need("sets").items())
    found = Canaries(path, shape.need("campaign").as_text(), shape.need("holder").as_one_of(HOLDERS), held)
    shape.close()
    if not held or len({one.set.id for one in held}) != len(held):
        shape.need("sets").refuse("expected at least one set, and each once")
    return found


def _held(shape: Shape) -> Held:
    try:
        key = bytes.fromhex(shape.need("key").as_text())
    except ValueError:
        shape.need("key").refuse("expected 64 hex digits")
    subject = shape.get("subject")
    made = CanarySet(
        shape.need("set").as_text(), key, shape.need("carrier").as_text(), shape.need("size").as_count()
    )
    held = Held(
        made,
        shape.need("role").as_one_of(("test", "calibration")),
        None if subject is None or subject.value is None else subject.as_text(),
    )
    shape.close()
    return held


def commit(
    home: Home, canaries: Canaries, score: str, beacon_source: str, after: int | str | None = None
) -> Receipt:
    """Write the roots of all candidates, the score and the beacon that will decide into the ledger.

    Args:
        home: whose ledger.
        canaries: the campaign.
        score: how candidates will be scored; fixed from here on.
        beacon_source: which public value will decide the draw, such as ``drand:quicknet:123456`` or the name of a
            witness of the log.
        after: the value must not be known before this instant (None: now).

    Raises:
        Conflict: the campaign was committed to already.
    """
    from troth.learning.scores import check_score

    for held in canaries.sets:
        check_score(score, held.set.carrier)
    commitment = Commitment(
        canaries.campaign,
        tuple(
            Promised(held.set.id, held.set.root(), held.set.size, held.set.carrier, held.role)
            for held in canaries.sets
        ),
        score,
        beacon_source,
        instant_or_now(after),
        canaries.holder,
    )
    with home.writing() as ledger:
        history = _history(ledger, canaries.campaign)
        if history.commitment is not None:
            raise Conflict(
                f"campaign {canaries.campaign} was committed to already",
                remedy="a new attempt needs a new campaign: troth canary new",
            )
        return _append(ledger, [commitment.details()])[0]


def draw(home: Home, canaries: Canaries, beacon: Beacon) -> Receipt:
    """Record the public value that decides which candidates are placed. Once.

    Raises:
        Refused: nothing was committed to, it was drawn already, or the value is not the one that was fixed.
    """
    with home.writing() as ledger:
        history = checked(_history(ledger, canaries.campaign))
        assert history.commitment is not None  # noqa: S101 - checked
        if history.beacon is not None:
            raise Refused(
                f"campaign {canaries.campaign} was drawn already",
                remedy="place what was drawn; another draw needs a new campaign",
            )
        check_draw(history.commitment, history.committed_at, beacon)
        if beacon.at > clock():
            raise BadInput(f"this value is of {format_instant(beacon.at)}, which has not come yet")
        details: dict[str, Json] = {
            "action": "draw",
            "campaign": canaries.campaign,
            "beacon": beacon.as_json(),
        }
        return _append(ledger, [details])[0]


@dataclass(frozen=True, slots=True)
class Placing:
    """Who places marks where: a role of ``PLACERS``, and a kind of place such as ``private_message`` (no names)."""

    by: str
    where: str
    at: int | str | None = None


def place(
    home: Home, canaries: Canaries, set_id: str | None, bodies: Sequence[str], placing: Placing
) -> tuple[list[str], Receipt]:
    """Put the drawn mark of a set into messages, and record that.

    Args:
        home: whose ledger.
        canaries: the campaign.
        set_id: the set; None: the only one.
        bodies: the messages; each gets one more sentence at its end. An empty body becomes that sentence alone.
        placing: who, and where.

    Returns:
        The messages with the mark, and the receipt of the entry.

    Raises:
        Refused: it was not drawn yet, or was opened already.
    """
    if placing.by not in PLACERS:
        raise BadInput(f"expected one of {', '.join(PLACERS)}; got {placing.by!r}")
    if not bodies:
        raise BadInput("there is no message to place a mark in")
    held = canaries.one(set_id)
    with home.writing() as ledger:
        history = checked(_history(ledger, canaries.campaign))
        index = drawn(history, held.set)
        if held.set.id in history.opened:
            raise Refused(
                f"set {held.set.id} was opened; what is placed now proves nothing",
                remedy="make a new campaign: troth canary new",
            )
        start = history.messages(held.set.id)
        marked = [
            f"{body.rstrip()} {held.set.sentence(index, start + number)}".lstrip()
            for number, body in enumerate(bodies)
        ]
        at = instant_or_now(placing.at)
        details: dict[str, Json] = {
            "action": "place",
            "campaign": canaries.campaign,
            "set": held.set.id,
            "by": placing.by,
            "where": placing.where,
            "at": format_instant(at),
            "messages": len(marked),
            "digest": _digest_of(marked),
        }
        return marked, _append(ledger, [details])[0]


def open_sets(home: Home, canaries: Canaries, set_ids: Iterable[str] = ()) -> list[Receipt]:
    """Publish the keys of sets, so that anybody can repeat a test: once, and for good.

    Raises:
        Refused: one was opened already, or is not what was committed to.
    """
    chosen = [canaries.one(name) for name in set_ids] or list(canaries.sets)
    with home.writing() as ledger:
        history = checked(_history(ledger, canaries.campaign))
        for held in chosen:
            check_set(promised(history, held.set.id), held.set)
            drawn(history, held.set)
            if held.set.id in history.opened:
                raise Refused(
                    f"set {held.set.id} was opened already (entry {history.opened[held.set.id].position})",
                    remedy="a set is opened once; repeat tests with the key that was published then",
                )
        return _append(
            ledger,
            [
                {
                    "action": "open",
                    "campaign": canaries.campaign,
                    "set": held.set.id,
                    "key": held.set.key.hex(),
                }
                for held in chosen
            ],
        )


# what the ledger says


def history_of(home: Home, campaign: str) -> History:
    """What the ledger says of a campaign."""
    with home.reading() as ledger:
        return _history(ledger, campaign)


def checked(history: History) -> History:
    """A history with nothing wrong in it.

    Raises:
        Refused: nothing was committed to, or something is wrong; then nothing may be concluded from the campaign.
    """
    if history.commitment is None:
        raise Refused(
            f"the ledger holds no commitment to campaign {history.campaign}",
            remedy="commit first: troth canary commit FILE",
        )
    if history.wrong:
        raise Refused(
            f"campaign {history.campaign} proves nothing: {'; '.join(history.wrong)}",
            remedy="make a new campaign: troth canary new",
        )
    return history


def drawn(history: History, one: CanarySet) -> int:
    """The index that was drawn for a set.

    Raises:
        Refused: there was no draw yet, or the set is another than the one committed to.
    """
    if history.beacon is None:
        raise Refused(
            "the campaign was not drawn yet", remedy="wait for the beacon, then: troth canary draw FILE"
        )
    return one.draw(promised(history, one.id).root, history.beacon)


def promised(history: History, set_id: str) -> Promised:
    """A set as it was committed to.

    Raises:
        Refused: it was not.
    """
    sets = history.commitment.sets if history.commitment else ()
    for one in sets:
        if one.id == set_id:
            return one
    raise Refused(f"set {set_id} was not committed to", remedy="use the file that was committed")


def _history(ledger: Ledger, campaign: str) -> History:
    return read_history(campaign, _logged(ledger))


def _logged(ledger: Ledger) -> Iterable[Logged]:
    for stored in ledger.entries():
        if stored.entry.type == "canary" and isinstance(stored.what, Act):
            # The public time: what others can check. It is rounded down, to the second.
            yield Logged(stored.position, parse_instant(stored.entry.time), stored.what.details)


def _append(ledger: Ledger, details: Sequence[dict[str, Json]]) -> list[Receipt]:
    return ledger.append([Act("canary", one) for one in details], expected=ledger.size)


# files


def read_beacon_file(path: Path) -> Beacon:
    """A beacon out of a JSON file: source, instant, value in hex.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        return read_beacon(_read_json(path, "a beacon"))
    except BadInput as error:
        raise BadInput(error.message, place=error.place or Place(str(path)), remedy=error.remedy) from None


def read_texts(path: Path) -> list[str]:
    """Messages of a file: JSON lines with ``body``, or plain lines of text.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}", place=Place(str(path))) from None
    if path.suffix != ".jsonl":
        return [line for line in lines if line.strip()]
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(str(json.loads(line)["body"]))
        except (ValueError, KeyError, TypeError):
            raise BadInput('expected a JSON object with "body"', place=Place(str(path), number)) from None
    return found


def write_private(path: Path, data: bytes) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read_json(path: Path, what: str) -> Any:  # noqa: ANN401 - JSON as it came
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", place=Place(str(path))) from None
    try:
        if len(data) > _MOST_BYTES:
            raise ValueError
        return json.loads(data)
    except (ValueError, RecursionError):
        raise BadInput(f"is no JSON; expected {what}", place=Place(str(path))) from None


def _holder_key(path: Path) -> bytes:
    try:
        if path.stat().st_mode & _OTHERS:
            raise BadInput("the key can be read by others", place=Place(str(path)), remedy="chmod 600 it")
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise BadInput("expected a key of 64 hex digits", place=Place(str(path)))
    return key


def _digest_of(messages: Sequence[str]) -> str:
    whole = hashlib.sha256()
    for message in messages:
        whole.update(hashlib.sha256(message.encode()).digest())
    return whole.hexdigest()
