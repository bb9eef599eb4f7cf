"""The ledger's tests run on both stores. What is about a file alone runs on the one that has a file."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support import require
from troth.ledger.store import Ledger

FILES_ONLY = {
    "test_opening": {
        "test_a_new_ledger_is_its_owner_s_alone_and_durable_in_every_commit",
        "test_making_one_where_nothing_can_be_made_is_unavailable",
        "test_where_there_is_no_ledger_it_says_so_and_makes_none",
        "test_a_file_that_is_no_ledger_is_refused_and_left_as_it_is",
        "test_another_program_s_database_is_refused",
        "test_a_ledger_of_a_newer_version_is_refused_and_not_changed",
        "test_a_ledger_that_was_cut_short_is_no_silent_loss",
        "test_a_path_of_any_signs_is_opened",
        "test_the_second_writer_waits_and_then_says_who_stands_in_the_way",
        "test_the_second_writer_gets_in_when_the_first_is_done_meanwhile",
        "test_a_copy_of_the_files_of_a_writer_that_is_open_is_a_ledger",
    },
    "test_erase": {
        "test_body_salt_name_and_request_are_gone_from_every_byte_on_disk",
        "test_while_somebody_reads_the_old_bytes_the_erasure_says_that_it_is_not_done",
    },
    "test_append": {"test_cutting_a_history_into_appends_otherwise_changes_nothing", "runTest"},
    "test_storage": {
        "test_under_the_floor_it_refuses_and_above_it_goes_on",
        "test_a_storage_error_stops_the_writer_and_what_it_acknowledged_is_there",
    },
}
"""Tests of files, folders, locks beside a file and bytes on a disk that is ours."""

ON_BOTH = ("test_append", "test_check", "test_erase", "test_group", "test_opening")
STORES = ("sqlite", "postgres")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        name = metafunc.module.__name__.rpartition(".")[2]
        alone = metafunc.function.__name__ in FILES_ONLY.get(name, ())
        both = name in ON_BOTH and not alone
        metafunc.parametrize("store", STORES if both else STORES[:1], indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> str:
    # unittest cases (state machines) are not parametrised.
    return str(getattr(request, "param", STORES[0]))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A running server of the tests' own."""
    require(importlib.util.find_spec("psycopg"), "the server extra (psycopg)")
    from tests.postgres import binaries, cluster

    programs = binaries()
    require(programs, "PostgreSQL's programs (initdb)")
    assert programs is not None
    with cluster(programs) as running:
        yield running


@pytest.fixture(autouse=True)
def _on_store(request: pytest.FixtureRequest, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a test on PostgreSQL, the module's ``Ledger``, ``peek`` and ``tamper`` are those of PostgreSQL."""
    if store == "sqlite":
        return
    request.getfixturevalue("postgres")
    from tests.unit.ledger import peek_postgres
    from troth.ledger.postgres import PostgresLedger

    module: ModuleType = request.module
    instead: dict[str, object] = {
        "Ledger": PostgresLedger,
        "peek": peek_postgres.peek,
        "tamper": peek_postgres.tamper,
        "WRITER": peek_postgres.WRITER,
    }
    for name, value in instead.items():
        if hasattr(module, name):
            monkeypatch.setattr(module, name, value)
    if hasattr(module, "OPEN"):
        monkeypatch.setattr(module, "OPEN", [PostgresLedger.read, PostgresLedger.write])


@pytest.fixture
def path(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Where a ledger is: the path of a file, or the address of a database."""
    return tmp_path / "ledger.sqlite3" if store == "sqlite" else request.getfixturevalue("postgres").fresh()


@pytest.fixture
def ledger_class(store: str) -> Callable[..., Any]:
    """The class of the store."""
    if store == "sqlite":
        return Ledger
    from troth.ledger.postgres import PostgresLedger

    return PostgresLedger


@pytest.fixture
def ledger(path: Any, ledger_class: Any) -> Iterator[Ledger]:
    with ledger_class.create(path) as made:
        made.free_space_floor = 0
        yield made
