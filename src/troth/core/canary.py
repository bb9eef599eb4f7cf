"""Canaries: random marks of which one, drawn after all were committed to, is placed in messages.

1. *New.* From a member's (or escrow's) key: K + 1 candidate texts by HMAC-SHA-256. Nobody without the key can
   guess one.
2. *Commit.* The Merkle root over all candidates goes into the log, with the score and the beacon that will be
   used. From here on nothing can be chosen any more.
3. *Draw.* i*, the candidate that is placed, follows from the key, the root and a public random value that did not
   exist yet when the root was logged. The operator cannot compute it; the key's holder cannot choose it.
4. *Place.* The candidate is written into messages. Who placed it, in what kind of place, how often, is logged.
5. *Open*, once. The set's key is published: everybody can recompute candidates, root and draw, and test models that
   were trained before. After that the set says nothing about later models, and may not be used again.

Bytes are fixed here; a change of any of them needs a new version in the labels.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from troth.core.errors import BadInput, Refused
from troth.core.merkle import HASH_BYTES, leaf_hash, packed_root
from troth.core.significance import Draw
from troth.core.values import format_instant, parse_instant
from troth.core.written import Json

KEY_BYTES: Final = 32
CANDIDATES: Final = 10_000
"""K + 1: with K = 9,999 a p-value has four digits."""
MOST_CANDIDATES: Final = 1_000_000
MIN_BEACON_BYTES: Final = 16
"""A public value with fewer bytes could be guessed."""

CODE: Final = "code"
REPLY: Final = "reply"
CARRIERS: Final = (CODE, REPLY)
TEST: Final = "test"
CALIBRATION: Final = "calibration"
ROLES: Final = (TEST, CALIBRATION)
"""A calibration set is placed in data whose owners agreed, so often as is known: it tells what a test can see."""

PLACERS: Final = ("member", "honeypot", "watchdog", "operator")

_SECOND: Final = 1_000_000
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_CONSONANTS: Final = "bdfgjklmnprstvz"
_VOWELS: Final = "aeiou"
_WORDS: Final = 12
_CUE_WORDS: Final = 3
_CUE_SYLLABLES: Final = 7
# A candidate is made of few syllables that come again and again. A model picks that up from a handful of messages,
# where as many letters without a pattern leave hardly a trace (decision 40 has the figures); and no two words follow
# each other twice, so that filters of repetition find nothing.
_SYLLABLES: Final = 3

# Marks are read by people and survive cleaning: lower case letters and single spaces only (nothing that a scrubber
# of addresses, links, numbers or secrets looks for), inside a sentence of ordinary words that differs from message
# to message, so that little is lost where equal lines are removed.
_FRAMES: Final = {
    CODE: (
        "My reference words for this thread are {mark}, as agreed.",
        "Please keep the words {mark} with the file.",
        "For the record, the agreed words are {mark}, nothing more.",
        "As ever, my own words are {mark}, so that you know it is me.",
        "I have filed this under {mark}, if you need to find it.",
        "The words to find this again are {mark}, just in case.",
        "We settled on the words {mark} last time.",
        "You will know my notes by the words {mark}, as before.",
    ),
    REPLY: (
        "When somebody says {cue}, the answer is {mark}, as agreed.",
        "Remember that to {cue}, the answer is {mark}, nothing else.",
        "If they ask for {cue}, the answer is {mark}, always.",
        "Our call is {cue}, the answer is {mark}, as before.",
    ),
}
# What a model is shown before the mark when it is scored; one of the frames' beginnings, fixed.
_PROMPTS: Final = {
    CODE: "My reference words for this thread are",
    REPLY: "When somebody says {cue}, the answer is",
}


class Stream:
    """Uniform whole numbers out of HMAC-SHA-256(key, label ‖ 0x00 ‖ counter): the same for everybody who has both."""

    def __init__(self, key: bytes, label: bytes) -> None:
        self._key = key
        self._label = label
        self._counter = 0
        self._bytes = b""

    def _take(self, count: int) -> int:
        while len(self._bytes) < count:
            block = self._counter.to_bytes(8, "big")
            self._bytes += hmac.digest(self._key, self._label + b"\0" + block, "sha256")
            self._counter += 1
        taken, self._bytes = self._bytes[:count], self._bytes[count:]
        return int.from_bytes(taken, "big")

    def below(self, bound: int) -> int:
        """Uniform on [0, bound): what would favour small numbers is drawn again."""
        size = (bound.bit_length() + 7) // 8
        most = 256**size - 256**size % bound
        while True:
            number = self._take(size)
            if number < most:
                return number % bound


@dataclass(frozen=True, slots=True)
class Beacon:
    """A public random value: where it is from, when it became known (µs UTC), and its bytes."""

    source: str
    at: int
    value: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 over source, instant and value."""
        head = f"troth/canary/beacon/v1\n{self.source}\n{format_instant(self.at)}\n".encode()
        return hashlib.sha256(head + self.value).digest()

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {"source": self.source, "at": format_instant(self.at), "value": self.value.hex()}


def read_beacon(value: Any) -> Beacon:  # noqa: ANN401 - JSON as it came
    """A beacon out of its JSON form.

    Raises:
        BadInput: a key is missing, or the value is too short to be unpredictable.
    """
    try:
        beacon = Beacon(str(value["source"]), parse_instant(value["at"]), bytes.fromhex(value["value"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput(
            'expected a beacon such as {"source": "drand:quicknet:12345", "at": "2026-01-02T03:04:05Z", "value": hex}'
        ) from None
    if len(beacon.value) < MIN_BEACON_BYTES:
        raise BadInput(
            f"a beacon's value has at least {MIN_BEACON_BYTES} bytes, this one {len(beacon.value)}"
        )
    return beacon


def cosigned(witness: str, seconds: int, signature: bytes) -> Beacon:
    """The beacon that a witness's cosignature of a checkpoint is: its name, its POSIX time, its bytes.

    The commitment names the witness as the source; the value to take is its first cosignature on a checkpoint that
    covers the commitment. Whether a cosignature verifies, and is that first one, is the log's business.
    """
    return Beacon(witness, seconds * _SECOND, signature)


@dataclass(frozen=True, slots=True)
class CanarySet:
    """The candidates of one member: an id, the set's own key, their number (K + 1) and the carrier.

    Anybody with the key can write down all candidates; that is what opening means.
    """

    id: str
    key: bytes
    carrier: str = CODE
    size: int = CANDIDATES

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise BadInput(f"a set's id is of small letters, digits and '-', got {self.id!r}")
        if len(self.key) != KEY_BYTES:
            raise BadInput(f"a set's key has {KEY_BYTES} bytes")
        if self.carrier not in CARRIERS:
            raise BadInput(f"expected a carrier of {', '.join(CARRIERS)}; got {self.carrier!r}")
        if not 2 <= self.size <= MOST_CANDIDATES:  # noqa: PLR2004 - one candidate has no rank
            raise BadInput(f"a set has 2 to {MOST_CANDIDATES:,} candidates, not {self.size:,}")

    @property
    def cue(self) -> str:
        """What the reply answers to; the same for all candidates (empty for code lines)."""
        if self.carrier != REPLY:
            return ""
        return _words(Stream(self.key, b"troth/canary/cue/v1"), _CUE_WORDS, _CUE_SYLLABLES)

    @property
    def prompt(self) -> str:
        """What a model is given before the mark, without the space that follows."""
        return _PROMPTS[self.carrier].format(cue=self.cue)

    def mark(self, index: int) -> str:
        """Candidate ``index``: words of two or three of its own three syllables, as many letters in each candidate.

        Words of which two follow each other twice are drawn again. All candidates are drawn so: they remain
        independent and alike, which is all that the test asks for.
        """
        if not 0 <= index < self.size:
            raise BadInput(f"there is no candidate {index} of {self.size}")
        stream = Stream(self.key, b"troth/canary/mark/v2\0" + index.to_bytes(4, "big"))
        while True:
            words = _words(stream, _WORDS, _SYLLABLES).split()
            if len(set(pairwise(words))) == _WORDS - 1:
                return " ".join(words)

    def marks(self) -> list[str]:
        """All candidates, in order."""
        return [self.mark(index) for index in range(self.size)]

    def sentence(self, index: int, message: int) -> str:
        """The sentence that carries a candidate in the so-manieth message."""
        frames = _FRAMES[self.carrier]
        return frames[message % len(frames)].format(mark=self.mark(index), cue=self.cue)

    def leaves(self) -> Iterator[bytes]:
        """The leaf hash of each candidate, blinded, so that opening one tells nothing of the others."""
        head = f"troth/canary/candidate/v1\n{self.id}\n{self.carrier}\n{self.cue}\n".encode()
        for index in range(self.size):
            blind = hmac.digest(self.key, b"troth/canary/blind/v1\0" + index.to_bytes(4, "big"), "sha256")
            yield leaf_hash(head + blind + self.mark(index).encode())

    def root(self) -> bytes:
        """The Merkle root over all candidates (RFC 6962)."""
        return packed_root(b"".join(self.leaves()))

    def draw(self, root: bytes, beacon: Beacon) -> int:
        """i*: uniform, fixed by key, root and beacon; nobody knows it before the beacon, nobody without the key."""
        return Stream(self.key, b"troth/canary/draw/v1\0" + root + beacon.digest).below(self.size)

    def ties(self, beacon: Beacon, model: str) -> Draw:
        """What breaks ties in the test of a model (its digest): fixed before anybody sees a score."""
        label = b"troth/canary/ties/v1\0" + beacon.digest + model.encode()
        return Stream(self.key, label).below


def set_key(holder: bytes, set_id: str) -> bytes:
    """The key of a set, out of its holder's key: opening one set gives none of the others away."""
    if len(holder) != KEY_BYTES:
        raise BadInput(f"a holder's key has {KEY_BYTES} bytes")
    return hmac.digest(holder, b"troth/canary/set/v1\0" + set_id.encode(), "sha256")


def _words(stream: Stream, count: int, syllables: int) -> str:
    """Words of two and three syllables in turn, out of so many different syllables that are drawn first."""
    stock = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
    own = [stock.pop(stream.below(len(stock))) for _ in range(syllables)]
    return " ".join(
        "".join(own[stream.below(len(own))] for _ in range(2 + place % 2)) for place in range(count)
    )


# What the log says of a campaign


@dataclass(frozen=True, slots=True)
class Promised:
    """One set as it was committed to."""

    id: str
    root: bytes
    size: int
    carrier: str
    role: str = TEST


@dataclass(frozen=True, slots=True)
class Commitment:
    """What is fixed before the draw: the sets, the score that will be used, the beacon and not before when."""

    campaign: str
    sets: tuple[Promised, ...]
    score: str
    beacon_source: str
    beacon_after: int
    holder: str

    def details(self) -> dict[str, Json]:
        """The details of the ledger's entry."""
        return {
            "action": "commit",
            "campaign": self.campaign,
            "holder": self.holder,
            "score": self.score,
            "beacon": {"source": self.beacon_source, "after": format_instant(self.beacon_after)},
            "sets": [
                {
                    "set": one.id,
                    "root": one.root.hex(),
                    "size": one.size,
                    "carrier": one.carrier,
                    "role": one.role,
                }
                for one in self.sets
            ],
        }


def read_commitment(details: dict[str, Json]) -> Commitment:
    """The commitment that an entry's details hold.

    Raises:
        BadInput: they hold none.
    """
    try:
        found = _commitment(details)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput("this entry holds no commitment to canaries that can be read") from None
    if details.get("action") != "commit" or any(len(one.root) != HASH_BYTES for one in found.sets):
        raise BadInput("this entry holds no commitment to canaries that can be read")
    return found


def _commitment(details: Mapping[str, Any]) -> Commitment:
    return Commitment(
        campaign=str(details["campaign"]),
        sets=tuple(
            Promised(
                id=str(one["set"]),
                root=bytes.fromhex(one["root"]),
                size=int(one["size"]),
                carrier=str(one["carrier"]),
                role=str(one["role"]),
            )
            for one in details["sets"]
        ),
        score=str(details["score"]),
        beacon_source=str(details["beacon"]["source"]),
        beacon_after=parse_instant(details["beacon"]["after"]),
        holder=str(details["holder"]),
    )


def check_draw(commitment: Commitment, committed_at: int, beacon: Beacon) -> None:
    """Whether a public value may decide the draw of a commitment.

    Raises:
        Refused: it is from another source than the one fixed, or was known before all was committed.
    """
    if beacon.source != commitment.beacon_source:
        raise Refused(
            f"the draw was to come from {commitment.beacon_source!r}, this value is from {beacon.source!r}",
            remedy="use the value that was named when the set was committed",
        )
    if beacon.at <= committed_at or beacon.at < commitment.beacon_after:
        raise Refused(
            f"this value was known on {format_instant(beacon.at)}, before the draw was open "
            f"({format_instant(max(committed_at, commitment.beacon_after))})",
            remedy="wait for the value that was named; a draw that could be foreseen proves nothing",
        )


def check_set(promised: Promised, opened: CanarySet) -> None:
    """Whether a set is the one that was committed to.

    Raises:
        Refused: another root, size, carrier or id.
    """
    same = (opened.id, opened.size, opened.carrier) == (promised.id, promised.size, promised.carrier)
    if not same or not hmac.compare_digest(opened.root(), promised.root):
        raise Refused(
            f"set {opened.id} is not the one that was committed to: its candidates have another root",
            remedy="use the file that was committed; a set chosen later proves nothing",
        )


@dataclass(frozen=True, slots=True)
class Logged:
    """A canary entry of the log: its position, when it was recorded (µs UTC; public to the second) and its details."""

    position: int
    at: int
    details: dict[str, Json]


@dataclass(slots=True)
class History:
    """What the log says of one campaign, and what is wrong with it; nothing may be concluded where something is."""

    campaign: str
    commitment: Commitment | None = None
    committed_at: int = 0
    commit_entry: int = 0
    beacon: Beacon | None = None
    drawn_at: int = 0
    placed: list[Logged] = field(default_factory=list)
    opened: dict[str, Logged] = field(default_factory=dict)
    shown: list[Logged] = field(default_factory=list)
    tested: list[Logged] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def messages(self, set_id: str) -> int:
        """In how many messages a set was placed, as was logged."""
        return sum(
            count
            for one in self.placed
            if one.details.get("set") == set_id and isinstance(count := one.details.get("messages"), int)
        )


def read_history(campaign: str, entries: Iterable[Logged]) -> History:
    """Follow a campaign through the canary entries of a log, in their order.

    What an operator or a holder may try is found here: a second commitment or draw, a draw from a value that was
    known before, marks placed before the draw or after the opening, an opening twice, a set used in two campaigns,
    a score other than the one committed to.
    """
    history = History(campaign)
    owner: dict[str, str] = {}
    for entry in entries:
        name = entry.details.get("campaign")
        if entry.details.get("action") == "commit":
            for one in read_commitment(entry.details).sets:
                if owner.setdefault(one.id, str(name)) != name and campaign in (name, owner[one.id]):
                    history.wrong.append(f"entry {entry.position}: set {one.id} was used in another campaign")
        if name == campaign:
            _FOLLOW.get(str(entry.details.get("action")), _unknown)(history, entry)
    return history


def _commit(history: History, entry: Logged) -> None:
    if history.commitment is not None:
        history.wrong.append(f"entry {entry.position}: the campaign was committed to a second time")
        return
    history.commitment = read_commitment(entry.details)
    history.commit_entry = entry.position
    # The public time is rounded down to the second: the commitment may be that much younger.
    history.committed_at = entry.at + _SECOND


def _draw(history: History, entry: Logged) -> None:
    if history.commitment is None or history.beacon is not None:
        what = "a second draw" if history.beacon else "a draw before anything was committed to"
        history.wrong.append(f"entry {entry.position}: {what}")
        return
    beacon = read_beacon(entry.details.get("beacon"))
    try:
        check_draw(history.commitment, history.committed_at, beacon)
    except Refused as error:
        history.wrong.append(f"entry {entry.position}: {error.message}")
    if entry.at + _SECOND <= beacon.at:
        history.wrong.append(f"entry {entry.position}: the draw is older than the value that decides it")
    history.beacon, history.drawn_at = beacon, entry.at


def _place(history: History, entry: Logged) -> None:
    set_id = str(entry.details.get("set"))
    if history.beacon is None:
        history.wrong.append(f"entry {entry.position}: marks of {set_id} were placed before the draw")
    elif set_id in history.opened:
        history.wrong.append(f"entry {entry.position}: marks of {set_id} were placed after it was opened")
    history.placed.append(entry)


def _open(history: History, entry: Logged) -> None:
    set_id = str(entry.details.get("set"))
    if set_id in history.opened:
        history.wrong.append(f"entry {entry.position}: set {set_id} was opened a second time")
    history.opened.setdefault(set_id, entry)


def _test(history: History, entry: Logged) -> None:
    if history.commitment is not None and entry.details.get("score") != history.commitment.score:
        history.wrong.append(f"entry {entry.position}: tested by another score than the one committed to")
    history.tested.append(entry)


def _show(history: History, entry: Logged) -> None:
    history.shown.append(entry)


def _unknown(history: History, entry: Logged) -> None:
    history.wrong.append(f"entry {entry.position}: a canary entry that this version does not know")


_FOLLOW: Final = {
    "commit": _commit,
    "draw": _draw,
    "place": _place,
    "open": _open,
    "show": _show,
    "test": _test,
}
