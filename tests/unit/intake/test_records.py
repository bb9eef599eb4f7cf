import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.intake.conftest import Desk
from troth.core.errors import BadInput, Corrupt, Unavailable
from troth.intake import parts
from troth.intake.parts import RECORD_SCHEMA
from troth.intake.records import ImportSession, RecordStore
from troth.intake.rows import WORDS, Row, Where

HERE = Where("a test")


def row(id_: str, body: str = "hello", **more: object) -> Row:
    return Row(id=id_, category="post", where=HERE, body=body, **more)  # type: ignore[arg-type]


def add(
    store: RecordStore, rows: list[Row], **options: object
) -> tuple[ImportSession, list[tuple[str, ...]]]:
    conflicts: list[tuple[str, ...]] = []
    session = store.session(on_conflict=lambda _row, columns: conflicts.append(columns), **options)  # type: ignore[arg-type]
    with session:
        for one in rows:
            session.add(one)
    return session, conflicts


def ids(store: RecordStore) -> list[str]:
    return [one for path in store.paths() for one in pq.read_table(path)["id"].to_pylist()]


@contextmanager
def as_somebody() -> Iterator[None]:
    """Not as root, who may write anywhere: as the user `nobody`, if this is root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class TestStoring:
    def test_an_empty_store_has_no_parts_and_no_folder(self, desk: Desk) -> None:
        assert desk.store.paths() == []
        assert desk.store.count() == 0
        assert not desk.store.folder.exists()

    def test_columns_are_those_of_a_record_and_come_back(self, desk: Desk) -> None:
        one = row("a", created_at=5, author="ann", addressees=("bob", ""), topics=("x",), title="t\u00e9")
        add(desk.store, [one], draw=lambda count: b"s" * count)
        [path] = desk.store.paths()
        assert pq.read_schema(path).equals(RECORD_SCHEMA)
        assert pq.read_table(path).to_pylist() == [
            {
                "id": "a",
                "category": "post",
                "created_at": 5,
                "deleted_at": None,
                "author": "ann",
                "addressees": ["bob", ""],
                "topics": ["x"],
                "conversation": None,
                "title": "t\u00e9",
                "body": "hello",
                "salt": b"s" * 32,
            }
        ]

    def test_each_record_has_a_salt_of_its_own(self, desk: Desk) -> None:
        add(desk.store, [row(str(number)) for number in range(20)])
        salts = pq.read_table(desk.store.paths()[0])["salt"].to_pylist()
        assert len(set(salts)) == 20
        assert {len(salt) for salt in salts} == {32}

    def test_only_the_owner_may_read(self, desk: Desk) -> None:
        add(desk.store, [row("a")])
        for path in (*desk.store.paths(), desk.store.folder / ".lock"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(desk.store.folder.stat().st_mode) == 0o700

    def test_parts_are_bounded_in_rows_and_come_in_order(self, desk: Desk) -> None:
        add(desk.store, [row(f"{number:03}") for number in range(25)], part_rows=10)
        assert [path.name for path in desk.store.paths()] == [f"part-00000{n}.parquet" for n in (1, 2, 3)]
        assert ids(desk.store) == [f"{number:03}" for number in range(25)]
        assert desk.store.count() == 25

    def test_parts_are_bounded_in_bytes(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("troth.intake.records.PART_BYTES", 10_000)
        add(desk.store, [row(str(number), "x" * 4_000) for number in range(6)])
        assert len(desk.store.paths()) == 2

    def test_a_folder_whose_name_looks_like_a_pattern(self, tmp_path: Path) -> None:
        store = RecordStore(tmp_path / "we[i]rd*?" / "records")
        add(store, [row("a")])
        session, _ = add(store, [row("a"), row("b")])
        assert (session.imported, session.duplicates) == (1, 1)

    def test_other_files_in_the_folder_are_no_parts(self, desk: Desk) -> None:
        add(desk.store, [row("a")])
        (desk.store.folder / "part-1.parquet").write_bytes(b"no part")
        (desk.store.folder / "notes.txt").write_bytes(b"no part")
        assert desk.store.count() == 1


class TestRecognising:
    def test_the_same_again_changes_nothing(self, desk: Desk) -> None:
        rows = [row(str(number), author="ann", addressees=("bob",)) for number in range(30)]
        add(desk.store, rows, part_rows=10)
        before = {path: path.read_bytes() for path in desk.store.paths()}
        session, conflicts = add(desk.store, rows, part_rows=7)
        assert (session.imported, session.duplicates, conflicts) == (0, 30, [])
        assert {path: path.read_bytes() for path in desk.store.paths()} == before

    def test_duplicates_within_one_import_in_one_part_and_across_parts(self, desk: Desk) -> None:
        rows = [row("a"), row("a"), row("b"), row("c"), row("a"), row("c")]
        session, _ = add(desk.store, rows, part_rows=3)
        assert (session.imported, session.duplicates) == (3, 3)
        assert sorted(ids(desk.store)) == ["a", "b", "c"]

    def test_another_record_with_the_same_id_is_a_conflict_never_a_duplicate(self, desk: Desk) -> None:
        add(desk.store, [row("a")])
        session, conflicts = add(desk.store, [row("a", "other"), row("a", deleted_at=7, author="ann")])
        assert (session.imported, session.duplicates) == (0, 0)
        assert conflicts == [("body",), ("deleted_at", "author")]

    def test_other_words_take_the_other_id(self, desk: Desk) -> None:
        first, second = row("a", "one", other_id="a1"), row("a", "two", other_id="a2")
        session, conflicts = add(desk.store, [first, second, second, first])
        assert (session.imported, session.duplicates, conflicts) == (2, 2, [])
        assert sorted(ids(desk.store)) == ["a", "a2"]
        again, _ = add(desk.store, [second, first])
        assert (again.imported, again.duplicates) == (0, 2)

    def test_the_same_words_deleted_meanwhile_are_a_conflict(self, desk: Desk) -> None:
        # Taking the other id would keep the record that was deleted.
        add(desk.store, [row("a", other_id="a1")])
        session, conflicts = add(desk.store, [row("a", other_id="a1", deleted_at=9)])
        assert (session.imported, session.duplicates, conflicts) == (0, 0, [("deleted_at",)])

    def test_only_compared_columns_make_a_difference(self, desk: Desk) -> None:
        add(desk.store, [row("a", compared=WORDS)])
        session, conflicts = add(desk.store, [row("a", compared=WORDS, created_at=3, conversation="c")])
        assert (session.duplicates, conflicts) == (1, [])

    @settings(max_examples=25)  # each example writes files
    @given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), max_size=40), st.integers(1, 9))
    def test_any_two_imports_account_for_every_row(
        self, tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, int]], size: int
    ) -> None:
        store = RecordStore(tmp_path_factory.mktemp("store") / "records")
        rows = [row(f"r{number}", f"body {body}") for number, body in drawn]
        first_bodies: dict[str, str | None] = {}
        for one in rows:
            first_bodies.setdefault(one.id, one.body)
        different = sum(one.body != first_bodies[one.id] for one in rows)

        rehearsed, rehearsed_conflicts = add(store, rows, part_rows=size, dry_run=True)
        assert not store.folder.exists()
        session, conflicts = add(store, rows, part_rows=size)
        assert (rehearsed.imported, rehearsed.duplicates) == (session.imported, session.duplicates)
        assert rehearsed_conflicts == conflicts == [("body",)] * different
        assert session.imported == len(first_bodies) == store.count()
        assert session.imported + session.duplicates + different == len(rows)
        again, conflicts = add(store, rows, part_rows=size)
        assert (again.imported, len(conflicts)) == (0, different)


class TestDryRun:
    def test_it_counts_the_same_and_writes_nothing(self, desk: Desk) -> None:
        add(desk.store, [row("a")])
        before = sorted(path.name for path in desk.store.folder.iterdir())
        rows = [row("a"), row("b"), row("c"), row("b"), row("c", "other")]
        session, conflicts = add(desk.store, rows, part_rows=2, dry_run=True)
        assert (session.imported, session.duplicates, conflicts) == (2, 2, [("body",)])
        assert sorted(path.name for path in desk.store.folder.iterdir()) == before

    def test_it_runs_beside_an_import(self, desk: Desk) -> None:
        with desk.store.session(on_conflict=lambda _row, _columns: None):
            session, _ = add(desk.store, [row("a")], dry_run=True)
        assert session.imported == 1


class TestTrouble:
    def test_one_writer_at_a_time(self, desk: Desk) -> None:
        with desk.store.session(on_conflict=lambda _row, _columns: None) as session:
            session.add(row("a"))
            with pytest.raises(Unavailable, match="another import is writing"):
                add(desk.store, [row("b")])
        add(desk.store, [row("b")])
        assert desk.store.count() == 2

    def test_an_exception_stores_whole_parts_only_and_frees_the_lock(self, desk: Desk) -> None:
        session = desk.store.session(on_conflict=lambda _row, _columns: None, part_rows=2)

        def interrupted() -> None:
            with session:
                for number in range(3):
                    session.add(row(str(number)))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert ids(desk.store) == ["0", "1"]
        again, _ = add(desk.store, [row(str(number)) for number in range(3)])
        assert (again.imported, again.duplicates) == (1, 2)

    @pytest.mark.parametrize("persisted", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("step", ["write_table", "fsync", "rename", "folder"])
    @pytest.mark.parametrize(
        "error", [OSError(28, "No space left on device"), SystemExit()], ids=["full", "kill"]
    )
    def test_each_step_fails_with_and_without_having_persisted(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, step: str, persisted: bool, error: BaseException
    ) -> None:
        add(desk.store, [row("old")])
        steps = {
            "write_table": (pq, "write_table"),
            "fsync": (os, "fsync"),
            "rename": (Path, "rename"),
            "folder": (parts, "sync_folder"),
        }
        owner, name = steps[step]
        real = getattr(owner, name)

        def failing(*arguments: object, **options: object) -> object:
            if persisted:
                real(*arguments, **options)
            raise error

        rows = [row(str(number)) for number in range(5)]
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, failing)
            with pytest.raises(Unavailable if isinstance(error, OSError) else SystemExit):
                add(desk.store, rows)
        stored = ids(desk.store)
        assert stored in (["old"], ["old", *(one.id for one in rows)])
        session, _ = add(desk.store, rows)
        assert session.imported + session.duplicates == 5
        assert sorted(ids(desk.store)) == sorted(["old", *(one.id for one in rows)])
        assert not list(desk.store.folder.glob("*.tmp"))

    def test_a_killed_import_is_continued(self, desk: Desk) -> None:
        """SIGKILL between two parts, with a part half written beside them."""
        program = textwrap.dedent(
            """
            import os, signal, sys
            from pathlib import Path
            from troth.intake import parts
            from troth.intake.records import RecordStore
            from troth.intake.rows import Row, Where

            real, written = parts.pq.write_table, []
            def write_table(table, file, **options):
                written.append(1)
                if len(written) == 3:
                    file.write(b"PAR1 half a part")
                    file.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
                real(table, file, **options)
            parts.pq.write_table = write_table
            store = RecordStore(Path(sys.argv[1]))
            with store.session(on_conflict=print, part_rows=10) as session:
                for number in range(100):
                    session.add(Row(f"{number:03}", "post", Where("x"), body="hello"))
            """
        )
        done = subprocess.run([sys.executable, "-c", program, str(desk.store.folder)], check=False)
        assert done.returncode == -9
        assert [path.name for path in desk.store.folder.glob(".part*")] == [".part-000003.parquet.tmp"]
        assert desk.store.count() == 20
        session, _ = add(desk.store, [row(f"{number:03}") for number in range(100)])
        assert (session.imported, session.duplicates) == (80, 20)
        assert not list(desk.store.folder.glob(".part*"))
        assert sorted(ids(desk.store)) == [f"{number:03}" for number in range(100)]

    def test_a_damaged_part_is_said_to_be_corrupt(self, desk: Desk) -> None:
        add(desk.store, [row("a")])
        [path] = desk.store.paths()
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(Corrupt, match="cannot be read"):
            add(desk.store, [row("b")])
        with pytest.raises(Corrupt, match=r"part-000001\.parquet"):
            desk.store.count()

    def test_a_file_in_the_place_of_the_folder(self, desk: Desk) -> None:
        desk.store.folder.write_bytes(b"")
        with pytest.raises(BadInput, match="is no folder"):
            add(desk.store, [row("a")])

    def test_a_folder_that_may_not_be_written(self, desk: Desk) -> None:
        desk.store.folder.mkdir(mode=0o500)
        with as_somebody(), pytest.raises(Unavailable, match="storage failed"):
            add(desk.store, [row("a")])
