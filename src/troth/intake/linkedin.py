"""LinkedIn's "Get a copy of your data": zip or folder, the header forms of all eras.

Columns are known by name. Messages have no id, so one is made of conversation, sender, instant and words.
Accounts are profile addresses; a name stands in only where the export gives no address for it, and is
resolved only where one conversation leaves no doubt whose it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from troth.core.errors import BadInput
from troth.intake.archives import GET_ANEW, Archive, Member
from troth.intake.html_text import html_to_text
from troth.intake.kinds import Job
from troth.intake.linkedin_people import (
    HIDDEN,
    People,
    fields_of,
    missing_columns,
    profile_address,
    read_people,
)
from troth.intake.moments import read_moment
from troth.intake.plain import PlainRow, Style, csv_rows
from troth.intake.rows import Damaged, Item, LeftOut, Noted, Rejected, Row, Where, clean, plausible
from troth.intake.sources import Meter, Unreadable

_MESSAGES: Final = {
    "messages.csv": "private_message",
    # Talks with the platform's own assistants: no other member reads them.
    "guidemessages.csv": "private_message.assistant",
    "coachmessages.csv": "private_message.assistant",
    "learningcoachmessages.csv": "private_message.assistant",
    "learningroleplaymessages.csv": "private_message.assistant",
}
_DRAFTS: Final = ("IS MESSAGE DRAFT", "IS CONVERSATION DRAFT")
_YES: Final = ("yes", "true", "1")
_CAMPAIGN: Final = re.compile(r"spinmail-quill-editor|%(?:FIRST|LAST|FULL)_?NAME%", re.IGNORECASE)
_HTML: Final = re.compile(
    r"\s*<(?:p|div|html|body|br|span|table|ul|ol|h[1-6]|!doctype)\b[^<>]*>", re.IGNORECASE
)
_ARTICLE_DATE: Final = re.compile(r"(?:Published|Created) on (\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?)")
_NAME_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)")
_MAX_ARTICLE: Final = 32 * 1024 * 1024
_LIMIT: Final = 16 * 1024 * 1024


class _Unfit(Exception):
    """The row is no record; the text says why, without what stood there."""


class LinkedIn:
    """LinkedIn's "Get a copy of your data"."""

    kind = "linkedin"
    summary = "A member's export from LinkedIn: the zip or its unpacked folder."

    def items(self, job: Job) -> Iterator[Item]:
        """The items of all exports. Raises BadInput where a path is no such export."""
        archives = [Archive(path) for path in job.paths]
        try:
            for archive in archives:
                _check(archive)
            # Messages are read twice: once to see who is who.
            meter = Meter((), job.progress, total=sum(archive.size for archive in archives))
            for archive in archives:
                yield from _Export(archive, job.now, meter).items()
        finally:
            for archive in archives:
                archive.close()


def _check(archive: Archive) -> None:
    if not any(member.key in _READERS or member.key in _MESSAGES for member in archive.members):
        raise BadInput(
            "holds none of the files of a LinkedIn export (messages.csv, Profile.csv, Shares.csv, …)",
            place=Where(str(archive.path)).place,
            remedy="name the zip as LinkedIn sent it, or the folder that it was unpacked to",
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a file of the export."""

    where: Where
    fields: Mapping[str, str]

    def get(self, name: str) -> str:
        return clean(self.fields.get(name, "")).strip()


class _Export:
    def __init__(self, archive: Archive, now: int, meter: Meter) -> None:
        self.archive = archive
        self.now = now
        self.meter = meter
        self.people = People()

    def items(self) -> Iterator[Item]:
        yield from self.archive.refused
        self.people = read_people(self.archive)
        yield from self.people.hints
        for member in self.archive.members:
            if member.key in _MESSAGES:
                yield from self.lines(member, partial(self.message, category=_MESSAGES[member.key]))
            elif member.key in _READERS:
                yield from self.lines(member, partial(_READERS[member.key], self))
            elif member.key.endswith((".html", ".htm")) and "articles" in member.name.lower():
                yield self.article(member)
            else:
                # Connections, reactions, settings, receipts: facts about people, no words of theirs.
                yield Noted("of its files hold nobody's writing")

    def lines(self, member: Member, read: Callable[[_Line], Item]) -> Iterator[Item]:
        """The items of one CSV file; damage is its last one."""
        done = 0
        known = False
        place = self.archive.where(member)
        try:
            with self.archive.open(member, self.meter) as source:
                for found in csv_rows(source, Style(limit=_LIMIT)):
                    done = found.where.line or done
                    if isinstance(found, Rejected):
                        yield found
                        continue
                    missing = () if known else missing_columns(member.key, found.values)
                    known = True
                    if missing:
                        # Nothing of the file is understood: that must not look like a file read well.
                        what = f"the file lacks the column {', '.join(missing)}, so nothing of it is read"
                        yield Damaged(
                            place, what, "see which columns this export has; tell us of the new form"
                        )
                        return
                    yield self.line(found, read)
        except Unreadable as damage:
            yield Damaged(Where(place.source, line=done + 1), str(damage), GET_ANEW)
        except BadInput as error:
            # An empty file says as little as a missing one.
            yield (
                LeftOut(place, "empty-file")
                if not member.size
                else Damaged(place, error.message, error.remedy or GET_ANEW)
            )

    def line(self, found: PlainRow, read: Callable[[_Line], Item]) -> Item:
        try:
            return read(_Line(found.where, fields_of(found.values)))
        except _Unfit as unfit:
            return Rejected(found.where, str(unfit))

    def instant(self, text: str) -> tuple[int | None, tuple[str, ...]]:
        """When a line says it was written. The future is a fact that nobody knows; the past may be far."""
        if not text:
            raise _Unfit("the date is missing")
        moment = read_moment(text)
        if moment is None:
            raise _Unfit("the date is no day and time of the calendar")
        if moment > 0 and plausible(moment, self.now) is None:
            return None, ("date in the future",)
        return moment, ()

    # messages

    def message(self, line: _Line, category: str) -> Item:
        reason = _left_out(line)
        if reason is not None:
            return LeftOut(line.where, reason)
        created_at, notes = self.instant(line.get("DATE"))
        talk = line.get("CONVERSATION ID")
        content = line.fields.get("CONTENT", "").replace("\r\n", "\n").replace("\r", "\n")
        sender = profile_address(line.get("SENDER PROFILE URL"))
        author = sender or self.people.account(talk, line.get("FROM"))
        addressees, doubts = self.people.addressees(
            talk, line.get("TO"), line.fields.get("RECIPIENT PROFILE URLS", "")
        )
        attached = () if content.strip() else (line.get("ATTACHMENTS").partition("?")[0],)
        subject = line.get("SUBJECT")
        inmail = subject and category == "private_message"
        return Row(
            id=_identity(
                talk, sender or line.get("FROM"), str(read_moment(line.get("DATE"))), content, *attached
            ),
            category="private_message.inmail" if inmail else category,
            where=line.where,
            created_at=created_at,
            author=author,
            addressees=tuple(one for one in addressees if one != author) or _nobody_else(addressees),
            conversation=f"linkedin:{talk}" if talk else None,
            title=subject or None,
            body=_text(content),
            compared=("author", "body"),
            notes=(*notes, *doubts, *([] if author else ["author not named"])),
        )

    # what a member published

    def share(self, line: _Line) -> Item:
        return self.own(line, "post", line.get("SHARECOMMENTARY"), line.get("SHARELINK"))

    def comment(self, line: _Line) -> Item:
        return self.own(line, "comment", line.get("MESSAGE"), line.get("LINK"))

    def own(self, line: _Line, category: str, words: str, link: str) -> Item:
        """Words of the export's owner for all to read."""
        created_at, notes = self.instant(line.get("DATE"))
        if not words:
            return LeftOut(line.where, "no-words")
        owner = self.people.owner
        return Row(
            id=_identity(category, owner or "", link, str(created_at), words),
            category=category,
            where=line.where,
            created_at=created_at,
            author=owner,
            conversation=_conversation(link),
            body=_text(words),
            notes=(*notes, *([] if owner else ["author not named"])),
        )

    def article(self, member: Member) -> Item:
        where = self.archive.where(member)
        try:
            data = self.archive.read(member, _MAX_ARTICLE, self.meter)
        except Unreadable as damage:
            return Damaged(where, str(damage), GET_ANEW)
        except BadInput as error:
            return Damaged(where, error.message, error.remedy or GET_ANEW)
        try:
            page = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return Rejected(where, "the article is not UTF-8")
        text = clean(html_to_text(page))
        if not text:
            return LeftOut(where, "no-words")
        said = _ARTICLE_DATE.search(text) or _NAME_DATE.search(member.parts[-1])
        created_at = read_moment(said[1]) if said else None
        return Row(
            id=_identity("article", self.people.owner or "", text),
            category="article",
            where=where,
            created_at=created_at,
            author=self.people.owner,
            body=text,
            notes=() if created_at is not None else ("date missing",),
        )

    def profile(self, line: _Line) -> Item:
        words = [line.get(name) for name in ("HEADLINE", "SUMMARY", "INDUSTRY")]
        return self.about(line, [one for one in words if one])

    def summary(self, line: _Line) -> Item:
        words = line.get("PROFILE SUMMARY")
        return self.about(line, [words] if words else [])

    def about(self, line: _Line, words: list[str]) -> Item:
        """What members say of themselves. The export does not say since when they do."""
        if not words:
            return LeftOut(line.where, "no-words")
        body = _text("\n\n".join(words))
        return Row(
            id=_identity("profile", self.people.owner or "", body or ""),
            category="profile",
            where=line.where,
            author=self.people.owner,
            body=body,
            notes=("date missing",),
        )

    # what members wrote to one another beside messages

    def invitation(self, line: _Line) -> Item:
        words = line.get("MESSAGE")
        created_at, notes = self.instant(line.get("SENT AT"))
        if not words:
            return LeftOut(line.where, "no-words")
        author = profile_address(line.get("INVITERPROFILEURL")) or self.people.account("", line.get("FROM"))
        invited = profile_address(line.get("INVITEEPROFILEURL")) or self.people.account("", line.get("TO"))
        return self.letter(
            line.where, "private_message.invitation", (author, invited), created_at, words, notes
        )

    def given(self, line: _Line) -> Item:
        return self.recommendation(line, given=True)

    def received(self, line: _Line) -> Item:
        return self.recommendation(line, given=False)

    def recommendation(self, line: _Line, *, given: bool) -> Item:
        words = line.get("TEXT")
        created_at, notes = self.instant(line.get("CREATION DATE"))
        if not words:
            return LeftOut(line.where, "no-words")
        name = f"{line.get('FIRST NAME')} {line.get('LAST NAME')}".strip()
        other, owner = self.people.account("", name), self.people.owner
        pair = (owner, other) if given else (other, owner)
        return self.letter(line.where, "recommendation", pair, created_at, words, notes)

    def letter(
        self,
        where: Where,
        category: str,
        pair: tuple[str | None, str | None],
        created_at: int | None,
        words: str,
        notes: tuple[str, ...],
    ) -> Item:
        author, other = pair
        return Row(
            id=_identity(category, author or "", other or "", str(created_at), words),
            category=category,
            where=where,
            created_at=created_at,
            author=author,
            addressees=(other or HIDDEN,),
            body=_text(words),
            notes=(*notes, *([] if author else ["author not named"])),
        )


_READERS: Final[Mapping[str, Callable[[_Export, _Line], Item]]] = {
    "shares.csv": _Export.share,
    "comments.csv": _Export.comment,
    "profile.csv": _Export.profile,
    "profilesummary.csv": _Export.summary,
    "invitations.csv": _Export.invitation,
    "recommendationsgiven.csv": _Export.given,
    "recommendationsreceived.csv": _Export.received,
}


def _left_out(line: _Line) -> str | None:
    """The rule by which a message is none of a member to members, if one is."""
    folder = line.get("FOLDER").upper()
    if any(line.get(name).lower() in _YES for name in _DRAFTS) or folder in ("DRAFT", "DRAFTS"):
        return "draft"
    if folder == "SPAM":
        return "spam"
    # A campaign has no sender's profile; a recruiter's own InMail has, whatever its layout.
    if not line.get("SENDER PROFILE URL") and _CAMPAIGN.search(line.get("CONTENT")):
        return "sponsored"
    return None


def _nobody_else(addressees: tuple[str, ...]) -> tuple[str, ...]:
    """Who is addressed where nobody but the author is named: notes to oneself stay that."""
    return addressees[:1] or (HIDDEN,)


def _text(content: str) -> str | None:
    if not content.strip():
        return None
    if _HTML.match(content):
        content = html_to_text(content)
    return clean(content).rstrip()


def _conversation(link: str) -> str | None:
    """What a post and the comments on it share: the address without what leads to one comment."""
    base = link.partition("?")[0].rstrip("/")
    return f"linkedin:{base}" if base else None


def _identity(*parts: str) -> str:
    """The id of what has none: a digest of what tells it apart (formats.md, "identity must be synthesised")."""
    content = json.dumps([clean(part) for part in parts])
    return "linkedin:" + hashlib.sha256(content.encode()).hexdigest()
