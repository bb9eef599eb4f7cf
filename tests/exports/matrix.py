"""Events of Matrix rooms, made up."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

ROOM = "!room:example.org"


class Talk:
    """Makes the events of a room, a second after one another, with ids in their order."""

    def __init__(self, room: str = ROOM, start: int = 1_700_000_000_000) -> None:
        self.room = room
        self.events: list[dict[str, Any]] = []
        self._clock = count(start, 1000)

    def add(self, kind: str, sender: str, content: dict[str, Any], **more: Any) -> str:
        own = f"${len(self.events)}{self.room}"
        self.events.append(
            {"event_id": own, "room_id": self.room, "type": kind, "sender": sender, "content": content}
            | {"origin_server_ts": next(self._clock)}
            | more
        )
        return own

    def create(self, *members: str) -> None:
        self.add("m.room.create", members[0], {}, state_key="")
        for one in members:
            self.member(one, "join")

    def member(self, who: str, membership: str) -> str:
        return self.add("m.room.member", who, {"membership": membership}, state_key=who)

    def say(self, sender: str, body: str, **more: Any) -> str:
        return self.add("m.room.message", sender, {"msgtype": "m.text", "body": body} | more)

    def edit(self, sender: str, target: str, body: str) -> str:
        new = {"msgtype": "m.text", "body": body}
        relation = {"rel_type": "m.replace", "event_id": target}
        return self.say(sender, f"* {body}", **{"m.new_content": new, "m.relates_to": relation})

    def redact(self, sender: str, target: str) -> str:
        return self.add("m.room.redaction", sender, {}, redacts=target)

    def write(self, path: Path) -> Path:
        path.write_text(json.dumps({"room_name": "x", "messages": self.events}))
        return path
