"""Legal holds by matter: what is held is never destroyed. It leaves use at once, and is sealed to an escrow key.

Sealing is HPKE (RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305). The home has the public key alone, so that what is
sealed cannot be used here; whoever holds the private key can open it for the court. When no open matter covers a
sealed thing any more, it is destroyed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from troth.app import holdings
from troth.app.directories import limits_of
from troth.app.home import Home
from troth.core.entries import Act
from troth.core.errors import BadInput, Place
from troth.core.values import canonical, format_instant, parse_instant
from troth.core.written import Json
from troth.ledger.shelf import replace
from troth.ledger.store import Ledger, clock
from troth.release import holdings as kept

SUITE: Final = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
MAGIC: Final = b"troth/sealed/v1\n"
_MATTER: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Matter:
    """A matter: what it holds, from when to when things were made (None: always), and the escrow key (raw, hex).

    Names of members stand in a private file, of which the ledger has the digest: the ledger only grows.
    """

    name: str
    escrow: str
    subjects: tuple[str, ...]
    releases: tuple[str, ...]
    models: tuple[str, ...]
    start: int | None
    end: int | None
    opened_at: int
    entry: int
    closed_at: int | None = None

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values, without names of members."""
        return {
            "matter": self.name,
            "subjects": len(self.subjects),
            "releases": list(self.releases),
            "models": list(self.models),
            "from": None if self.start is None else format_instant(self.start),
            "to": None if self.end is None else format_instant(self.end),
            "escrow": self.escrow,
            "opened_at": format_instant(self.opened_at),
            "closed_at": None if self.closed_at is None else format_instant(self.closed_at),
            "entry": self.entry,
        }

    def covers_instant(self, instant: int) -> bool:
        """Whether something of that instant falls into the period."""
        return (self.start is None or self.start <= instant) and (self.end is None or instant <= self.end)


def folder(home: Home) -> Path:
    """Where matters and sealed things are kept."""
    return home.path / "holds"


def _sealed(home: Home) -> Path:
    return folder(home) / "sealed"


def all_matters(home: Home) -> list[Matter]:
    """All matters, in ledger order, closed ones too."""
    with home.reading() as ledger:
        acts = ledger.acts("hold")
    found: dict[str, Matter] = {}
    for position, act in acts:
        details, name = act.details, str(act.details["matter"])
        at = parse_instant(str(details["at"]))
        if details["step"] == "opened":
            found[name] = _opened(home, position, details, at)
        elif details["step"] == "closed":
            one = found[name]
            found[name] = Matter(
                one.name, one.escrow, one.subjects, one.releases, one.models, one.start, one.end, one.opened_at,
                one.entry, at,
            )  # fmt: skip
    return list(found.values())


def _opened(home: Home, position: int, details: dict[str, Json], at: int) -> Matter:
    name, start, end = str(details["matter"]), details["from"], details["to"]
    subjects: tuple[str, ...] = ()
    if details["subjects"] is not None:
        path = folder(home) / f"{name}.json"
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != details["subjects"]:
            raise BadInput(
                "the list of members of this matter is not the one that was recorded",
                place=Place(str(path)),
                remedy="restore it from a backup: without it nobody knows what is held",
            )
        subjects = tuple(json.loads(data)["subjects"])
    listed = [details["releases"], details["models"]]
    releases, models = (tuple(str(one) for one in each) if isinstance(each, list) else () for each in listed)
    return Matter(
        name,
        str(details["escrow"]),
        subjects,
        releases,
        models,
        None if start is None else parse_instant(str(start)),
        None if end is None else parse_instant(str(end)),
        at,
        position,
    )


class Holds:
    """What is held now, by the open matters."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.open = [one for one in all_matters(home) if one.closed_at is None]

    def by_subject(self, subject: str) -> Matter | None:
        """The matter that holds what a member has here."""
        return next((one for one in self.open if subject in one.subjects), None)

    def by_model(self, model: str, created_at: int | None = None) -> Matter | None:
        """The matter that holds a model: named, trained from a release it names, or, if it names members, any.

        A member's rows may long be out of a model's files when an old checkpoint of it is to be destroyed, so a matter
        that names members and no models holds all of them: rather too much than too little.
        """
        for one in self.open:
            if created_at is not None and not one.covers_instant(created_at):
                continue
            if model in one.models or (one.subjects and not one.models):
                return one
            if one.releases and self._releases_of(model) & set(one.releases):
                return one
        return None

    def _releases_of(self, model: str) -> set[str]:
        from troth.learning.registry import ModelFolder

        return {one.release for one in ModelFolder(self._home.path / "models" / model).facts.releases}

    def held_ids(self, release: str, ids: set[str]) -> set[str]:
        """Those of some record ids of a release that may not be destroyed."""
        if not ids or not self.open:
            return set()
        if any(release in one.releases for one in self.open):
            return set(ids)
        subjects = sorted({subject for one in self.open for subject in one.subjects})
        rows = holdings.path_of(self._home, release)
        if not subjects or rows is None:
            return set()
        return ids & kept.ids_of_parties(rows, subjects, limits_of(self._home))


# opening and closing


def open_matter(  # noqa: PLR0913 - the options of one command, all by keyword
    home: Home,
    name: str,
    escrow: Path,
    *,
    subjects: Iterable[str] = (),
    releases: Iterable[str] = (),
    models: Iterable[str] = (),
    start: int | None = None,
    end: int | None = None,
) -> Matter:
    """Open a hold. May be repeated with the same words.

    Raises:
        BadInput: it holds nothing, the name is taken for something else, or the key is none.
    """
    if not _MATTER.fullmatch(name):
        raise BadInput(f"expected a name of letters, digits, dots, dashes and underscores, got {name!r}")
    named = tuple(sorted(set(subjects))), tuple(sorted(set(releases))), tuple(sorted(set(models)))
    if not any(named):
        raise BadInput("nothing is held", remedy="name a --subject, --release or --model")
    public = load_escrow(escrow).public_bytes_raw().hex()
    for one in all_matters(home):
        if one.name == name:
            same = (one.subjects, one.releases, one.models, one.start, one.end, one.escrow)
            if same == (*named, start, end, public) and one.closed_at is None:
                return one
            raise BadInput(f"there is a matter {name!r} already", remedy="choose another name")
    folder(home).mkdir(mode=0o700, exist_ok=True)
    digest = None
    if named[0]:
        data = canonical({"subjects": list(named[0]), "salt": secrets.token_hex(16)}) + b"\n"
        replace(folder(home) / f"{name}.json", data, 0o600)
        digest = hashlib.sha256(data).hexdigest()
    now = clock()
    details: dict[str, Json] = {
        "step": "opened",
        "matter": name,
        "escrow": public,
        "subjects": digest,
        "releases": list(named[1]),
        "models": list(named[2]),
        "from": None if start is None else format_instant(start),
        "to": None if end is None else format_instant(end),
        "at": format_instant(now),
    }
    entry = home.append([Act("hold", details)])[0].position
    return Matter(name, public, *named, start, end, now, entry)


def close_matter(home: Home, name: str) -> tuple[Matter, int]:
    """Close a hold, and destroy what no other matter holds. May be repeated. Returns how many things were destroyed.

    Raises:
        BadInput: there is no such matter.
    """
    one = next((each for each in all_matters(home) if each.name == name), None)
    if one is None:
        raise BadInput(f"there is no matter {name!r}", remedy="list them with `troth hold list`")
    if one.closed_at is None:
        home.append([Act("hold", {"step": "closed", "matter": name, "at": format_instant(clock())})])
    return next(each for each in all_matters(home) if each.name == name), sweep(home)


def sweep(home: Home) -> int:
    """Destroy sealed things that no open matter holds any more; what waited for the end of a hold follows."""
    held, gone = Holds(home), []
    for path, about in sealed_things(home):
        subject, model = about.get("subject"), about.get("model")
        matter = held.by_subject(subject) if subject else held.by_model(model or "")
        if matter is None:
            path.unlink()
            gone.append(about)
    if gone:
        _sync(_sealed(home))
        counts: dict[str, Json] = {}
        for about in gone:
            counts[about["kind"]] = int(str(counts.get(about["kind"], 0))) + 1
        names: list[Json] = [*sorted({str(about["matter"]) for about in gone})]
        home.append(
            [
                Act(
                    "hold",
                    {
                        "step": "destroyed",
                        "matter": ", ".join(map(str, names)),
                        "things": counts,
                        "at": format_instant(clock()),
                    },
                )
            ]
        )
    return len(gone)


# sealing


def seal(home: Home, matter: Matter, about: dict[str, str | int], data: bytes) -> Path:
    """Seal bytes to a matter's escrow key; durable when it returns. The same thing again replaces itself."""
    head = canonical({**about, "matter": matter.name, "escrow": matter.escrow}) + b"\n"
    key = X25519PublicKey.from_public_bytes(bytes.fromhex(matter.escrow))
    folder(home).mkdir(mode=0o700, exist_ok=True)
    _sealed(home).mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(head + hashlib.sha256(data).digest()).hexdigest()[:32]
    path = _sealed(home) / f"{name}.sealed"
    replace(path, MAGIC + head + SUITE.encrypt(data, key, info=MAGIC + head), 0o600)
    return path


def sealed_things(home: Home) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Sealed files and what they say of themselves."""
    for path in sorted(_sealed(home).glob("*.sealed")):
        with path.open("rb") as file:
            if file.readline() == MAGIC:
                yield path, json.loads(file.readline())


def unseal(path: Path, key: Path) -> bytes:
    """Open a sealed file with the escrow's private key.

    Raises:
        BadInput: it is no sealed file, was altered, or was sealed to another key.
    """
    data = path.read_bytes()
    head, newline, rest = data[len(MAGIC) :].partition(b"\n")
    if not data.startswith(MAGIC) or not newline:
        raise BadInput("is no sealed file", place=Place(str(path)))
    try:
        private = load_pem_private_key(key.read_bytes(), password=None)
    except (ValueError, TypeError, OSError, UnsupportedAlgorithm):
        raise BadInput("is no private key", place=Place(str(key))) from None
    if not isinstance(private, X25519PrivateKey):
        raise BadInput("is no X25519 key", place=Place(str(key)))
    try:
        return SUITE.decrypt(rest, private, info=MAGIC + head + newline)
    except (InvalidTag, ValueError):
        raise BadInput("was altered, or was sealed to another key", place=Place(str(path))) from None


def load_escrow(path: Path) -> X25519PublicKey:
    """The escrow's public key. Raises BadInput."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm, OSError):
        raise BadInput(
            "is no public key", place=Place(str(path)), remedy="make a pair with `troth hold key`"
        ) from None
    if not isinstance(key, X25519PublicKey):
        raise BadInput("is no X25519 key", place=Place(str(path)), remedy="make a pair with `troth hold key`")
    return key


def new_escrow(private: Path) -> Path:
    """Make the escrow's key pair: ``private`` with mode 0600, and beside it ``.pub``. Returns the public file."""
    key = X25519PrivateKey.generate()
    public = private.with_suffix(".pub")
    for path in (private, public):
        if os.path.lexists(path):
            raise BadInput("is there already", place=Place(str(path)), remedy="name a new file")
    replace(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    replace(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public


# what the rest of Troth asks before it destroys


def seal_erased(
    home: Home, ledger: Ledger, subject: str, positions: Sequence[int], erasure: int
) -> Matter | None:
    """Before entries and the account of a member are erased: seal them, if a matter holds them. Returns the matter.

    An entry says that an erasure came under a hold, and names its position.
    """
    from troth.app.directories import accounts_of

    matter = Holds(home).by_subject(subject)
    if matter is None:
        return None
    for position in positions:
        opening = ledger.opening(position)
        if opening is not None:
            seal(home, matter, {"kind": "entry", "subject": subject, "position": position}, b"".join(opening))
    account = accounts_of(home).find(subject) if home.accounts_path.exists() else None
    if account is not None:
        one = account.credential
        seal(home, matter, {"kind": "account", "subject": subject}, one.account + one.secret)
    details: dict[str, Json] = {
        "step": "sealed",
        "matter": matter.name,
        "erasure": erasure,
        "entries": len(positions),
        "at": format_instant(clock()),
    }
    ledger.append([Act("hold", details)])
    return matter


def model_holds(home: Home) -> Callable[[str], str | None]:
    """For ``ModelFolder``: the name of the matter that holds a model's data, or None."""

    def holds(model: str) -> str | None:
        matter = Holds(home).by_model(model)
        return None if matter is None else matter.name

    return holds


def model_seals(home: Home) -> Callable[[str, Path], None]:
    """For ``ModelFolder``: seal a file or folder that a matter holds, and take away what can be read."""

    def seals(model: str, path: Path) -> None:
        matter = Holds(home).by_model(model)
        if matter is None:
            return
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        for one in files:
            about: dict[str, str | int] = {
                "kind": "model",
                "model": model,
                "file": str(one.relative_to(path.parent)),
            }
            seal(home, matter, about, one.read_bytes())
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        _sync(path.parent)

    return seals


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
