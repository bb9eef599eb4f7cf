"""Nothing leads out of a folder that is looked into, and nothing waits."""

from __future__ import annotations

import os
import socket
from hashlib import sha256
from pathlib import Path

import pytest

from troth.core.errors import BadInput
from troth.release.inside import MAX_DEPTH, Inside, stamp_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file and a file in a folder, and a secret beside it."""
    made = tmp_path / "folder"
    (made / "data").mkdir(parents=True)
    (made / "a").write_bytes(b"a" * 100)
    (made / "data" / "b").write_bytes(b"b")
    (tmp_path / "secret").write_bytes(b"secret")
    return made


def test_files_are_read(folder: Path) -> None:
    inside = Inside(folder)
    assert inside.read("a", 100) == b"a" * 100
    assert inside.read("data/b", 1) == b"b"
    assert inside.digest("a")[0] == sha256(b"a" * 100).hexdigest()
    assert inside.digest("a", 100)[0] == sha256(b"a" * 100).hexdigest()


def test_a_file_of_another_size_is_not_read(folder: Path) -> None:
    os.truncate(folder / "a", 1 << 40)
    digest, stamp = Inside(folder).digest("a", 100)
    assert digest is None
    assert stamp.size == 1 << 40
    with pytest.raises(BadInput, match="is larger than 1000 bytes"):
        Inside(folder).read("a", 1000)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "data/../../secret", "", ".", "data"])
def test_names_that_lead_elsewhere_are_refused(name: str, folder: Path) -> None:
    with pytest.raises(BadInput):
        Inside(folder).read(name, 1000)


def test_links_are_not_followed_at_any_step(folder: Path, tmp_path: Path) -> None:
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "near").symlink_to(folder / "a")
    (folder / "out").symlink_to(tmp_path)
    for name in ("link", "near"):
        with pytest.raises(BadInput, match="links are not followed"):
            Inside(folder).read(name, 1000)
    with pytest.raises(BadInput):
        Inside(folder).read("out/secret", 1000)


def test_what_is_no_plain_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(BadInput, match="no plain file"):
        Inside(folder).read("pipe", 1000)
    with pytest.raises(BadInput, match="is missing"):
        Inside(folder).read("none", 1000)


def test_all_that_lies_there_is_listed(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "out").symlink_to(tmp_path)
    deep = folder.joinpath(*["d"] * (MAX_DEPTH + 3))
    deep.mkdir(parents=True)
    (deep / "hidden").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_bytes(b"")
    with socket.socket(socket.AF_UNIX) as end:
        here = Path.cwd()
        os.chdir(folder)
        end.bind("socket")
        os.chdir(here)
    listed = dict(Inside(folder).names())
    assert listed == {
        "a": "",
        "data/b": "",
        "\\udcff": "",
        "out": "is a link; links are not followed",
        "pipe": "is no plain file",
        "socket": "is no plain file",
        "/".join(["d"] * MAX_DEPTH): "lies too deep; not looked into",
    }


def test_a_stamp_changes_with_the_file(folder: Path) -> None:
    file = folder / "a"
    stamps = set()
    for act in (
        lambda: None,
        lambda: file.write_bytes(b"x" * 100),
        lambda: os.utime(file, (0, 0)),
        lambda: file.chmod(0o600),
    ):
        act()
        with file.open("rb") as opened:
            stamps.add(stamp_of(opened))
    other = folder / "other"
    other.write_bytes(b"x" * 100)
    other.replace(file)
    with file.open("rb") as opened:
        stamps.add(stamp_of(opened))
    assert len(stamps) == 5
