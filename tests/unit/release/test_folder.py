"""A folder comes into being all at once, and two builds never share one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from hashlib import sha256
from pathlib import Path

import pytest

from troth.core.errors import BadInput, Conflict, Unavailable
from troth.release.folder import NewFile, building, unfinished, write_file


def test_what_was_published_is_there_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "down" / "r1"
    with building(out) as folder:
        assert not out.exists()
        write_file(folder.path / "a", b"a")
        folder.sync()
        folder.publish()
    assert (out / "a").read_bytes() == b"a"
    assert list(out.parent.iterdir()) == [out]
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


def test_what_was_not_published_is_gone(tmp_path: Path) -> None:
    with building(tmp_path / "r1") as folder:
        write_file(folder.path / "a", b"a")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with building(tmp_path / "r1") as folder:
            write_file(folder.path / "a", b"a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link to nothing"])
def test_whatever_is_there_stays(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "r1"
    if kind == "folder":
        out.mkdir()
    elif kind == "file":
        out.write_text("mine")
    else:
        out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="there already"), building(out):
        pass
    assert os.path.lexists(out)


def test_what_appears_meanwhile_stays(tmp_path: Path) -> None:
    out = tmp_path / "r1"
    with building(out) as folder:
        out.mkdir()
        (out / "mine").write_text("mine")
        with pytest.raises(BadInput, match="there already"):
            folder.publish()
    assert (out / "mine").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [out]


def test_a_leftover_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    left = unfinished(tmp_path / "r1")
    (left / "data").mkdir(parents=True)
    (left / "data" / "half").write_bytes(b"half")
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (left / "link").symlink_to(outside)
    with building(tmp_path / "r1") as folder:
        assert list(folder.path.iterdir()) == []
    assert outside.read_text() == "mine"


def test_a_build_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "r1"
    with building(out) as first:
        write_file(first.path / "a", b"a")
        with pytest.raises(Conflict, match="another process is building"), building(out):
            pass
        with building(tmp_path / "r2"):
            pass
        first.publish()
    assert (out / "a").read_bytes() == b"a"


def test_the_lock_of_a_process_that_died_is_gone(tmp_path: Path) -> None:
    out = tmp_path / "r1"
    program = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from troth.release.folder import building, write_file
        with building(Path(sys.argv[1])) as folder:
            write_file(folder.path / "half", b"half")
            os._exit(9)
        """
    )
    done = subprocess.run([sys.executable, "-c", program, str(out)], check=False)
    assert done.returncode == 9
    assert (unfinished(out) / "half").exists()
    with building(out) as folder:
        assert list(folder.path.iterdir()) == []
        folder.publish()
    assert list(tmp_path.iterdir()) == [out]


def test_a_place_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Unavailable, match="no release was made"), building(tmp_path / "file" / "r1"):
        pass


def test_a_disk_that_does_not_confirm_the_name_is_not_called_a_failed_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    out = tmp_path / "r1"
    with building(out) as folder:
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(Unavailable, match="is in its place"):
            folder.publish()
    assert out.is_dir()


def test_a_new_file_knows_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    # A disk takes what it likes.
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data)[:3]))
    with NewFile(tmp_path / "a") as file:
        assert file.write(b"hello, ") == 7
        assert file.write(memoryview(b"world")) == 5
        assert file.tell() == 12
    assert (tmp_path / "a").read_bytes() == b"hello, world"
    assert file.sha256 == sha256(b"hello, world").hexdigest()
    with pytest.raises(ValueError, match="closed"):
        file.write(b"more")
    with pytest.raises(FileExistsError):
        NewFile(tmp_path / "a")
