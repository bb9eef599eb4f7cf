"""Slack's workspace export: zip or folder, a file of messages per conversation and day.

A message's id is its instant inside its conversation. In channels that everybody of the workspace can read
the author speaks to all (``post``, replies ``comment``); in closed groups, group talks and direct messages
everybody who is in there is a party. Only the last wording of an edited message is in an export.
"""

from __future__ import annotations

import html
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from troth.core.errors import BadInput
from troth.intake.archives import GET_ANEW, Archive, Member
from troth.intake.kinds import Job
from troth.intake.rows import (
    MAX_NAME,
    Damaged,
    Gone,
    Hint,
    Item,
    LeftOut,
    Noted,
    Rejected,
    Row,
    Where,
    clean,
    plausible,
    version_id,
)
from troth.intake.sources import Meter, Unreadable

_MAX_FILE: Final = 256 * 1024 * 1024
_MAX_DEPTH: Final = "the file is nested too deeply"
_STAMP: Final = re.compile(r"(\d{1,11})\.(\d{6})")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d\.json")
_REFERENCE: Final = re.compile(r"<([^<>]*)>")
_HIDDEN: Final = ""

# Lists of conversations, and what is said there: a category, and whether its members are parties.
_LISTS: Final = {
    "channels.json": ("post", False),
    "groups.json": ("private_message.group", True),
    "mpims.json": ("private_message.group", True),
    "dms.json": ("private_message", True),
}
_USERS: Final = "users.json"

# Subtypes of what members wrote; the others are what the program wrote about them, or are named below.
_WRITTEN: Final = frozenset(
    ("", "file_share", "file_comment", "me_message", "thread_broadcast", "reply_broadcast", "message_replied")
)
_BOTS: Final = frozenset(
    ("bot_message", "bot_add", "bot_remove", "bot_enable", "bot_disable", "slackbot_response")
)

_Object: TypeAlias = dict[str, object]


@dataclass(slots=True)
class _Talk:
    """A conversation: its id, what is said there counts as, and who is in it."""

    id: str
    category: str = "private_message"
    members: dict[str, None] = field(default_factory=dict)
    closed: bool = True
    listed: bool = False


class Slack:
    """Slack's workspace export."""

    kind = "slack"
    summary = "A workspace's export from Slack: the zip or its unpacked folder."

    def items(self, job: Job) -> Iterator[Item]:
        """The items of all exports. Raises BadInput where a path is no such export."""
        archives = [Archive(path) for path in job.paths]
        try:
            exports = [_Export(archive, job.now) for archive in archives]
            meter = Meter((), job.progress, total=sum(archive.size for archive in archives))
            for export in exports:
                yield from export.items(meter)
        finally:
            for archive in archives:
                archive.close()


class _Export:
    def __init__(self, archive: Archive, now: int) -> None:
        self.archive = archive
        self.now = now
        lists = [one for one in archive.members if one.parts[-1] in _LISTS or one.parts[-1] == _USERS]
        if not lists:
            raise BadInput(
                "holds none of the files of a Slack export (channels.json, users.json, dms.json, …)",
                place=Where(str(archive.path)).place,
                remedy="name the zip as Slack made it, or the folder that it was unpacked to",
            )
        self.root = min((one.parts[:-1] for one in lists), key=len)
        self.bots: set[str] = set()
        self.teams: dict[str, str] = {}
        self.talks: dict[str, _Talk] = {}

    def items(self, meter: Meter) -> Iterator[Item]:
        yield from self.archive.refused
        depth = len(self.root)
        days: dict[str, list[Member]] = defaultdict(list)
        for member in self.archive.members:
            inside = member.parts[depth:]
            if member.parts[:depth] == self.root and len(inside) == 1 and inside[0] in (*_LISTS, _USERS):
                yield from self.read_list(member, meter)
            elif member.parts[:depth] == self.root and len(inside) > 1 and _DAY.fullmatch(inside[-1]):
                days["/".join(inside[:-1])].append(member)
            else:
                yield Noted("of its files hold no messages")
        for folder, members in sorted(days.items()):
            talk = self.talks.get(folder) or _Talk(folder)
            if not talk.listed:
                yield Noted("of the conversations stand in no list: somebody unknown is a party")
            yield from self.read_talk(talk, sorted(members, key=lambda one: one.name), meter)

    def load(self, member: Member, meter: Meter) -> list[object]:
        """The array that a file holds. Raises Unreadable."""
        try:
            found = json.loads(self.archive.read(member, _MAX_FILE, meter).decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise Unreadable("the file is not UTF-8") from None
        except RecursionError:
            raise Unreadable(_MAX_DEPTH) from None
        except ValueError:
            raise Unreadable("the file is not JSON, or ends too early") from None
        if not isinstance(found, list):
            raise Unreadable("expected a JSON array in the file")
        return found

    def read_list(self, member: Member, meter: Meter) -> Iterator[Item]:
        name = member.parts[-1]
        try:
            entries = [one for one in self.load(member, meter) if isinstance(one, dict)]
        except (Unreadable, BadInput) as damage:
            yield Damaged(self.archive.where(member), str(damage), GET_ANEW)
            return
        for entry in entries:
            if name == _USERS:
                yield from self.add_user(entry)
            else:
                self.add_talk(entry, *_LISTS[name])

    def add_user(self, entry: _Object) -> Iterator[Hint]:
        user = _name(entry.get("id"))
        self.teams[user] = _name(entry.get("team_id"))
        if entry.get("is_bot") is True or user == "USLACKBOT":
            self.bots.add(user)
            return
        profile = entry.get("profile")
        address = _name(profile.get("email")).lower() if isinstance(profile, dict) else ""
        if user and "@" in address:
            yield Hint(
                self.account(user), address, "the workspace lists this address for the user", sure=True
            )

    def add_talk(self, entry: _Object, category: str, closed: bool) -> None:
        own = _name(entry.get("id"))
        members = entry.get("members")
        talk = _Talk(own, category, closed=closed, listed=True)
        talk.members = (
            {_name(one): None for one in members if _name(one)} if isinstance(members, list) else {}
        )
        for folder in (own, _name(entry.get("name"))):
            if folder:
                self.talks.setdefault(folder, talk)

    def read_talk(self, talk: _Talk, members: list[Member], meter: Meter) -> Iterator[Item]:
        """The messages of a conversation. Who is in it is known by the list, and by who wrote there."""
        if talk.closed:
            for member in members:
                try:
                    written = self.load(member, _unwatched())
                except (Unreadable, BadInput):
                    continue
                for one in written:
                    if isinstance(one, dict) and (user := _name(one.get("user"))) and user not in self.bots:
                        talk.members.setdefault(user)
        for member in members:
            where = self.archive.where(member)
            try:
                written = self.load(member, meter)
            except (Unreadable, BadInput) as damage:
                yield Damaged(where, str(damage), GET_ANEW)
                continue
            for number, one in enumerate(written, 1):
                yield from self.read_message(talk, one, Where(where.source, row=number))

    def read_message(self, talk: _Talk, one: object, where: Where) -> Iterator[Item]:
        if not isinstance(one, dict):
            yield Rejected(where, "expected a JSON object")
            return
        message = one
        if one.get("subtype") == "message_changed" and isinstance(one.get("message"), dict):
            message = one["message"]  # an event log holds the new wording inside
        instant = _instant(message.get("ts"))
        if instant is None:
            yield Rejected(where, "ts: expected seconds and six digits, such as 1452837318.000002")
            return
        base = f"slack:{talk.id}:{message['ts']}"
        deleted = _deletion(message, base, instant)
        if deleted is not None:
            yield deleted
        reason = self.left_out(message)
        if reason is not None:
            yield LeftOut(where, reason)
            return
        edited = _edited(message)
        if edited is not None:
            yield Gone(base, edited)
        yield self.row(talk, message, where, version_id(base, edited), instant)

    def left_out(self, message: _Object) -> str | None:
        """The rule by which a message is none that a member wrote, if one is."""
        subtype = _name(message.get("subtype"))
        user = _user_of(message)
        if message.get("type", "message") != "message":
            return "no-message"
        if subtype in ("tombstone", "message_deleted"):
            return "deleted"
        if subtype in _BOTS or user in self.bots:
            return "bot"
        if not user and (message.get("bot_id") or message.get("username")):
            return "bot"
        return None if subtype in _WRITTEN else "system"

    def row(self, talk: _Talk, message: _Object, where: Where, own: str, instant: int) -> Row:
        user = _user_of(message)
        thread = message.get("thread_ts")
        reply = isinstance(thread, str) and thread != message.get("ts")
        created_at = plausible(instant, self.now)
        author = self.account(user) if user else None
        addressees: tuple[str, ...] = ()
        if talk.closed:
            others = [self.account(one) for one in talk.members if one != user]
            # A direct message of which the other side is not listed still has one.
            addressees = tuple(dict.fromkeys(others)) or (_HIDDEN,)
            if not talk.listed and _HIDDEN not in addressees:
                addressees = (*addressees, _HIDDEN)
            if set(talk.members) == {user} and talk.listed:
                addressees = (self.account(user),)  # notes to oneself
        return Row(
            id=own,
            category="comment" if reply and talk.category == "post" else talk.category,
            where=where,
            created_at=created_at,
            author=author,
            addressees=addressees,
            conversation=f"slack:{talk.id}" + (f":{clean(thread)}" if isinstance(thread, str) else ""),
            body=_words(message),
            compared=("author", "body"),
            notes=(
                *(() if author else ("author not named",)),
                *(() if created_at is not None else ("date before 1970 or in the future",)),
            ),
        )

    def account(self, user: str) -> str:
        """The name of a party: user ids are unique inside their workspace."""
        team = self.teams.get(user, "")
        return f"slack:{team}:{user}" if team else f"slack:{user}"


def _unwatched() -> Meter:
    return Meter((), lambda _done, _total: None, total=0)


def _name(value: object) -> str:
    """An id or a folder's name; what is none of these is nobody's."""
    return clean(value).strip() if isinstance(value, str) and len(value) <= MAX_NAME else ""


def _user_of(message: _Object) -> str:
    comment = message.get("comment")
    if isinstance(comment, dict) and message.get("subtype") == "file_comment":
        return _name(comment.get("user"))
    return _name(message.get("user"))


def _instant(stamp: object) -> int | None:
    """Microseconds UTC of a ``ts``, exactly: it is text because a double of seconds would lose some."""
    found = _STAMP.fullmatch(stamp) if isinstance(stamp, str) else None
    return int(found[1]) * 1_000_000 + int(found[2]) if found else None


def _edited(message: _Object) -> int | None:
    edited = message.get("edited")
    return _instant(edited.get("ts")) if isinstance(edited, dict) else None


def _deletion(message: _Object, base: str, instant: int) -> Gone | None:
    """What a message says of one that was deleted."""
    subtype = message.get("subtype")
    if subtype == "tombstone":
        # When it was deleted is not said: that it was is known at the latest now, and from the start at worst.
        return Gone(base, _edited(message) or instant)
    if subtype == "message_deleted" and isinstance(message.get("deleted_ts"), str):
        return Gone(f"{base.rpartition(':')[0]}:{message['deleted_ts']}", instant)
    return None


def _words(message: _Object) -> str | None:
    text = message.get("text")
    comment = message.get("comment")
    if isinstance(comment, dict) and message.get("subtype") == "file_comment":
        text = comment.get("comment")
    if not isinstance(text, str) or not text.strip():
        return None
    return clean(html.unescape(_REFERENCE.sub(_plain, text))).rstrip()


def _plain(found: re.Match[str]) -> str:
    """A reference as people see it: ``<@U1>``, ``<#C1|name>``, ``<!here>``, ``<address|text>``."""
    target, bar, label = found[1].partition("|")
    if target.startswith("@"):
        return f"@{label or target[1:]}"
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!"):
        return label or f"@{target[1:].partition('^')[0]}"
    return label if bar and label else target
