"""Mail as records: mbox and mboxrd files (also gzip), folders of ``.eml`` files, Maildirs.

The author is the ``From`` address, the addressees are those of ``To``, ``Cc`` and ``Bcc``. What is missing
stays unknown, and a gap is what the decision makes of it; only what is no mail at all is rejected.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from troth.core.errors import BadInput, Place
from troth.intake.importing import Intake
from troth.intake.mbox import RawMessage, split_mbox
from troth.intake.message import Unfit, read_message
from troth.intake.report import ImportReport
from troth.intake.rows import Damaged, Item, LeftOut, Rejected, Where, record_category
from troth.intake.sources import Meter, Unreadable, check_files, open_source, unreadable_file

MAX_MESSAGE_BYTES: Final = 32 * 1024 * 1024
DEFAULT_CATEGORY: Final = "private_message"

_GET_ANEW: Final = "get the file anew and import it again; what is stored is recognised"
_NAME_MAIL: Final = "name an mbox file, whose messages begin with a line `From …`, or an .eml file"
# What some programs keep at the head of a mailbox, as if it were a message.
_FOLDER_DATA: Final = re.compile(
    rb"^Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA$", re.MULTILINE
)
_FOLDER_MARK: Final = b"FOLDER INTERNAL DATA"
_HEAD_BYTES: Final = 4096
_MAIL_SUFFIXES: Final = (".eml", ".mbox", ".mboxrd", ".eml.gz", ".mbox.gz", ".mboxrd.gz")


def import_mail(
    intake: Intake,
    paths: Sequence[Path],
    *,
    category: str = DEFAULT_CATEGORY,
    limit: int = MAX_MESSAGE_BYTES,
) -> ImportReport:
    """Import mail.

    Args:
        intake: where to and how.
        paths: mbox files, ``.eml`` files, folders that hold such files, Maildirs.
        category: the category that the records get.
        limit: bytes of the largest message that is read; larger ones are rejected with their place.

    Raises:
        BadInput: a path or the category is wrong; nothing was written.
        DamagedInput: a file was damaged, or is no mail; everything else is imported.
        Unavailable: storage failed, or another import is writing.
    """
    record_category(category)
    files, others = _find_files(paths)
    meter = Meter(files, intake.progress)
    reader = _Reader(category, limit, intake.now, meter)
    return intake.take(_items(reader, files, others))


def _find_files(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """The files to read, and those in folders that are no mail."""
    files: list[Path] = []
    others: list[Path] = []
    for path in paths:
        if not path.is_dir():
            check_files([path])
            files.append(path)
            continue
        found, rest = _walk(path)
        if not found:
            raise BadInput(
                "holds no mail",
                place=Place(str(path)),
                remedy=f"name an mbox file, a Maildir, or a folder with {', '.join(_MAIL_SUFFIXES[:3])} files",
            )
        files += found
        others += rest
    return files, others


def _walk(folder: Path) -> tuple[list[Path], list[Path]]:
    mail: list[Path] = []
    others: list[Path] = []

    def refuse(error: OSError) -> None:
        raise unreadable_file(Path(error.filename or folder), error)

    for top, names, found in os.walk(folder, onerror=refuse):
        here = Path(top)
        siblings = set(names) | ({"new", "cur"} if here.name in ("new", "cur") else set())
        names[:] = sorted(name for name in names if name != "tmp" or not siblings >= {"new", "cur"})
        maildir = here.name in ("new", "cur") and all((here.parent / one).is_dir() for one in ("new", "cur"))
        for name in sorted(found):
            path = here / name
            fits = maildir or name.lower().endswith(_MAIL_SUFFIXES)
            (mail if fits and path.is_file() else others).append(path)
    return mail, others


def _items(reader: _Reader, files: Iterable[Path], others: Iterable[Path]) -> Iterator[Item]:
    for path in others:
        yield LeftOut(Where(str(path)), "no-mail-file")
    for path in files:
        yield from reader.read(path)


@dataclass(frozen=True, slots=True)
class _Reader:
    category: str
    limit: int
    now: int
    meter: Meter

    def read(self, path: Path) -> Iterator[Item]:
        """The items of one file; damage is its last one."""
        seen = 0
        before: Where | None = None
        try:
            with open_source(path, self.meter) as source:
                for raw in split_mbox(source, self.limit):
                    where = Where(str(path), message=raw.number or None, byte=raw.byte)
                    if not raw.number:
                        before = where
                        continue
                    if before is not None and not seen:
                        yield Rejected(before, "text before the first message")
                    seen += 1
                    yield self._item(raw, where)
        except Unreadable as damage:
            yield Damaged(Where(str(path), message=seen + 1), str(damage), _GET_ANEW)
        except BadInput as error:
            yield Damaged(Where(str(path)), error.message, error.remedy or _GET_ANEW)
        else:
            if before is not None and not seen:
                yield Damaged(before, "is no mail", _NAME_MAIL)

    def _item(self, raw: RawMessage, where: Where) -> Item:
        if raw.data is None:
            return Rejected(where, f"the message is larger than {self.limit:,} bytes")
        if _FOLDER_MARK in raw.data[:_HEAD_BYTES] and _FOLDER_DATA.search(raw.data[:_HEAD_BYTES]):
            return LeftOut(where, "no-message")
        try:
            return read_message(raw.data, where, self.category, self.now)
        except Unfit as unfit:
            return Rejected(where, str(unfit))
