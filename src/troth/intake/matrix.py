"""Matrix: the JSON export of Element, a file per room, also in its folder or zip."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from troth.core.errors import BadInput, Place
from troth.intake.archives import GET_ANEW, Archive, Member
from troth.intake.kinds import Job
from troth.intake.matrix_events import Room
from troth.intake.rows import Damaged, Item, Noted, Where
from troth.intake.sources import Meter, Unreadable, check_files

_MAX_FILE: Final = 512 * 1024 * 1024


class Matrix:
    """Element's export of rooms."""

    kind = "matrix"
    summary = "Rooms of Matrix, as Element exports them (JSON): files, folders or zips."

    def items(self, job: Job) -> Iterator[Item]:
        """The items of all rooms. Raises BadInput where a path holds no export of a room."""
        with ExitStack() as stack:
            found: list[tuple[Archive, list[Member]]] = []
            for path in job.paths:
                archive, members = _rooms(path)
                stack.callback(archive.close)
                found.append((archive, members))
            total = sum(one.size for _, members in found for one in members)
            meter = Meter((), job.progress, total=total)
            for archive, members in found:
                yield from archive.refused
                for member in members:
                    yield from _room(archive, member, job.now, meter)


def _rooms(path: Path) -> tuple[Archive, list[Member]]:
    """The JSON files of a path; a JSON file itself is looked at in its folder."""
    if path.suffix.lower() == ".json":
        check_files([path])
        archive = Archive(path.parent)
        archive.refused.clear()
        return archive, [one for one in archive.members if one.name == path.name]
    archive = Archive(path)
    members = [one for one in archive.members if one.name.lower().endswith(".json")]
    if not members:
        archive.close()
        raise BadInput(
            "holds no JSON file", place=Place(str(path)), remedy="export the room as JSON, and name that file"
        )
    return archive, members


def _room(archive: Archive, member: Member, now: int, meter: Meter) -> Iterator[Item]:
    place = archive.where(member)
    try:
        value = json.loads(archive.read(member, _MAX_FILE, meter).decode("utf-8-sig"))
    except (Unreadable, BadInput) as damage:
        yield Damaged(place, str(damage), GET_ANEW)
        return
    except UnicodeDecodeError:
        yield Damaged(place, "the file is not UTF-8", GET_ANEW)
        return
    except (ValueError, RecursionError):
        yield Damaged(place, "the file is not JSON, or ends too early", GET_ANEW)
        return
    events = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(events, list):
        yield Damaged(
            place, "expected an object with messages, as Element exports a room", "export it as JSON"
        )
        return
    yield from _events(events, place, now)


def _events(events: list[object], place: Where, now: int) -> Iterator[Item]:
    rooms: dict[str, Room] = {}
    for number, event in enumerate(events, 1):
        room_id = event.get("room_id") if isinstance(event, dict) else None
        name = room_id if isinstance(room_id, str) else place.source
        room = rooms.setdefault(name, Room(name))
        yield from room.items(event, Where(place.source, row=number), now)
    partial = sum(not room.whole for room in rooms.values())
    for _ in range(partial):
        yield Noted("of the rooms not told from their beginning: somebody unknown is a party")
