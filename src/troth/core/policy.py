"""Whom to trust: trust policies after C2SP tlog-policy, and whether a checkpoint satisfies one.

A policy names logs, witnesses, groups of witnesses, and the quorum: a checkpoint holds if one of the logs has
signed it and the quorum has cosigned it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from troth.core.checkpoint import Checkpoint, parse_checkpoint
from troth.core.errors import BadInput, Place, Refused
from troth.core.note import COSIGNATURE, ED25519, Note, Verified, VerifierKey, parse_vkey, verify

NONE: Final = "none"
MAX_POLICY_BYTES: Final = 256 * 1024
_LINE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_NUMBER: Final = re.compile("[1-9][0-9]{0,8}", re.ASCII)
_REMEDY: Final = "see https://c2sp.org/tlog-policy"


@dataclass(frozen=True, slots=True)
class Party:
    """A log or a witness: its key, and where it is reached, if the policy says so."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Members (witnesses or groups) of which so many must have cosigned."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A trust policy; ``quorum`` is the name of a witness or group, or ``none``."""

    logs: tuple[Party, ...]
    witnesses: dict[str, Party]
    groups: dict[str, Group]
    quorum: str

    def satisfied(self, cosigned: set[str]) -> bool:
        """Whether these witnesses (by their names in the policy) are a quorum."""
        if self.quorum == NONE:
            return True
        held = set(cosigned)
        # A group is defined after its members, so one pass in order settles all.
        for name, group in self.groups.items():
            if sum(member in held for member in group.members) >= group.threshold:
                held.add(name)
        return self.quorum in held

    def write(self) -> str:
        """The policy as a file."""
        lines = [_words("log", str(log.key), log.url) for log in self.logs]
        lines += [_words("witness", name, str(one.key), one.url) for name, one in self.witnesses.items()]
        lines += [
            _words("group", name, str(one.threshold), *one.members) for name, one in self.groups.items()
        ]
        return "\n".join([*lines, f"quorum {self.quorum}", ""])


@dataclass(frozen=True, slots=True)
class Accepted:
    """A checkpoint that satisfies a policy.

    ``cosigned`` maps the names of witnesses to the times of their cosignatures (seconds of POSIX time);
    ``unknown`` counts signatures of keys that the policy does not know.
    """

    checkpoint: Checkpoint
    log: VerifierKey
    cosigned: dict[str, int]
    unknown: int


def check_note(note: Note, policy: Policy) -> Accepted:
    """Check a signed checkpoint against a policy.

    Raises:
        BadInput: the note is no checkpoint.
        Refused: no log of the policy has signed it, a signature does not hold, or the quorum is missing.
    """
    checkpoint = parse_checkpoint(note.text)
    logs = [log.key for log in policy.logs if log.key.name == checkpoint.origin]
    if not logs:
        raise Refused(f"the policy knows no log {checkpoint.origin!r}")
    signed = verify(note.text, note.signatures, logs)
    if not signed:
        raise Refused("no key of the log that the policy knows has signed this checkpoint")
    cosigned = cosignatures(note, policy)
    if not policy.satisfied(set(cosigned)):
        raise Refused(
            f"too few witnesses have cosigned this checkpoint: {', '.join(sorted(cosigned)) or 'none'};"
            f" the policy asks for {policy.quorum}"
        )
    times = {name: one.time for name, one in cosigned.items() if one.time is not None}
    unknown = len(note.signatures) - len(signed) - len(cosigned)
    return Accepted(checkpoint, signed[0].key, times, unknown)


def cosignatures(note: Note, policy: Policy) -> dict[str, Verified]:
    """The cosignatures of the policy's witnesses on a note, by the witnesses' names.

    Raises:
        Refused: one of them does not hold.
    """
    names = {one.key: name for name, one in policy.witnesses.items()}
    found = verify(note.text, note.signatures, list(names))
    return {names[one.key]: one for one in found}


@dataclass(slots=True)
class _Reading:
    """What was read so far of a policy."""

    logs: list[Party] = field(default_factory=list)
    witnesses: dict[str, Party] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str | None = None
    members: set[str] = field(default_factory=set)

    def line(self, words: Sequence[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                key = _key(vkey, ED25519, [one.key for one in self.logs])
                self.logs.append(Party(key, *url))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._define(name)
                key = _key(vkey, COSIGNATURE, [one.key for one in self.witnesses.values()])
                self.witnesses[name] = Party(key, *url)
            case ["group", name, threshold, first, *others]:
                self._define(name)
                self._group(name, threshold, (first, *others))
            case ["quorum", name]:
                if self.quorum is not None:
                    raise BadInput("a policy has one quorum line")
                if name != NONE:
                    self._need(name)
                self.quorum = name
            case _:
                raise BadInput("expected a log, witness, group or quorum line")

    def _group(self, name: str, threshold: str, members: tuple[str, ...]) -> None:
        for member in members:
            self._need(member)
            if member in self.members:
                raise BadInput(f"{member!r} is a member of a group already; it can be one only once")
            self.members.add(member)
        least = {"any": 1, "all": len(members)}.get(threshold)
        if least is None:
            least = int(threshold) if _NUMBER.fullmatch(threshold) else 0
        if not 1 <= least <= len(members):
            raise BadInput(f"expected `any`, `all` or a number from 1 to {len(members)}")
        self.groups[name] = Group(least, members)

    def _define(self, name: str) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise BadInput(f"the name {name!r} is taken")

    def _need(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise BadInput(f"no witness or group {name!r} is defined above")


def parse_policy(data: bytes, source: str = "policy") -> Policy:
    """Read a policy file.

    Raises:
        BadInput: with the line that is wrong.
    """
    if len(data) > MAX_POLICY_BYTES:
        raise BadInput(f"a policy of more than {MAX_POLICY_BYTES} bytes is not read", place=Place(source))
    *lines, rest = data.split(b"\n")
    if rest:
        raise BadInput("the last line has no end", place=Place(source, len(lines) + 1), remedy=_REMEDY)
    reading = _Reading()
    for number, line in enumerate(lines, start=1):
        words = re.split("[ \t]+", line.decode("utf-8", "surrogateescape").strip(" \t"))
        try:
            if _LINE.fullmatch(line) is None:
                raise BadInput("a control character")
            if words != [""] and not words[0].startswith("#"):
                reading.line(words)
        except BadInput as error:
            remedy = error.remedy or _REMEDY
            raise BadInput(error.message, place=Place(source, number), remedy=remedy) from None
    if reading.quorum is None:
        raise BadInput("a policy has a quorum line", place=Place(source), remedy=_REMEDY)
    return Policy(tuple(reading.logs), reading.witnesses, reading.groups, reading.quorum)


def _key(text: str, kind: int, others: Sequence[VerifierKey]) -> VerifierKey:
    key = parse_vkey(text)
    if key.kind != kind:
        raise BadInput("this is the key of a log, not of a witness, or the other way round")
    if any(other.public == key.public for other in others):
        raise BadInput("this key stands in the policy already")
    return key


def _words(*words: str | None) -> str:
    return " ".join(word for word in words if word is not None)
