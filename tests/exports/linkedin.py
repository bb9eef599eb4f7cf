"""LinkedIn exports of all eras, made up."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

NINE = "CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,DATE,SUBJECT,CONTENT,FOLDER".split(",")
TEN = [*NINE[:5], "RECIPIENT PROFILE URLS", *NINE[5:]]
TWELVE = [*TEN, "ATTACHMENTS", "IS MESSAGE DRAFT"]
THIRTEEN = [*TWELVE, "IS CONVERSATION DRAFT"]
ERAS = {"2021": NINE, "2023": TEN, "2025": TWELVE, "2026": THIRTEEN}

CAMPAIGN = '<p class="spinmail-quill-editor__spin-break">Hello %FIRSTNAME%</p>'


def address(name: str) -> str:
    return f"https://www.linkedin.com/in/{name.lower().replace(' ', '-')}"


@dataclass
class Message:
    sender: str
    to: tuple[str, ...]
    content: str = "Shall we meet?"
    talk: str = "2-one"
    date: str = "2024-05-01 09:30:00 UTC"
    subject: str = ""
    folder: str = "INBOX"
    draft: str = "No"
    conversation_draft: str = "No"
    hidden: tuple[str, ...] = ()  # names that have no profile address

    def cells(self) -> dict[str, str]:
        return {
            "CONVERSATION ID": self.talk,
            "CONVERSATION TITLE": "",
            "FROM": self.sender,
            "SENDER PROFILE URL": "" if self.sender in self.hidden else address(self.sender),
            "TO": ", ".join(self.to),
            "RECIPIENT PROFILE URLS": ",".join(address(one) for one in self.to if one not in self.hidden),
            "DATE": self.date,
            "SUBJECT": self.subject,
            "CONTENT": self.content,
            "FOLDER": self.folder,
            "ATTACHMENTS": "",
            "IS MESSAGE DRAFT": self.draft,
            "IS CONVERSATION DRAFT": self.conversation_draft,
        }


@dataclass
class Export:
    """An export; ``write`` makes a zip, or a folder where the name has no ending."""

    messages: list[Message] = field(default_factory=list)
    owner: tuple[str, str] | None = ("Ada", "Example")
    files: dict[str, str | bytes] = field(default_factory=dict)
    columns: list[str] = field(default_factory=lambda: list(TWELVE))
    quote_all: bool = False
    newline: str = "\n"

    def contents(self) -> dict[str, bytes]:
        found: dict[str, str | bytes] = {"messages.csv": self.message_file()}
        if self.owner is not None:
            first, last = self.owner
            found["Profile.csv"] = f"First Name,Last Name,Headline,Summary\n{first},{last},,\n"
        found |= self.files
        return {name: text.encode() if isinstance(text, str) else text for name, text in found.items()}

    def message_file(self) -> str:
        return table(
            self.columns,
            [one.cells() for one in self.messages],
            quote_all=self.quote_all,
            newline=self.newline,
        )

    def write(self, path: Path) -> Path:
        if not path.suffix:
            for name, data in self.contents().items():
                target = path / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            return path
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in self.contents().items():
                archive.writestr(name, data)
        return path


def table(
    columns: list[str], rows: list[dict[str, str]], *, quote_all: bool = False, newline: str = "\n"
) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(
        out,
        columns,
        extrasaction="ignore",
        quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
        lineterminator=newline,
    )
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
