"""Events of Matrix rooms as records: messages, edits as new versions, redactions as deletions.

Parties are the members of the room at the time of writing, followed event by event. Used for exports and for
the application service alike. Source: Matrix specification 1.11, client-server API, "Room events",
"Event replacements", "Redactions".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from troth.intake.rows import (
    MAX_NAME,
    Gone,
    Item,
    LeftOut,
    Rejected,
    Row,
    Where,
    clean,
    plausible,
    version_id,
)

Event: TypeAlias = Mapping[str, Any]

_HIDDEN: Final = ""
_TEXT: Final = ("m.text", "m.emote")
_FILES: Final = ("m.image", "m.file", "m.audio", "m.video")
_PAIR: Final = 2
_LATEST: Final = 253_402_300_799_999
_QUOTED: Final = re.compile(r"(?:> ?[^\n]*\n)+\n?")


@dataclass(slots=True)
class Message:
    """What is remembered of a message, for what may still come to it: when it was written, and to whom."""

    created_at: int | None
    addressees: tuple[str, ...]
    author: str
    worded_at: int = -1


@dataclass(slots=True)
class Room:
    """A room as its events so far tell it. ``whole`` says that they were seen from its creation on."""

    id: str
    members: dict[str, None] = field(default_factory=dict)
    public: bool = False
    whole: bool = False
    messages: dict[str, Message] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def items(self, event: object, where: Where, now: int) -> Iterator[Item]:
        """What one event brings; events come in the order in which the room has them."""
        if not isinstance(event, Mapping):
            yield Rejected(where, "expected a JSON object")
            return
        own, kind, sender = _text(event.get("event_id")), _text(event.get("type")), _text(event.get("sender"))
        if not own or not kind or not sender:
            yield Rejected(where, "an event has event_id, type and sender")
            return
        instant = _instant(event.get("origin_server_ts"))
        if instant is None:
            yield Rejected(where, "origin_server_ts: expected milliseconds since 1970")
            return
        content = event.get("content")
        content = content if isinstance(content, Mapping) else {}
        if kind == "m.room.redaction":
            yield from self.redaction(event, content, instant)
            yield LeftOut(where, "redaction")
        elif "state_key" in event:
            self.follow(kind, event, content)
            yield LeftOut(where, "system")
        elif kind == "m.room.encrypted":
            yield LeftOut(where, "encrypted")
        elif kind != "m.room.message":
            yield LeftOut(where, "no-message")
        else:
            yield from self.message(own, event, content, instant, where, now)

    # what the room is

    def follow(self, kind: str, event: Event, content: Event) -> None:
        """Take in a change of the room's state."""
        if kind == "m.room.create":
            self.whole = True
        elif kind == "m.room.member":
            who = _text(event.get("state_key"))
            if content.get("membership") == "join" and who:
                self.members[who] = None
            elif content.get("membership") in ("leave", "ban"):
                self.members.pop(who, None)
        elif kind == "m.room.join_rules":
            self.public = content.get("join_rule") == "public"

    def addressees(self, author: str) -> tuple[str, ...]:
        """Who reads what is written now; in doubt somebody unknown too."""
        if self.public:
            return ()
        others = tuple(one for one in self.members if one != author)
        if self.whole:
            return others or (author,)
        return (*others, _HIDDEN)

    @property
    def category(self) -> str:
        """What is written in here counts as."""
        if self.public:
            return "post"
        pair = self.whole and len(self.members) <= _PAIR
        return "private_message" if pair else "private_message.group"

    # what is said

    def message(
        self, own: str, event: Event, content: Event, instant: int, where: Where, now: int
    ) -> Iterator[Item]:
        """A message, an edit of one, or what is left of a redacted one."""
        redacted = _redacted_at(event)
        if redacted is not None or not content:
            yield Gone(f"matrix:{own}", redacted if redacted is not None else instant)
            yield LeftOut(where, "deleted")
            return
        author = _text(event.get("sender"))
        if not self.whole:
            self.members.setdefault(author)
        target = _replaced(content)
        if target is not None:
            yield from self.edit(own, target, author, content, instant, where)
            return
        words, reason = _words(content)
        if reason is not None:
            yield LeftOut(where, reason)
            return
        created_at = plausible(instant, now)
        addressees = self.addressees(author)
        # What came before is remembered: a second delivery must not lose the versions that came since.
        self.messages.setdefault(own, Message(created_at, addressees, author))
        yield self.row(f"matrix:{own}", author, addressees, created_at, words, where, content)

    def edit(
        self, own: str, target: str, author: str, content: Event, instant: int, where: Where
    ) -> Iterator[Item]:
        """A new wording of a message: a version of its own, addressed to whoever read either."""
        new = content.get("m.new_content")
        words, reason = _words(new) if isinstance(new, Mapping) else (None, "no-words")
        before = self.messages.get(target)
        if reason is None and before is not None and before.author != author:
            # Only its author may word a message anew; servers send other edits on, and clients pass them over.
            reason = "foreign-edit"
        if reason is not None:
            yield LeftOut(where, reason)
            return
        worded_at = instant
        if own in self.versions:
            worded_at = int(self.versions[own].rpartition(" ")[2])
        elif before is not None:
            worded_at = max(instant, before.worded_at + 1)
            before.worded_at = worded_at
        base = f"matrix:{target}"
        self.versions[own] = f"{target} {worded_at}"
        addressees = self.addressees(author)
        if before is not None:
            addressees = tuple(dict.fromkeys((*before.addressees, *addressees)))
        created_at = before.created_at if before is not None else None
        notes = () if before is not None else ("what was edited is not there: its date is unknown",)
        yield Gone(base, worded_at)
        yield self.row(
            version_id(base, worded_at), author, addressees, created_at, words, where, content, notes
        )

    def redaction(self, event: Event, content: Event, instant: int) -> Iterator[Item]:
        """A message, or an edit of one, is taken back."""
        target = _text(event.get("redacts")) or _text(content.get("redacts"))
        if target:
            # Who takes back an edit takes back the message: what stood before had been replaced already.
            first, _, worded = self.versions.get(target, target).partition(" ")
            known = self.messages.get(first)
            latest = max(int(worded or -1), known.worded_at if known is not None else -1)
            yield Gone(f"matrix:{first}", max(instant, latest + 1))

    def row(  # noqa: PLR0913, PLR0917 - the parts of one record
        self,
        own: str,
        author: str,
        addressees: tuple[str, ...],
        created_at: int | None,
        words: str | None,
        where: Where,
        content: Event,
        notes: tuple[str, ...] = (),
    ) -> Row:
        """The record of one wording."""
        relation = content.get("m.relates_to")
        relation = relation if isinstance(relation, Mapping) else {}
        thread = _text(relation.get("event_id")) if relation.get("rel_type") == "m.thread" else ""
        return Row(
            id=own,
            category=self.category,
            where=where,
            created_at=created_at,
            author=author,
            addressees=addressees,
            conversation=f"matrix:{self.id}" + (f":{thread}" if thread else ""),
            body=words,
            compared=("author", "body"),
            notes=(*notes, *(() if created_at is not None or notes else ("date in the future",))),
        )


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) and len(value) <= MAX_NAME else ""


def _instant(value: object) -> int | None:
    """Microseconds UTC of milliseconds."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LATEST:
        return None
    return value * 1000


def _redacted_at(event: Event) -> int | None:
    unsigned = event.get("unsigned")
    because = unsigned.get("redacted_because") if isinstance(unsigned, Mapping) else None
    if because is None:
        return None
    return (_instant(because.get("origin_server_ts")) or 0) if isinstance(because, Mapping) else 0


def _replaced(content: Event) -> str | None:
    """The message that an edit words anew."""
    relation = content.get("m.relates_to")
    if isinstance(relation, Mapping) and relation.get("rel_type") == "m.replace":
        return _text(relation.get("event_id")) or None
    return None


def _words(content: Event) -> tuple[str | None, str | None]:
    """The words of a message, or the rule that leaves it out."""
    kind, body = content.get("msgtype"), content.get("body")
    if kind == "m.notice":
        return None, "bot"
    if not isinstance(body, str) or not body.strip():
        return None, "no-words"
    if kind in _FILES:
        # The body is a file's name, unless there is another name: then it is what somebody said of it.
        caption = content.get("filename") not in (None, body)
        return (clean(body).rstrip(), None) if caption else (None, "no-words")
    if kind not in _TEXT:
        return None, "no-words"
    relation = content.get("m.relates_to")
    if isinstance(relation, Mapping) and "m.in_reply_to" in relation:
        # Older programs repeat what is answered: somebody else's words.
        found = _QUOTED.match(body)
        body = body[found.end() :] if found else body
    return (clean(body).rstrip(), None) if body.strip() else (None, "no-words")
