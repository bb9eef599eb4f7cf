"""Slack workspace exports, made up."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TEAM = "T0TEAM"


def message(user: str | None, text: str, ts: str = "1452837318.000002", **more: Any) -> dict[str, Any]:
    return {"type": "message", "text": text, "ts": ts} | ({"user": user} if user else {}) | more


@dataclass
class Export:
    users: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"id": one, "team_id": TEAM, "name": one.lower(), "is_bot": one == "UBOT"}
            for one in ("UADA", "UBOB", "UCEM", "UBOT")
        ]
    )
    channels: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": "C1", "name": "general", "members": ["UADA", "UBOB"]}]
    )
    groups: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": "G1", "name": "board", "members": ["UADA", "UBOB"]}]
    )
    mpims: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": "G2", "name": "mpdm-a--b--c-1", "members": ["UADA", "UBOB", "UCEM"]}]
    )
    dms: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "D1", "members": ["UADA", "UBOB"]}])
    days: dict[str, Any] = field(default_factory=dict)
    root: str = ""

    def write(self, path: Path) -> Path:
        lists = {name: getattr(self, name) for name in ("users", "channels", "groups", "mpims", "dms")}
        files = {f"{name}.json": json.dumps(value) for name, value in lists.items()}
        for name, value in self.days.items():
            files[name] = value if isinstance(value, str) else json.dumps(value)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(self.root + name, text)
        return path
