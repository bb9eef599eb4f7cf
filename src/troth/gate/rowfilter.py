"""A table of verdicts in PostgreSQL as a filter: views that show of other tables only the rows that are allowed."""

from __future__ import annotations

from troth.core.errors import BadInput, Place
from troth.gate import drivers
from troth.gate.addresses import Postgres
from troth.gate.drivers import quote, quoted


def index(verdicts: Postgres) -> None:
    """Make sure that rows of verdicts are found by their id, which is there once."""
    name = quote(f"{verdicts.table}_id")
    with drivers.postgres(verdicts) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {quoted(verdicts)} (id)")
        connection.commit()


def view(verdicts: Postgres, of: Postgres, name: Postgres, key: str = "id") -> None:
    """Make a view of a table with only the rows whose verdict is allowed; one of this name is replaced.

    A row without a verdict is not shown. Who may read the view need not be able to read the table behind it.

    Args:
        verdicts: the table of verdicts.
        of: a table of the same database, with a row for each record.
        name: the view.
        key: the column of ``of`` that holds the record's id.

    Raises:
        BadInput: a table or column is not there, or the three are not in one database.
        Unavailable: the database does not answer.
    """
    if len({verdicts.database, of.database, name.database}) != 1:
        raise BadInput("is in another database than the verdicts", place=Place(of.shown))
    with drivers.postgres(verdicts) as connection, connection.cursor() as cursor:
        there = drivers.columns(cursor, of)
        if key not in there:
            raise BadInput(
                f"has no column {key!r}" if there else "there is no such table",
                place=Place(of.shown),
                remedy="name the column that holds the record's id with --id-column",
            )
        cursor.execute(
            f"CREATE OR REPLACE VIEW {quoted(name)} WITH (security_barrier) AS "  # noqa: S608 - quoted names
            f"SELECT r.* FROM {quoted(of)} r WHERE EXISTS (SELECT 1 FROM {quoted(verdicts)} v "
            f"WHERE v.id = r.{quote(key)} AND v.verdict = 'allowed')"
        )
        connection.commit()
